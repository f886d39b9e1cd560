package infra

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway/infra/infratest"
)

// override is a serviceOverrides value with one key of the backend.
func override(key, value string) map[string]string {
	return map[string]string{"serviceOverrides": `{"backend": {"` + key + `": ` + value + `}}`}
}

// sleep is a stack that stops and starts its services by the clock.
func sleep(at, until string) map[string]string {
	return map[string]string{"clusterSleepSchedule": at, "clusterWakeSchedule": until}
}

// rows is a serviceOverrides value.
func rows(overrides string) map[string]string {
	return map[string]string{"serviceOverrides": overrides}
}

func set(key, value string) map[string]string { return map[string]string{key: value} }

// state is a state in a bucket, under a key.
func state(key string) map[string]string {
	return map[string]string{"stateBucket": "state", "stateKmsKeyArn": key}
}

// windows is when RDS makes its backup, and when it may restart the database.
func windows(backup, maintenance string) map[string]string {
	return map[string]string{"databaseBackupWindow": backup, "databaseMaintenanceWindow": maintenance}
}

// domain is a domain and its zone, with one more key.
func domain(key, value string) map[string]string {
	settings := map[string]string{"edgeDomain": "app.example.com", "edgeZoneId": "Z0123456789ABCDEFGHIJ"}
	settings[key] = value
	return settings
}

// watching is alarms with one of their settings.
func watching(key, value string) map[string]string {
	return map[string]string{"alarms": "true", key: value}
}

// services is a services value: two valid rows, changed by text replacements given as pairs.
func services(pairs ...string) map[string]string {
	rows := `{
		"front": {"default": true, "port": 3000, "healthCommand": ["true"]},
		"back": {"path": ["/api/*"], "port": 8000, "healthCommand": ["true"]}
	}`
	return map[string]string{"services": strings.NewReplacer(pairs...).Replace(rows), "serviceOverrides": "{}"}
}

// row is a services value: two valid rows, and a third of the given keys.
func row(keys string) map[string]string {
	return map[string]string{"serviceOverrides": "{}", "services": `{
		"front": {"default": true, "port": 3000, "healthCommand": ["true"]},
		"inner": {"internal": true, "port": 8001, "healthCommand": ["true"]},
		"third": {` + keys + `}
	}`}
}

