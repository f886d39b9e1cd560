package config

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	databaseName  = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)
	appUserName   = regexp.MustCompile(`^[a-z][a-z0-9_]{0,60}$`)
	majorVersion  = regexp.MustCompile(`^1[4-8]$`)
	instanceClass = regexp.MustCompile(`^db\.[a-z0-9-]+\.[a-z0-9]+$`)
	snapshotID    = regexp.MustCompile(`^(arn:aws[a-z-]*:rds:[a-z0-9-]+:[0-9]{12}:snapshot:)?(rds:)?[a-z]([a-z0-9]|-[a-z0-9]){0,254}$`)
	dailyWindow   = regexp.MustCompile(`^([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])$`)
	weeklyWindow  = regexp.MustCompile(`^(` + anyDay + `):([01][0-9]|2[0-3]):([0-5][0-9])-(` + anyDay + `):([01][0-9]|2[0-3]):([0-5][0-9])$`)

	weekdays = strings.Split(anyDay, "|")

	// SQL's words, which RDS takes for no name: those that PostgreSQL's documentation calls reserved (appendix C).
	sqlWords = strings.Fields(`all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate
		collation column concurrently constraint create cross current_catalog current_date current_role current_schema current_time
		current_timestamp current_user default deferrable desc distinct do else end except false fetch for foreign freeze from full
		grant group having ilike in initially inner intersect into is isnull join lateral leading left like limit localtime
		localtimestamp natural not notnull null offset on only or order outer overlaps placing primary references returning right
		select session_user similar some symmetric system_user table tablesample then to trailing true union unique user using
		variadic verbose when where window with`)

	// PostgreSQL and RDS keep these for themselves.
	reservedUsers     = []string{"admin", "postgres", "public", "rdsadmin", "rds_superuser"}
	reservedDatabases = []string{"postgres", "rdsadmin", "template0", "template1"}
)

const (
	anyDay         = "sun|mon|tue|wed|thu|fri|sat"
	shortestWindow = 30 // minutes, as RDS asks of both windows
	day            = 24 * 60
	week           = 7 * day
)

func (d Database) validate(p *Problems) {
	matches(p, "databaseName", d.Name, databaseName, "a database name: 1 to 63 lower-case letters, digits and _, beginning with a letter")
	if slices.Contains(reservedDatabases, d.Name) {
		p.add("databaseName", "%q is kept by PostgreSQL for itself; choose another name", d.Name)
	}
	noSQLWord(p, "databaseName", d.Name)
	matches(p, "databaseUser", d.User, databaseName, "a user name: 1 to 63 lower-case letters, digits and _, beginning with a letter")
	if slices.Contains(reservedUsers, d.User) || strings.HasPrefix(d.User, "pg_") {
		p.add("databaseUser", "%q is kept by RDS for itself; choose another name", d.User)
	}
	noSQLWord(p, "databaseUser", d.User)
	matches(p, "databaseVersion", d.Version, majorVersion, "a major version of PostgreSQL from 14 to 18; a minor one would be a failing downgrade after RDS upgrades by itself")
	matches(p, "databaseInstanceClass", d.InstanceClass, instanceClass, "an RDS instance class such as db.t4g.micro")
	if d.Protected && !d.FinalSnapshot {
		p.add("databaseFinalSnapshot", "must be true where databaseProtected is")
	}
	if d.Protected && d.BackupDays == 0 {
		p.add("databaseBackupDays", "must be at least 1 where databaseProtected is true")
	}
	// RDS refuses less than a tenth above what there is.
	if least := (d.StorageGb*11 + 9) / 10; d.MaxStorageGb != 0 && d.MaxStorageGb < least {
		p.add("databaseMaxStorageGb", "%d leaves databaseStorageGb, %d, no room to grow: give %d at least, or 0 for no growth",
			d.MaxStorageGb, d.StorageGb, least)
	}
	if d.Snapshot != "" {
		matches(p, "databaseSnapshot", d.Snapshot, snapshotID, "the name of a snapshot of RDS in lower case, such as myapp-staging-final-sg-0123 or rds:myapp-staging-2026-11-25-03-07, or its ARN")
	}
	d.validateWindows(p)
}

// noSQLWord refuses a name that is a word of SQL's.
func noSQLWord(p *Problems, key, name string) {
	if slices.Contains(sqlWords, name) {
		p.add(key, "%q is a reserved word of SQL; choose another name", name)
	}
}

