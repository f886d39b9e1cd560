package workload

import (
	"strconv"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway/infra/policy"
)

// DatabaseInputs is where the database is, as far as known before it exists.
type DatabaseInputs struct {
	Host            pulumi.StringInput
	Name            string
	Port            int
	SecretARN       pulumi.StringInput // with the master user's name and password
	SecurityGroupID pulumi.StringInput
	TLSMode         string // as libpq's sslmode
	App             AppUserInputs
}

// AppUserInputs is the user that applications connect as; with no name they are the master.
type AppUserInputs struct {
	Name        string
	SecretARN   pulumi.StringInput // to which the migration writes the user's login
	RotateHours int                // age at which the migration gives the user another password
}

// DatabaseAccess is where the database is and where its logins are kept, all values known.
type DatabaseAccess struct {
	Host, Name string
	Port       int
	SecretARN  string
	TLSMode    string
	App        AppUser
}

// AppUser is what AppUserInputs is, all values known.
type AppUser struct {
	Name, SecretARN string
	RotateHours     int
}

// known are the inputs with what only other resources knew.
func (d DatabaseInputs) known(host, secretARN, appSecretARN string) DatabaseAccess {
	return DatabaseAccess{
		Host: host, Name: d.Name, Port: d.Port, SecretARN: secretARN, TLSMode: d.TLSMode,
		App: AppUser{Name: d.App.Name, SecretARN: appSecretARN, RotateHours: d.App.RotateHours},
	}
}

// variables is what a container is told of the database. Where applications have a user of their own, only the migration
// learns of the master's, and makes theirs.
func (d DatabaseAccess) variables(migrates bool) map[string]string {
	values := map[string]string{
		"DATABASE_HOST": d.Host, "DATABASE_NAME": d.Name, "DATABASE_PORT": strconv.Itoa(d.Port), "DATABASE_SSLMODE": d.TLSMode,
	}
	switch {
	case d.App.Name == "":
		values["DATABASE_SECRET_ARN"] = d.SecretARN
	case migrates:
		values["DATABASE_APP_USER"] = d.App.Name
		values["DATABASE_APP_SECRET_ARN"] = d.App.SecretARN
		values["DATABASE_APP_ROTATE_HOURS"] = strconv.Itoa(d.App.RotateHours)
	default:
		values["DATABASE_SECRET_ARN"] = d.App.SecretARN
	}
	return values
}

// secrets is what ECS puts into a container's environment: the master's login, for whoever connects as the master. The login of
// the application's user cannot be put there, since at the first start of all the migration has not made it.
func (d DatabaseAccess) secrets(migrates bool) []secret {
	if d.App.Name != "" && !migrates {
		return nil
	}
	return []secret{
		{Name: "DATABASE_PASSWORD", ValueFrom: d.SecretARN + ":password::"},
		{Name: "DATABASE_USER", ValueFrom: d.SecretARN + ":username::"},
	}
}

// startSecret is the secret that ECS reads to start a task; nothing where it needs none.
func (b *serviceBuilder) startSecret() pulumi.StringInput {
	db := b.args.Database
	if !b.args.Row.Database || db.App.Name != "" && len(b.args.Row.Migration) == 0 {
		return nil
	}
	return db.SecretARN
}

// runningSecret is the secret that the task itself reads while it runs; nothing where it has no database.
func (b *serviceBuilder) runningSecret() pulumi.StringInput {
	db := b.args.Database
	switch {
	case !b.args.Row.Database:
		return nil
	case db.App.Name != "":
		return db.App.SecretARN
	}
	return db.SecretARN
}

// useSecret allows a running task to read the login again after a rotation. All containers of a task share its role: where the
// migration keeps the login of the application's user, the application could overwrite it. That opens nothing, and the next
// migration sees that it opens nothing, and makes another.
func (b *serviceBuilder) useSecret(arn string) policy.Statement {
	statement := readSecret(arn)
	if b.args.Database.App.Name != "" && len(b.args.Row.Migration) > 0 {
		statement.Action = append(statement.Action, "secretsmanager:PutSecretValue")
	}
	return statement
}