// badInputs are settings laid over those of staging, and what the error must say: the path of what is wrong, and a part
// of why. A value of "-" takes the setting away.
var badInputs = []struct {
	name      string
	settings  map[string]string
	path, why string
}{
	// Types.
	{"a word for a number", set("networkZoneCount", "two"), "networkZoneCount", `a whole number from 2 to 3, not "two"`},
	{"a fraction", set("networkZoneCount", "2.5"), "networkZoneCount", "a whole number from 2 to 3"},
	{"an exponent", set("databaseStorageGb", "1e2"), "databaseStorageGb", "a whole number"},
	{"a misspelt truth", set("databaseMultiAz", "ture"), "databaseMultiAz", `true or false, not "ture"`},
	{"a number for a truth", set("databaseMultiAz", "1"), "databaseMultiAz", "true or false, not the number 1"},
	{"a string for a list", set("edgeIngressCidrs", `"10.0.0.0/8"`), "edgeIngressCidrs", "a list of strings"},
	{"text after a value", set("edgeIngressCidrs", `["10.0.0.0/8"] x`), "edgeIngressCidrs", "a list of strings"},
	{"services that are a list", set("services", "[]"), "services", "must be an object, not a list"},
	{"services that are no JSON", set("services", "{"), "services", "must be an object"},
	{"services that are none", services("\n\t\t\"front\": {\"default\": true, \"port\": 3000, \"healthCommand\": [\"true\"]},", "",
		`"back": {"path": ["/api/*"], "port": 8000, "healthCommand": ["true"]}`, ""), "services", "at least one service"},
	{"a row that is a number", services(`{"path": ["/api/*"], "port": 8000, "healthCommand": ["true"]}`, "1"), "services.back", "an object of a service's keys"},
	{"overrides that are a list", set("serviceOverrides", "[]"), "serviceOverrides", "must be an object, not a list"},
	{"an override that is a number", set("serviceOverrides", `{"backend": 2}`), "serviceOverrides.backend", "an object of a service's keys"},
	{"a quoted number", override("cpu", `"512"`), "services.backend.cpu", `a whole number, not the string "512"`},
	{"a quoted truth", override("exec", `"true"`), "services.backend.exec", "true or false"},
	{"a null", override("count", "null"), "services.backend.count", "not null"},
	{"a number for a variable", override("environment", `{"LIMIT": 5}`), "services.backend.environment.LIMIT", "put it in quotes"},
	{"a list for an object", override("environment", `[]`), "services.backend.environment", "an object of strings"},
	{"a string for a command", override("healthCommand", `"true"`), "services.backend.healthCommand", "a list of strings"},
	{"a number among patterns", override("path", `[7]`), "services.backend.path[0]", "must be a string"},

	// Keys.
	{"a misspelt key", set("networkCdir", "10.0.0.0/16"), "networkCdir", "did you mean networkCidr?"},
	{"a key of nobody's", set("colour", "blue"), "colour", "unknown key"},
	{"a misspelt key of a row", override("prot", "8000"), "services.backend.prot", "did you mean port?"},
	{"an override of no service", set("serviceOverrides", `{"backand": {"count": 2}}`), "serviceOverrides.backand", "did you mean backend?"},
	{"no owner", set("githubOwner", "-"), "githubOwner", "is required"},
	{"no environment", set("githubEnvironment", "-"), "githubEnvironment", "is required"},
	{"no port", services(`"port": 8000, `, ""), "services.back.port", "is required"},
	{"no health check", services(`8000, "healthCommand": ["true"]`, "8000"), "services.back.healthCommand", "is required"},

	// Names.
	{"a name with a blank", set("appName", "My App"), "appName", "lower-case letters"},
	{"a name too long", set("appName", "abcdefghijklmnopqrstu"), "appName", "2 to 20"},
	{"a prefix in capitals", set("registryPrefix", "MyApp"), "registryPrefix", "lower-case"},
	{"a service in capitals", services("back", "Back"), "services.Back", "lower-case letters"},
	{"a name of AWS's own", set("appName", "internal"), "appName", "as AWS's own names"},
	{"a name that begins as AWS's own", set("appName", "sg-app"), "appName", "begins with sg-"},
	{"a service that would share a group's name", services("back", "edge"), "services.edge", "is kept for a part of the program"},
	{"a service of a kept name", services("back", "migrate"), "services.migrate", "is kept for a part of the program"},

	// Who may deploy.
	{"a repository id that is a name", set("githubRepositoryId", "myapp"), "githubRepositoryId", "numeric id"},
	{"a repository id that is a wildcard", set("githubRepositoryId", "*"), "githubRepositoryId", "would widen who may deploy"},
	{"an owner id that is negative", set("githubOwnerId", "-5"), "githubOwnerId", "numeric id"},
	{"one id of two", set("githubOwnerId", "5"), "githubRepositoryId", "set both, or neither"},
	{"a wildcard repository", set("githubRepository", "my*"), "githubRepository", "no wildcard"},
	{"a repository with its owner", set("githubRepository", "me/myapp"), "githubRepository", "without its owner"},
	{"a wildcard owner", set("githubOwner", "*"), "githubOwner", "no wildcard"},
	{"a wildcard environment", set("githubEnvironment", "prod*"), "githubEnvironment", "no wildcard"},
	{"an owner id that is a wildcard", set("githubOwnerId", "1*"), "githubOwnerId", "would widen who may deploy"},
	{"a misspelt preview", set("githubPreview", "yes"), "githubPreview", `true or false, not "yes"`},

	// Where the state is.
	{"a bucket with its scheme", set("stateBucket", "s3://state"), "stateBucket", "no s3:// before it"},
	{"a bucket with a folder", set("stateBucket", "state/slipway"), "stateBucket", "no folder after it"},
	{"a bucket that is a wildcard", set("stateBucket", "state-*"), "stateBucket", "name of an S3 bucket"},
	{"a bucket in capitals", set("stateBucket", "State"), "stateBucket", "lower-case letters"},
	{"a bucket too short", set("stateBucket", "ab"), "stateBucket", "3 to 63"},
	{"a key's alias", state("alias/state"), "stateKmsKeyArn", "an alias would not do"},
	{"every key", state("arn:aws:kms:us-east-1:123456789012:key/*"), "stateKmsKeyArn", "ARN of a KMS key"},
	{"a key with no bucket", set("stateKmsKeyArn", "arn:aws:kms:us-east-1:123456789012:key/a"), "stateKmsKeyArn", "goes with stateBucket"},

	// What runs.
	{"a revision that is a tag", set("revision", "v1.2.3"), "revision", "40 hexadecimal digits"},
	{"a revision cut short", set("revision", "7761ca8"), "revision", "40 hexadecimal digits"},
	{"a revision in capitals", set("revision", strings.Repeat("A", 40)), "revision", "in lower case"},
	{"a platform that Fargate has not", set("imagesPlatform", "linux/riscv64"), "imagesPlatform", "linux/arm64, linux/amd64, native"},
	{"a build network of nobody's", set("imagesBuildNetwork", "bridge0"), "imagesBuildNetwork", "default, host, none"},
	{"too few releases kept", set("registryKeepTagged", "5"), "registryKeepTagged", "from 20 to 10000"},
	{"untagged images kept for ever", set("registryUntaggedDays", "0"), "registryUntaggedDays", "from 1 to 365"},
	{"a key that is no ARN", set("registryKmsKeyArn", "alias/mine"), "registryKmsKeyArn", "arn:aws:kms:"},

	// Network.
	{"a VPC that is no range", set("networkCidr", "ten"), "networkCidr", "not an IPv4 range"},
	{"a VPC of IPv6", set("networkCidr", "fd00::/16"), "networkCidr", "not an IPv4 range"},
	{"a VPC with bits beyond its length", set("networkCidr", "10.0.0.1/16"), "networkCidr", "the range is 10.0.0.0/16"},
	{"a VPC too wide", set("networkCidr", "10.0.0.0/8"), "networkCidr", "from /16 to /22"},
	{"a VPC too small", set("networkCidr", "10.0.0.0/24"), "networkCidr", "from /16 to /22"},
	{"a VPC of public addresses", set("networkCidr", "8.8.0.0/16"), "networkCidr", "is not private"},
	{"one zone", set("networkZoneCount", "1"), "networkZoneCount", "from 2 to 3"},
	{"too many zones", set("networkZoneCount", "7"), "networkZoneCount", "from 2 to 3"},
	{"half a NAT", set("networkNat", "half"), "networkNat", "none, single, perZone"},
	{"subnets that overlap", set("networkPublicCidrs", `["10.0.128.0/20", "10.0.136.0/24"]`), "networkPublicCidrs[1]", "overlaps 10.0.128.0/20"},
	{"subnets over another tier's", set("networkIsolatedCidrs", `["10.0.0.0/24", "10.0.208.0/20"]`), "networkIsolatedCidrs[0]", "overlaps 10.0.0.0/19 of networkPrivateCidrs"},
	{"a private subnet too small", set("networkPrivateCidrs", `["10.0.0.0/27", "10.0.32.0/20"]`), "networkPrivateCidrs[0]", "too small: /26"},
	{"an isolated subnet too small", set("networkIsolatedCidrs", `["10.0.192.0/29", "10.0.208.0/20"]`), "networkIsolatedCidrs[0]", "too small: /28"},
	{"a subnet outside", set("networkPublicCidrs", `["10.1.0.0/20", "10.0.144.0/20"]`), "networkPublicCidrs[0]", "not within networkCidr"},
	{"a subnet that is no range", set("networkPublicCidrs", `["x", "10.0.144.0/20"]`), "networkPublicCidrs[0]", "not an IPv4 range"},
	{"a subnet too few", set("networkPublicCidrs", `["10.0.128.0/20"]`), "networkPublicCidrs", "holds 1 ranges, but networkZoneCount is 2"},

	// Database.
	{"a database in capitals", set("databaseName", "App"), "databaseName", "lower-case"},
	{"a database of PostgreSQL's own", set("databaseName", "postgres"), "databaseName", "by PostgreSQL for itself"},
	{"a user of RDS's own", set("databaseUser", "rdsadmin"), "databaseUser", "by RDS for itself"},
	{"an application user in capitals", set("databaseAppUser", "Client"), "databaseAppUser", "lower-case"},
	{"an application user too long", set("databaseAppUser", strings.Repeat("a", 62)), "databaseAppUser", "1 to 61"},
	{"an application user of RDS's own", set("databaseAppUser", "postgres"), "databaseAppUser", "by RDS for itself"},
	{"an application user who is the master", set("databaseAppUser", "app"), "databaseAppUser", "would be databaseUser"},
	{"an application user whose login is the master's", map[string]string{"databaseUser": "client_a", "databaseAppUser": "client"}, "databaseAppUser", "would be databaseUser"},
	{
		"an application user whom nobody makes",
		map[string]string{"databaseAppUser": "client", "serviceOverrides": `{"backend": {"migration": []}}`},
		"databaseAppUser", "no service has a migration",
	},
	{"a password for ever", set("databaseRotateHours", "9000"), "databaseRotateHours", "from 0 to 8760"},
	{"a minor version", set("databaseVersion", "17.4"), "databaseVersion", "major version"},
	{"a version too old", set("databaseVersion", "9"), "databaseVersion", "from 14 to 18"},
	{"a version that is out of support", set("databaseVersion", "13"), "databaseVersion", "from 14 to 18"},
	{"a database that is a word", set("databaseName", "table"), "databaseName", "reserved word of SQL"},
	{"a master that is a word", set("databaseUser", "order"), "databaseUser", "reserved word of SQL"},
	{"an application user that is a word", set("databaseAppUser", "current_user"), "databaseAppUser", "reserved word of SQL"},
	{"a class that is none", set("databaseInstanceClass", "t4g.micro"), "databaseInstanceClass", "db.t4g.micro"},
	{"too little storage", set("databaseStorageGb", "5"), "databaseStorageGb", "from 20 to 65536"},
	{"backups too long", set("databaseBackupDays", "36"), "databaseBackupDays", "from 0 to 35"},
	{"a protected database with no snapshot", set("databaseFinalSnapshot", "false"), "databaseFinalSnapshot", "where databaseProtected is"},
	{"a protected database with no backup", set("databaseBackupDays", "0"), "databaseBackupDays", "at least 1"},
	{"no room to grow", set("databaseMaxStorageGb", "21"), "databaseMaxStorageGb", "give 22 at least"},
	{"growth below the size", map[string]string{"databaseStorageGb": "200", "databaseMaxStorageGb": "100"}, "databaseMaxStorageGb", "give 220 at least"},
	{"growth without end", set("databaseMaxStorageGb", "70000"), "databaseMaxStorageGb", "from 0 to 65536"},
	{"a backup at no time", set("databaseBackupWindow", "3:00-4:00"), "databaseBackupWindow", "such as 03:00-04:00"},
	{"a backup after midnight's hour", set("databaseBackupWindow", "24:00-24:30"), "databaseBackupWindow", "in UTC"},
	{"a backup in no time", set("databaseBackupWindow", "03:00-03:29"), "databaseBackupWindow", "shorter than 30 minutes"},
	{
		"a backup that is switched off",
		map[string]string{"databaseProtected": "false", "databaseBackupDays": "0", "databaseBackupWindow": "03:00-04:00"},
		"databaseBackupWindow", "switches backups off",
	},
	{"maintenance on no day", set("databaseMaintenanceWindow", "04:30-05:30"), "databaseMaintenanceWindow", "such as sun:04:30-sun:05:30"},
	{"maintenance in capitals", set("databaseMaintenanceWindow", "Sun:04:30-Sun:05:30"), "databaseMaintenanceWindow", "such as sun:04:30-sun:05:30"},
	{"maintenance in no time", set("databaseMaintenanceWindow", "sun:04:30-sun:04:30"), "databaseMaintenanceWindow", "at least 30 minutes"},
	{"maintenance for days", set("databaseMaintenanceWindow", "sun:04:30-mon:04:30"), "databaseMaintenanceWindow", "less than a day"},
	{"maintenance during the backup", windows("03:00-04:00", "sun:03:59-sun:05:00"), "databaseMaintenanceWindow", "overlaps databaseBackupWindow, 03:00-04:00"},
	{"a backup during maintenance", windows("23:30-00:30", "tue:00:00-tue:12:00"), "databaseMaintenanceWindow", "overlaps databaseBackupWindow"},
	{"maintenance over midnight", windows("00:10-00:40", "sat:23:45-sun:00:15"), "databaseMaintenanceWindow", "overlaps databaseBackupWindow"},
	{"a snapshot in capitals", set("databaseSnapshot", "Final"), "databaseSnapshot", "in lower case"},
	{"a snapshot with a blank", set("databaseSnapshot", "my snapshot"), "databaseSnapshot", "name of a snapshot"},
	{"a snapshot that ends in a hyphen", set("databaseSnapshot", "myapp-"), "databaseSnapshot", "name of a snapshot"},
	{"slow in negative time", set("databaseSlowMs", "-1"), "databaseSlowMs", "from 0 to 3600000"},
	{"logs in a word", set("databaseLogs", "all"), "databaseLogs", `true or false, not "all"`},
	{"insights in days", set("databasePerformanceInsights", "7"), "databasePerformanceInsights", "true or false"},
	{"TLS that does not force", set("databaseTls", "prefer"), "databaseTls", "verify-full, require"},

	// Edge, cluster, logs.
	{"nobody may connect", set("edgeIngressCidrs", "[]"), "edgeIngressCidrs", "at least one range"},
	{"somebody that is no range", set("edgeIngressCidrs", `["me"]`), "edgeIngressCidrs[0]", "not an IPv4 range"},
	{"somebody twice", set("edgeIngressCidrs", `["10.0.0.0/8", "192.0.2.0/24", "10.0.0.0/8"]`), "edgeIngressCidrs[2]", "stands there twice"},
	{"an idle time of nothing", set("edgeIdleSeconds", "0"), "edgeIdleSeconds", "from 1 to 4000"},
	{"a drain too long", set("edgeDeregistrationSeconds", "4000"), "edgeDeregistrationSeconds", "from 0 to 3600"},
	{"a domain with no zone", set("edgeDomain", "app.example.com"), "edgeZoneId", "is required with edgeDomain"},
	{"a zone with no domain", set("edgeZoneId", "Z1"), "edgeZoneId", "goes with edgeDomain"},
	{"a zone's path", domain("edgeZoneId", "/hostedzone/Z1"), "edgeZoneId", "no /hostedzone/ before it"},
	{"a zone's name", domain("edgeZoneId", "example.com"), "edgeZoneId", "the id of a hosted zone"},
	{"a domain with a scheme", domain("edgeDomain", "https://app.example.com"), "edgeDomain", "no scheme"},
	{"a domain in capitals", domain("edgeDomain", "App.example.com"), "edgeDomain", "in lower case"},
	{"a domain that is a wildcard", domain("edgeDomain", "*.example.com"), "edgeDomain", "wildcard"},
	{"a domain with a dot at its end", domain("edgeDomain", "app.example.com."), "edgeDomain", "no dot at its end"},
	{"a domain of one label", domain("edgeDomain", "app"), "edgeDomain", "not a domain name"},
	{"a domain that is an address", domain("edgeDomain", "192.0.2.1"), "edgeDomain", "not a domain name"},
	{"a domain with an empty label", domain("edgeDomain", "app..example.com"), "edgeDomain", "not a domain name"},
	{"a domain with a hyphen at a label's end", domain("edgeDomain", "app-.example.com"), "edgeDomain", "not a domain name"},
	{"a domain too long", domain("edgeDomain", strings.Repeat("a", 53)+".example.com"), "edgeDomain", "65 characters of at most 64"},
	{"an alias with no domain", set("edgeAliases", `["www.example.com"]`), "edgeAliases", "goes with edgeDomain"},
	{"an alias that is none", domain("edgeAliases", `["www.example.com", "www example.com"]`), "edgeAliases[1]", "not a domain name"},
	{"an alias that is the domain", domain("edgeAliases", `["app.example.com"]`), "edgeAliases[0]", "stands there twice"},
	{"too many aliases", domain("edgeAliases", `["a.example.com", "b.example.com", "c.example.com", "d.example.com", "e.example.com"]`), "edgeAliases", "5 names of at most 4"},
	{"TLS of long ago", domain("edgeTlsPolicy", "ELBSecurityPolicy-2016-08"), "edgeTlsPolicy", "with TLS 1.3"},
	{"TLS 1.1", domain("edgeTlsPolicy", "ELBSecurityPolicy-TLS13-1-1-2021-06"), "edgeTlsPolicy", "with 1.2 at least"},
	{"HSTS with no domain", set("edgeHstsSeconds", "60"), "edgeHstsSeconds", "goes with edgeDomain"},
	{"HSTS too long", domain("edgeHstsSeconds", "63072001"), "edgeHstsSeconds", "from 0 to 63072000"},
	{"access logs for ever", set("edgeAccessLogDays", "3651"), "edgeAccessLogDays", "from 0 to 3650"},
	{"sleep with no end", set("clusterSleepSchedule", "cron(0 20 ? * MON-FRI *)"), "clusterWakeSchedule", "set both, or neither"},
	{"an end of no sleep", set("clusterWakeSchedule", "cron(0 6 ? * MON-FRI *)"), "clusterWakeSchedule", "set both, or neither"},
	{"a cron of five fields", sleep("cron(0 20 * * *)", "cron(0 6 ? * MON-FRI *)"), "clusterSleepSchedule", "six fields"},
	{"an hour that there is not", sleep("cron(0 20 ? * MON-FRI *)", "cron(0 24 ? * MON-FRI *)"), "clusterWakeSchedule", "from 0 to 23"},
	{"a time in words", sleep("at night", "cron(0 6 ? * MON-FRI *)"), "clusterSleepSchedule", "write cron("},
	{"sleep at some rate", sleep("rate(1 day)", "cron(0 6 ? * MON-FRI *)"), "clusterSleepSchedule", "write cron("},
	{"asleep and awake at once", sleep("cron(0 6 ? * MON-FRI *)", "cron(0 6 ? * MON-FRI *)"), "clusterWakeSchedule", "which of the two would come last"},
	{"a time zone of nobody's", set("clusterTimeZone", "Berlin"), "clusterTimeZone", "such as Europe/Berlin"},
	{"insights of nobody's", set("clusterContainerInsights", "on"), "clusterContainerInsights", "disabled, enabled, enhanced"},
	{"a deployment of no time", set("clusterDeployMinutes", "1"), "clusterDeployMinutes", "from 5 to 120"},
	{"a period that logs have not", set("logRetentionDays", "31"), "logRetentionDays", "CloudWatch Logs offers"},

	// Alarms.
	{"an address with a name", watching("alarmsEmail", `["Ops <ops@example.com>"]`), "alarmsEmail[0]", "not an e-mail address"},
	{"no address", watching("alarmsEmail", `["ops"]`), "alarmsEmail[0]", "not an e-mail address"},
	{"an address twice", watching("alarmsEmail", `["a@example.com", "a@example.com"]`), "alarmsEmail[1]", "stands there twice"},
	{"addresses with no alarms", set("alarmsEmail", `["a@example.com"]`), "alarmsEmail", "goes with alarms, which is false"},
	{"a key with no alarms", set("alarmsKmsKeyArn", "arn:aws:kms:us-east-1:123456789012:key/1"), "alarmsKmsKeyArn", "goes with alarms"},
	{"a key by its alias", watching("alarmsKmsKeyArn", "alias/aws/sns"), "alarmsKmsKeyArn", "the ARN of a KMS key"},
	{"a workspace by its name", watching("alarmsSlackWorkspace", "acme"), "alarmsSlackWorkspace", "the id of a Slack workspace"},
	{"a channel by its name", watching("alarmsSlackChannel", "#alarms"), "alarmsSlackChannel", "its name would not do"},
	{"a channel of no workspace", watching("alarmsSlackChannel", "C07EZ1ABC23"), "alarmsSlackChannel", "set both"},
	{"a share of more than all", watching("alarms5xxPercent", "101"), "alarms5xxPercent", "from 1 to 100"},
	{"an answer before the request", watching("alarmsLatencyMs", "0"), "alarmsLatencyMs", "from 10 to 60000"},
	{"a release over before alarms have looked", watching("clusterDeployMinutes", "5"), "clusterDeployMinutes", "too short where alarms take releases back"},
	{"a start too long for a release that alarms watch", watching("serviceOverrides", `{"backend": {"healthGraceSeconds": 241}}`), "services.backend.healthGraceSeconds", "set clusterDeployMinutes to at least 18"},
	{"a class whose connections nobody knows", watching("databaseInstanceClass", "db.x2g.large"), "alarmsConnections", "must be set"},

	// Services.
	{"a CPU size that Fargate has not", override("cpu", "300"), "services.backend.cpu", "not a Fargate size: [256 512 1024"},
	{"memory too large for the CPU", override("memory", "4096"), "services.backend.memory", "does not go with cpu 256: 512 1024 2048"},
	{"memory between two sizes", override("memory", "1500"), "services.backend.memory", "does not go with cpu 256"},
	{"memory too small for the CPU", override("cpu", "1024"), "services.backend.memory", "512 MiB does not go with cpu 1024"},
	{"a port of root's", override("port", "80"), "services.backend.port", "from 1024 to 65535"},
	{"a port out of range", override("port", "70000"), "services.backend.port", "from 0 to 65535"},
	{"too many tasks", override("count", "101"), "services.backend.count", "from 0 to 100"},
	{"a maximum below the minimum", rows(`{"backend": {"count": 3, "maxCount": 2}}`), "services.backend.maxCount", "no room above count, 3"},
	{"a maximum that is the minimum", rows(`{"backend": {"count": 2, "maxCount": 2}}`), "services.backend.maxCount", "or to 0 for a fixed number"},
	{"scaling from nothing", rows(`{"backend": {"count": 0, "maxCount": 2}}`), "services.backend.count", "at least 1 where maxCount is set"},
	{"scaling by nothing", rows(`{"backend": {"maxCount": 2, "scaleCpuPercent": 0}}`), "services.backend.maxCount", "and nothing by what"},
	{"a memory target with no maximum", override("scaleMemoryPercent", "70"), "services.backend.scaleMemoryPercent", "goes with maxCount"},
	{"a rate with no maximum", override("scaleRequests", "600"), "services.backend.scaleRequests", "goes with maxCount"},
	{"a CPU that is never free", override("scaleCpuPercent", "100"), "services.backend.scaleCpuPercent", "from 0 to 95"},
	{"too many tasks to scale to", override("maxCount", "1001"), "services.backend.maxCount", "from 0 to 1000"},
	{"spare capacity alone, and some on demand", override("spotPercent", "100"), "services.backend.spotPercent", "set spotBase to 0, or at most 99"},
	{"more than all", override("spotPercent", "101"), "services.backend.spotPercent", "from 0 to 100"},
	{"a base below nothing", override("spotBase", "-1"), "services.backend.spotBase", "from 0 to 1000"},
	{"a secret's value", override("secrets", `{"STRIPE_KEY": "sk_live_51H8"}`), "services.backend.secrets.STRIPE_KEY", "and never its value"},
	{"a secret with a path", override("secrets", `{"STRIPE_KEY": "myapp/stripe"}`), "services.backend.secrets.STRIPE_KEY", "the name of a secret"},
	{"a secret of the database's name", override("secrets", `{"URL": "database"}`), "services.backend.secrets.URL", "kept for the database's own"},
	{"a secret of nobody's", override("secrets", `{"STRIPE_KEY": ""}`), "services.backend.secrets.STRIPE_KEY", "the name of a secret"},
	{"a secret for no variable", override("secrets", `{"stripe-key": "stripe"}`), "services.backend.secrets.stripe-key", "not a variable's name"},
	{"a secret for the program's variable", override("secrets", `{"DATABASE_PASSWORD": "mine"}`), "services.backend.secrets.DATABASE_PASSWORD", "set by the program"},
	{"a variable twice", rows(`{"backend": {"environment": {"MODE": "a"}, "secrets": {"MODE": "mode"}}}`), "services.backend.secrets.MODE", "stands in environment as well"},
	{"secrets that are a list", override("secrets", `["stripe"]`), "services.backend.secrets", "an object of strings"},
	{"a key of secrets by its alias", set("secretsKmsKeyArn", "alias/mine"), "secretsKmsKeyArn", "an alias would not do"},
	{"too few days to have a secret back", set("secretsRecoveryDays", "3"), "secretsRecoveryDays", "0 deletes at once"},
	{"too many days to have a secret back", set("secretsRecoveryDays", "31"), "secretsRecoveryDays", "from 0 to 30"},
	{"root", override("user", `"0:0"`), "services.backend.user", "root, 0, is refused"},
	{"a user by name", override("user", `"app"`), "services.backend.user", "a numeric user and group"},
	{"a stop too long", override("stopSeconds", "121"), "services.backend.stopSeconds", "from 2 to 120"},
	{"a health check with no command", override("healthCommand", "[]"), "services.backend.healthCommand", "is required: the command"},
	{"a health path with no slash", override("healthPath", `"health"`), "services.backend.healthPath", "begins with /"},
	{"a migration with no database", override("database", "false"), "services.backend.migration", "needs database: true"},
	{"a folder outside", override("folder", `"../elsewhere"`), "services.backend.folder", "not a folder inside the project"},
	{"a Dockerfile outside", override("dockerfile", `"/etc/passwd"`), "services.backend.dockerfile", "not a file inside"},
	{"a secret build argument", override("buildArgs", `{"NPM_TOKEN": "x"}`), "services.backend.buildArgs.NPM_TOKEN", "looks like a secret"},
	{"a secret variable", override("environment", `{"DB_PASSWORD": "x"}`), "services.backend.environment.DB_PASSWORD", "looks like a secret"},
	{"a variable of the program's own", override("environment", `{"PORT": "1"}`), "services.backend.environment.PORT", "set by the program"},
	{"a variable that is none", override("environment", `{"a-b": "1"}`), "services.backend.environment.a-b", "not a variable's name"},

	// Kinds of rows.
	{"an internal service with no port", row(`"internal": true, "healthCommand": ["true"]`), "services.third.port", "is required"},
	{"an internal service with a path", row(`"internal": true, "port": 8000, "healthCommand": ["true"], "path": ["/a"]`), "services.third.path", "an internal service has no path"},
	{"an internal service that is the default", row(`"internal": true, "port": 8000, "healthCommand": ["true"], "default": true`), "services.third.path", "has no path and no default"},
	{"an internal service with a health path", row(`"internal": true, "port": 8000, "healthCommand": ["true"], "healthPath": "/"`), "services.third.healthPath", "does not know an internal service"},
	{"an internal service with no health check", row(`"internal": true, "port": 8000`), "services.third.healthCommand", "is required"},
	{"an internal service of every task's own name", services(`"back": {"path": ["/api/*"]`, `"localhost": {"internal": true`), "services.localhost", "is kept for a part of the program"},
	{"a port that nobody calls", row(`"port": 8000, "healthCommand": ["true"]`), "services.third.path", "or internal: true"},
	{"a worker with a health path", row(`"healthPath": "/healthz"`), "services.third.healthPath", "does not know a worker; use healthCommand"},
	{"a schedule with a port", row(`"schedule": "rate(1 hour)", "port": 8000`), "services.third.port", "a scheduled task has no port"},
	{"a schedule with a path", row(`"schedule": "rate(1 hour)", "path": ["/a"]`), "services.third.path", "a scheduled task has no path"},
	{"a schedule that is internal", row(`"schedule": "rate(1 hour)", "internal": true`), "services.third.internal", "cannot be called"},
	{"a schedule that calls", row(`"schedule": "rate(1 hour)", "calls": ["inner"]`), "services.third.calls", "for services alone"},
	{"a schedule of two tasks", row(`"schedule": "rate(1 hour)", "count": 2`), "services.third.count", "or 0 to suspend"},
	{"a schedule that scales", row(`"schedule": "rate(1 hour)", "maxCount": 3`), "services.third.maxCount", "does not scale"},
	{"a schedule on spare capacity", row(`"schedule": "rate(1 hour)", "spotPercent": 100`), "services.third.spotPercent", "runs on demand"},
	{"a schedule with a shell", row(`"schedule": "rate(1 hour)", "exec": true`), "services.third.exec", "takes no shell"},
	{"a schedule with a health check", row(`"schedule": "rate(1 hour)", "healthCommand": ["true"]`), "services.third.healthCommand", "says nothing of a scheduled task"},
	{"a schedule with a health path", row(`"schedule": "rate(1 hour)", "healthPath": "/"`), "services.third.healthPath", "does not know a scheduled task"},
	{"a schedule of no form", row(`"schedule": "hourly"`), "services.third.schedule", `"hourly" is no schedule`},
	{"a schedule in no time zone", row(`"schedule": "rate(1 hour)", "scheduleTimeZone": "Berlin"`), "services.third.scheduleTimeZone", "such as UTC or Europe/Berlin"},
	{"a time zone with no schedule", row(`"scheduleTimeZone": "Europe/Berlin"`), "services.third.scheduleTimeZone", "goes with schedule"},
	{"a call of nobody", row(`"calls": ["iner"]`), "services.third.calls[0]", "there is no service iner; did you mean inner?"},
	{"a call of what is retired", services(`"back": {`, `"gone": {"retired": true}, "back": {"calls": ["gone"], `), "services.back.calls[0]", "service gone is retired"},
	{"nothing but retired services", set("services", `{"back": {"retired": true}}`), "services", "at least one service that is not retired"},
	{"a retired service with no name", services(`"back": {`, `"Gone": {"retired": true}, "back": {`), "services.Gone", "a name of up to 24 lower-case letters"},
	{"a retired service with no name of a secret", services(`"back": {`, `"gone": {"retired": true, "secrets": {"KEY": "Key"}}, "back": {`), "services.gone.secrets.KEY", "the name of a secret"},
	{"a call of what is public", row(`"calls": ["front"]`), "services.third.calls[0]", "front says no internal: true"},
	{"a call named twice", row(`"calls": ["inner", "inner"]`), "services.third.calls[1]", "stands there twice"},
	{"calls in a circle", row(`"internal": true, "port": 8000, "healthCommand": ["true"], "calls": ["third"]`), "services.third.after", "wait for each other"},
	{"a variable that holds an address", row(`"calls": ["inner"], "environment": {"INNER_URL": "x"}`), "services.third.environment.INNER_URL", "set by the program"},

	// Routes.
	{"two services on the same path", services(`{"default": true,`, `{"path": ["/api/*"],`), "services.front.path[0]", "is taken by service back"},
	{"two paths whose rules meet", override("path", `["/ai/*", "/bl/*"]`), "services.backend.path[1]", "would have the priority of that of /ai/*"},
	{"two defaults", services(`"path": ["/api/*"]`, `"default": true`), "services.front.default", "service back takes every other path"},
	{"no default", services(`"default": true`, `"path": ["/a"]`), "services", "one of them must say default: true"},
	{"a path and the default", override("default", "true"), "services.backend.path", "either path patterns or default"},
	{"neither path nor default", override("path", "[]"), "services.backend.path", "either path patterns or default"},
	{"every path, spelt out", override("path", `["/*"]`), "services.backend.path[0]", "say default: true"},
	{"a pattern with no slash", override("path", `["api/*"]`), "services.backend.path[0]", "begins with /"},
	{"too many patterns", override("path", `["/a", "/b", "/c", "/d", "/e", "/f"]`), "services.backend.path", "6 patterns of at most 5"},
	{"a pattern too long", override("path", `["/`+strings.Repeat("a", 128)+`"]`), "services.backend.path[0]", "129 characters of at most 128"},
}