// validateAppUser applies the rules about the user that services connect as, whom one of them has to make.
func (d Database) validateAppUser(services []Service, p *Problems) {
	if d.AppUser == "" {
		return
	}
	matches(p, "databaseAppUser", d.AppUser, appUserName, "a user name: 1 to 61 lower-case letters, digits and _, beginning with a letter, or empty")
	if slices.Contains(reservedUsers, d.AppUser) || strings.HasPrefix(d.AppUser, "pg_") {
		p.add("databaseAppUser", "%q is kept by RDS for itself; choose another name", d.AppUser)
	}
	noSQLWord(p, "databaseAppUser", d.AppUser)
	// Its two logins are called NAME_a and NAME_b.
	if slices.Contains([]string{d.AppUser, d.AppUser + "_a", d.AppUser + "_b"}, d.User) {
		p.add("databaseAppUser", "%q would be databaseUser, the master user, as well; choose another name", d.AppUser)
	}
	uses := slices.ContainsFunc(services, func(s Service) bool { return s.Database })
	if uses && !slices.ContainsFunc(services, func(s Service) bool { return len(s.Migration) > 0 }) {
		p.add("databaseAppUser", "no service has a migration, which would make the user; give one a migration, or leave this empty")
	}
}

// validateWindows applies RDS's rules about when it may work on the database.
func (d Database) validateWindows(p *Problems) {
	backup, hasBackup := span{}, d.BackupWindow != ""
	if hasBackup {
		matches(p, "databaseBackupWindow", d.BackupWindow, dailyWindow, "a time of each day in UTC such as 03:00-04:00, or empty")
		backup, hasBackup = daily(d.BackupWindow)
	}
	if hasBackup && backup.length < shortestWindow {
		p.add("databaseBackupWindow", "%s is shorter than %d minutes", d.BackupWindow, shortestWindow)
	}
	if d.BackupWindow != "" && d.BackupDays == 0 {
		p.add("databaseBackupWindow", "says nothing where databaseBackupDays is 0, which switches backups off; leave it empty")
	}
	if d.MaintenanceWindow == "" {
		return
	}
	matches(p, "databaseMaintenanceWindow", d.MaintenanceWindow, weeklyWindow, "a time of each week in UTC such as sun:04:30-sun:05:30, or empty")
	maintenance, ok := weekly(d.MaintenanceWindow)
	switch {
	case !ok: // told already
	case maintenance.length < shortestWindow || maintenance.length >= day:
		p.add("databaseMaintenanceWindow", "%s must take at least %d minutes, and less than a day", d.MaintenanceWindow, shortestWindow)
	case hasBackup && backup.meets(maintenance):
		p.add("databaseMaintenanceWindow", "%s overlaps databaseBackupWindow, %s, and RDS refuses that; move one of them",
			d.MaintenanceWindow, d.BackupWindow)
	}
}

// span is a time that comes again each day or each week.
type span struct{ start, length, period int } // minutes; a week begins with Sunday

func daily(window string) (span, bool) {
	found := dailyWindow.FindStringSubmatch(window)
	if found == nil {
		return span{}, false
	}
	return newSpan(minutes(found[1], found[2]), minutes(found[3], found[4]), day), true
}

func weekly(window string) (span, bool) {
	found := weeklyWindow.FindStringSubmatch(window)
	if found == nil {
		return span{}, false
	}
	from, to := slices.Index(weekdays, found[1])*day, slices.Index(weekdays, found[4])*day
	return newSpan(from+minutes(found[2], found[3]), to+minutes(found[5], found[6]), week), true
}

// newSpan is the time from start to end, which may lie beyond the end of the period.
func newSpan(start, end, period int) span {
	return span{start, (end - start + period) % period, period}
}

// meets says whether two spans have a minute in common, of which one's period is a whole part of the other's.
func (s span) meets(other span) bool {
	period := min(s.period, other.period)
	apart := func(from, to int) int { return ((to-from)%period + period) % period }
	return apart(s.start, other.start) < s.length || apart(other.start, s.start) < other.length
}

// minutes is a time of day, of two numbers that an expression has found.
func minutes(hour, minute string) int {
	h, _ := strconv.Atoi(hour)
	m, _ := strconv.Atoi(minute)
	return h*60 + m
}
