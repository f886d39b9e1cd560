package database

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// admin is RDS's own superuser.
const admin = "rdsadmin"

// roles are the statements that make what RDS makes of roles and databases. The master user's attributes, and what
// rds_superuser may do, are those of the Amazon RDS User Guide, "Understanding the rds_superuser role"; that its
// members are in pg_monitor and pg_signal_backend is what RDS's own servers show.
func roles(instance Instance, verifier string) []string {
	user := identifier(instance.User)
	statements := []string{
		"CREATE ROLE rds_superuser NOLOGIN",
		"CREATE ROLE rds_replication NOLOGIN",
		"CREATE ROLE rds_password NOLOGIN",
		"GRANT pg_monitor, pg_signal_backend TO rds_superuser",
		"GRANT rds_replication, rds_password TO rds_superuser WITH ADMIN OPTION",
		"CREATE ROLE " + user + " LOGIN NOSUPERUSER INHERIT CREATEDB CREATEROLE NOREPLICATION VALID UNTIL 'infinity'" +
			" PASSWORD '" + verifier + "'",
		"GRANT rds_superuser TO " + user + " WITH ADMIN OPTION",
		"ALTER DATABASE template1 OWNER TO " + user,
		"ALTER DATABASE postgres OWNER TO " + user,
	}
	if instance.database() != "postgres" {
		statements = append(statements, "CREATE DATABASE "+identifier(instance.Database)+" OWNER "+user)
	}
	return statements
}

// asAdmin carries out statements as rdsadmin in the database that every server has, one by one.
func (s *Servers) asAdmin(ctx context.Context, server *server, statements ...string) error {
	conn, err := s.connect(ctx, server, admin, server.admin, "postgres")
	if err != nil {
		return fmt.Errorf("connect as %s: %w", admin, err)
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement).ReadAll(); err != nil {
			return fmt.Errorf("as %s: %w", admin, err)
		}
	}
	return nil
}

func identifier(name string) string { return pgx.Identifier{name}.Sanitize() }