// TestBadInput lets the program meet each bad input: the error must name its path, and nothing may have been asked of the
// engine.
func TestBadInput(t *testing.T) {
	settings := infratest.Settings(t, top, "staging")
	infratest.Docker(t, true)
	infratest.Checkout(t, "frontend", "backend")
	for _, c := range badInputs {
		t.Run(c.name, func(t *testing.T) {
			changed := map[string]string{}
			for key, value := range settings {
				changed[key] = value
			}
			for key, value := range c.settings {
				changed["slipway:"+key] = value
				if value == "-" {
					delete(changed, "slipway:"+key)
				}
			}
			refused(t, changed, "\n  "+c.path+": ", c.why)
		})
	}
}

// TestBadInputTogether holds that all problems are told at once, sorted by path.
func TestBadInputTogether(t *testing.T) {
	settings := infratest.Settings(t, top, "staging")
	infratest.Docker(t, true)
	infratest.Checkout(t, "frontend", "backend")
	settings["slipway:networkZoneCount"] = "1"
	settings["slipway:appName"] = "X"
	settings["slipway:serviceOverrides"] = `{"backend": {"cpu": 300, "port": 1}}`
	refused(t, settings, "4 problem(s)", "appName: ", "networkZoneCount: ", "services.backend.cpu: ", "services.backend.port: ")
}

// TestBadInputEverywhere holds that problems of the configuration and of the checkout are told in one go.
func TestBadInputEverywhere(t *testing.T) {
	settings := infratest.Settings(t, top, "staging")
	settings["slipway:networkZoneCount"] = "1"
	infratest.Docker(t, false)
	infratest.Checkout(t, "frontend", "backend")
	write(t, "new.txt", "")
	refused(t, settings, "1 problem(s)", "networkZoneCount: ", "?? new.txt", "no Docker Engine answers")
}

// TestBadStackName holds that a stack is refused whose name AWS would not take as part of others.
func TestBadStackName(t *testing.T) {
	for _, stack := range []string{"Staging", "staging_2", "v1.2", "a--b", "-a"} {
		recorder := &infratest.Recorder{}
		err := infratest.Run(t, program, stack, infratest.Settings(t, top, "staging"), recorder)
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("stack: %q is not a stack's name that AWS takes", stack)) {
			t.Errorf("%s: %v", stack, err)
		}
		if recorder.Asked() > 0 {
			t.Errorf("%s: the engine was asked", stack)
		}
	}
}

// refused runs the program as staging, and checks its error and that the engine was asked nothing.
func refused(t *testing.T, settings map[string]string, fragments ...string) {
	t.Helper()
	recorder := &infratest.Recorder{}
	err := infratest.Run(t, program, "staging", settings, recorder)
	if err == nil {
		t.Fatal("it was accepted")
	}
	rest := err.Error()
	for _, fragment := range fragments {
		_, after, found := strings.Cut(rest, fragment)
		if !found {
			t.Fatalf("the error does not say %q (in this order):\n%v", fragment, err)
		}
		rest = after
	}
	if asked := recorder.Asked(); asked > 0 {
		t.Errorf("the engine was asked %d times before the refusal", asked)
	}
}

// TestBadSurroundings is bad input that is not configuration: the checkout and the machine.
func TestBadSurroundings(t *testing.T) {
	for _, c := range []struct {
		name      string
		spoil     func(t *testing.T)
		fragments []string
	}{
		{"a changed file", func(t *testing.T) { write(t, "backend/Dockerfile", "FROM other\n") }, []string{"M backend/Dockerfile", "commit or stash", "imagesAllowDirty"}},
		{"a file that git does not know", func(t *testing.T) { write(t, "new.txt", "") }, []string{"?? new.txt", "commit or stash"}},
		{"no repository", func(t *testing.T) { remove(t, ".git") }, []string{"is not a git checkout with a commit"}},
		{"no Docker Engine", func(t *testing.T) { infratest.Docker(t, false) }, []string{"no Docker Engine answers", "Cannot connect to the Docker daemon", "start Docker"}},
		{"no Docker at all", func(t *testing.T) { t.Setenv("PATH", gitOnly(t)) }, []string{"no Docker Engine answers", "start Docker"}},
		{
			"an engine of another platform", func(t *testing.T) { infratest.DockerOf(t, "linux/amd64", "linux/386") },
			[]string{"imagesPlatform: linux/arm64", "the Docker Engine is linux/amd64", "ubuntu-24.04-arm", "binfmt --install arm64", "imagesPlatform: linux/amd64"},
		},
		{"no buildx to ask for emulators", func(t *testing.T) { infratest.DockerOf(t, "linux/amd64", "") }, []string{"imagesPlatform: linux/arm64", "shows no emulator"}},
		{"no Dockerfile", func(t *testing.T) { remove(t, "backend/Dockerfile") }, []string{"D backend/Dockerfile", "services.backend.dockerfile", "relative to folder \"backend\""}},
		{"everything at once", func(t *testing.T) {
			remove(t, "frontend")
			infratest.Docker(t, false)
		}, []string{"commit or stash", "no Docker Engine answers", "services.frontend.dockerfile"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			settings := infratest.Settings(t, top, "staging")
			infratest.Docker(t, true)
			infratest.Checkout(t, "frontend", "backend")
			c.spoil(t)
			refused(t, settings, c.fragments...)
		})
	}
}

// TestDirtyTreeIsNamed holds that a stack may allow a dirty tree, and that its images then say so.
func TestDirtyTreeIsNamed(t *testing.T) {
	settings := infratest.Settings(t, top, "staging")
	settings["slipway:imagesAllowDirty"] = "true"
	infratest.Docker(t, true)
	commit := infratest.Checkout(t, "frontend", "backend")
	write(t, "backend/Dockerfile", "FROM other\n")
	recorder := &infratest.Recorder{}
	if err := infratest.Run(t, program, "staging", settings, recorder); err != nil {
		t.Fatal(err)
	}
	for _, image := range of(t, recorder.Resources(), "docker:index/image:Image") {
		dirty := strings.Contains(input(image, "imageName").StringValue(), ":"+commit+"-dirty-")
		if changed := strings.HasPrefix(image.Name, "backend-"); dirty != changed {
			t.Errorf("the folder of %s has changes: %t; its tag says so: %t", image.Name, changed, dirty)
		}
	}
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, name string) {
	t.Helper()
	if err := os.RemoveAll(name); err != nil {
		t.Fatal(err)
	}
}

// gitOnly is a folder that holds git and no docker.
func gitOnly(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, candidate := range filepath.SplitList(os.Getenv("PATH")) {
		git := filepath.Join(candidate, "git")
		if _, err := os.Stat(git); err == nil {
			if err := os.Symlink(git, filepath.Join(dir, "git")); err != nil {
				t.Fatal(err)
			}
			return dir
		}
	}
	t.Fatal("there is no git")
	return ""
}
