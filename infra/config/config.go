// Package config is one stack's configuration as typed values. It holds all rules about them, knows no resource, and
// imports nothing of the program: a stack differs from another in these values and in nothing else.
package config

import "net/netip"

// Config is what one stack is configured to be. Every field's tags declare its key, its unit, its default (none: it is required),
// its limits (min, max and oneof, and in words what these do not say), what makes it cost something and what it means; Pulumi.yaml declares the same, and a test holds the two together.
type Config struct {
	App              App
	Revision         string `key:"revision" default:"" limits:"40 hexadecimal digits in lower case, or empty" doc:"Release to run again, by its commit of 40 hexadecimal digits: taken from the registry, never built. Empty for the checked out commit."`
	Registry         Registry
	Images           Images
	GitHub           GitHub
	State            State
	Network          Network
	Database         Database
	Edge             Edge
	Cluster          Cluster
	Alarms           Alarms
	Dashboard        bool `key:"dashboard" default:"false" cost:"3 USD a month, from an account's fourth on; its table of errors by the GB that is searched" doc:"Whether the stack has a dashboard in CloudWatch: what its alarms watch, and the last errors of its logs."`
	Secrets          Secrets
	LogRetentionDays int       `key:"logRetentionDays" unit:"days" default:"30" limits:"1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653" cost:"by the GB" doc:"Days that logs are kept; one of the periods that CloudWatch Logs offers."`
	Services         []Service // sorted by name; they run
	Retired          []Service // likewise; they run no more, and what they would leave behind stays
}

// App names the product.
type App struct {
	Name string `key:"appName" default:"myapp" limits:"2 to 20 lower-case letters, digits and single hyphens, a letter first; 32 with a hyphen and the stack's name; not internal, sg, internal-… or sg-…" doc:"Name of the product; with the stack's name it prefixes every resource."`
}

// Registry is about ECR repositories.
type Registry struct {
	Prefix       string   `key:"registryPrefix" default:"" limits:"lower-case letters and digits, parted by . _ - or /; or empty" doc:"First part of ECR repository names; empty for appName."`
	Owned        bool     `key:"registryOwned" default:"true" doc:"Whether this stack creates the repositories, which an account has once; else it takes those of the stack that does."`
	Account      string   `key:"registryAccount" default:"" limits:"12 digits, or empty; goes with registryOwned: false" doc:"Account of the repositories, 12 digits, where it is another one; empty for the stack's own."`
	Stacks       []string `key:"registryStacks" default:"[]" limits:"40 at most; lower-case letters, digits and single hyphens each; none without registryOwned" doc:"Other stacks that run images of these repositories, the last in the line of promotion first: what each can go back to is kept."`
	Accounts     []string `key:"registryAccounts" default:"[]" limits:"12 digits each; none without registryOwned" doc:"Other accounts, 12 digits each, whose stacks run images of these repositories."`
	KeepReleases int      `key:"registryKeepReleases" unit:"images" default:"100" min:"10" max:"1000" cost:"storage by GB" doc:"Images that ran well which each repository keeps for each stack, the newest; one that a stack runs is always among them."`
	KeepTagged   int      `key:"registryKeepTagged" unit:"images" default:"200" min:"20" max:"10000" cost:"storage by GB" doc:"Images which no stack has run well that each repository keeps, the newest."`
	UntaggedDays int      `key:"registryUntaggedDays" unit:"days" default:"7" min:"1" max:"365" cost:"storage by GB" doc:"Days until an untagged image expires."`
	KmsKeyArn    string   `key:"registryKmsKeyArn" default:"" limits:"arn:aws:kms:REGION:ACCOUNT:key/ID, no alias; or empty" cost:"requests to KMS" doc:"ARN of the KMS key that encrypts images; empty for AES-256 under a key of ECR's."`
	ForceDelete  bool     `key:"registryForceDelete" default:"false" doc:"Whether destroying the stack deletes repositories that still hold images."`
}

// Images is about building.
type Images struct {
	PromoteFrom  string `key:"imagesPromoteFrom" default:"" limits:"lower-case letters, digits and single hyphens, not this stack; or empty" doc:"Stack whose releases this one runs: only what ran well there is accepted, and nothing is built. Empty to build the checkout."`
	AllowDirty   bool   `key:"imagesAllowDirty" default:"false" doc:"Whether a work tree with uncommitted changes may be released, under a tag that says so."`
	Platform     string `key:"imagesPlatform" default:"linux/arm64" oneof:"linux/arm64,linux/amd64,native" cost:"linux/amd64: tasks a quarter dearer" doc:"Platform that images are built for and tasks run on; native is that of the Docker Engine, for a stack that stays on one machine."`
	BuildNetwork string `key:"imagesBuildNetwork" default:"default" oneof:"default,host,none" doc:"Network of the build's RUN steps."`
}

// GitHub is about who may deploy.
type GitHub struct {
	Owner         string `key:"githubOwner" limits:"1 to 100 letters, digits and . _ -, a letter or digit first" doc:"Owner of the GitHub repository whose jobs may deploy."`
	Repository    string `key:"githubRepository" limits:"1 to 100 letters, digits and . _ -, a letter or digit first" doc:"Name of the GitHub repository whose jobs may deploy."`
	OwnerID       string `key:"githubOwnerId" default:"" limits:"1 to 19 digits, no 0 first; or empty" doc:"Numeric id of the owner, for repositories that send immutable subjects; empty for the classic form alone."`
	RepositoryID  string `key:"githubRepositoryId" default:"" limits:"1 to 19 digits, no 0 first; or empty" doc:"Numeric id of the repository; goes with githubOwnerId."`
	Environment   string `key:"githubEnvironment" limits:"1 to 100 letters, digits and . _ -, a letter or digit first" doc:"GitHub environment that a job must name to take on the deploy role."`
	ProviderOwned bool   `key:"githubProviderOwned" default:"true" doc:"Whether this stack creates GitHub's OIDC provider, which an account has once; else it takes the one that is there."`
	Preview       bool   `key:"githubPreview" default:"false" doc:"Whether pull requests of the repository may preview this stack, by a role that can read and no more."`
}

// State is about where Pulumi keeps the stack's state, as far as roles need to know it.
type State struct {
	Bucket    string `key:"stateBucket" default:"" limits:"3 to 63 lower-case letters, digits and hyphens, no hyphen first or last; or empty" doc:"Name of the S3 bucket that holds this stack's state, for which the roles then get permissions; empty for a state elsewhere, as in Pulumi Cloud."`
	KmsKeyArn string `key:"stateKmsKeyArn" default:"" limits:"arn:aws:kms:REGION:ACCOUNT:key/ID, no alias; or empty" doc:"ARN of the KMS key that encrypts the state's bucket or its secrets; goes with stateBucket, empty for none."`
}

// NAT is how private subnets reach the internet.
type NAT string

// The ways out.
const (
	NATNone    NAT = "none"
	NATSingle  NAT = "single"
	NATPerZone NAT = "perZone"
)

// Network is about the VPC.
type Network struct {
	Cidr          netip.Prefix   `key:"networkCidr" default:"10.0.0.0/16" limits:"/16 to /22 of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16" doc:"Private IPv4 range of the VPC, from /16 to /22."`
	ZoneCount     int            `key:"networkZoneCount" unit:"zones" default:"2" min:"2" max:"3" cost:"with each zone: a public address, with networkNat perZone a gateway, with none the endpoints" doc:"Availability zones to spread over; the load balancer and the database need two."`
	Nat           NAT            `key:"networkNat" default:"single" oneof:"none,single,perZone" cost:"single: a gateway; perZone: one a zone; none: four endpoints a zone, a fifth with exec" doc:"Way out for tasks: none (interface endpoints instead), a single NAT gateway, or one per zone."`
	PublicCidrs   []netip.Prefix `key:"networkPublicCidrs" default:"[]" limits:"none, or one a zone: within networkCidr, /28 or wider, apart from all other subnets" doc:"Ranges of the public subnets, one a zone; empty to carve them from networkCidr."`
	PrivateCidrs  []netip.Prefix `key:"networkPrivateCidrs" default:"[]" limits:"none, or one a zone: within networkCidr, /26 or wider, apart from all other subnets" doc:"Ranges of the private subnets, one a zone, at least /26: every task takes an address; empty to carve them."`
	IsolatedCidrs []netip.Prefix `key:"networkIsolatedCidrs" default:"[]" limits:"none, or one a zone: within networkCidr, /28 or wider, apart from all other subnets" doc:"Ranges of the isolated subnets, one a zone; empty to carve them."`
}

// Database is about RDS for PostgreSQL.
type Database struct {
	Name                string `key:"databaseName" default:"app" limits:"1 to 63 lower-case letters, digits and underscores, a letter first; not postgres, rdsadmin, template0, template1, or a reserved word of SQL" doc:"Name of the database."`
	User                string `key:"databaseUser" default:"app" limits:"1 to 63 lower-case letters, digits and underscores, a letter first; not admin, postgres, public, rdsadmin, rds_superuser, pg_…, or a reserved word of SQL" doc:"Name of the master user; its password is made and kept by RDS."`
	AppUser             string `key:"databaseAppUser" default:"app_user" limits:"1 to 61 lower-case letters, digits and underscores, a letter first; not what databaseUser may not be, nor databaseUser; or empty" cost:"a secret" doc:"Name of the user that services connect as, who owns nothing; a service's migration makes it, and rotates its password. Empty to let services connect as the master user."`
	RotateHours         int    `key:"databaseRotateHours" unit:"h" default:"24" min:"0" max:"8760" doc:"Age from which on the next task with a migration gives databaseAppUser another password; 0 for every such task."`
	Version             string `key:"databaseVersion" default:"17" cost:"once AWS has ended its standard support, by the vCPU and hour" limits:"14 to 18" doc:"Major version of PostgreSQL; minor versions follow by themselves. A standing database takes a higher one only with databaseApplyImmediately."`
	InstanceClass       string `key:"databaseInstanceClass" default:"db.t4g.micro" limits:"db.FAMILY.SIZE, such as db.t4g.micro" cost:"by the hour" doc:"RDS instance class."`
	StorageGb           int    `key:"databaseStorageGb" unit:"GiB" default:"20" min:"20" max:"65536" cost:"by the GB" doc:"Storage in GiB; it can grow and never shrink."`
	MaxStorageGb        int    `key:"databaseMaxStorageGb" unit:"GiB" default:"0" min:"0" max:"65536" limits:"0, or a tenth above databaseStorageGb at least" cost:"what it has grown to, by the GB" doc:"Size up to which RDS lets the storage grow by itself when it runs full; 0 for no growth, with databaseStorageGb at what it has grown to."`
	MultiAz             bool   `key:"databaseMultiAz" default:"false" cost:"a second instance and its storage" doc:"Whether a standby in another zone takes over when the first fails; doubles the price."`
	BackupDays          int    `key:"databaseBackupDays" unit:"days" default:"7" min:"0" max:"35" limits:"at least 1 with databaseProtected" cost:"beyond the size of the storage, by the GB" doc:"Days that automatic backups are kept; 0 switches them off."`
	BackupWindow        string `key:"databaseBackupWindow" default:"" limits:"HH:MM-HH:MM in UTC, 30 minutes at least; or empty" doc:"Time of each day in which RDS makes its backup, in UTC, such as 03:00-04:00; empty to let RDS choose one, or keep the one there is."`
	MaintenanceWindow   string `key:"databaseMaintenanceWindow" default:"" limits:"DAY:HH:MM-DAY:HH:MM in UTC, days sun, mon, tue, wed, thu, fri, sat, 30 minutes at least and less than a day, apart from databaseBackupWindow; or empty" doc:"Time of each week in which RDS may restart the database, for minor versions and for changes that ask for it, in UTC, such as sun:04:30-sun:05:30; empty to let RDS choose one, or keep the one there is."`
	Protected           bool   `key:"databaseProtected" default:"true" doc:"Whether both RDS and Pulumi refuse to delete the database."`
	FinalSnapshot       bool   `key:"databaseFinalSnapshot" default:"true" cost:"by the GB, after the stack is gone" doc:"Whether deleting the database leaves a snapshot."`
	Snapshot            string `key:"databaseSnapshot" default:"" limits:"a snapshot's name in lower case, or its ARN; or empty" doc:"Snapshot to make the database from, by its name in RDS; databaseName and databaseUser must be the snapshot's, databaseStorageGb no less than its storage. On a database that stands it replaces that by a new one."`
	ApplyImmediately    bool   `key:"databaseApplyImmediately" default:"false" doc:"Whether changes that restart the database are made at once; else in its maintenance window."`
	TLS                 string `key:"databaseTls" default:"verify-full" oneof:"verify-full,require" doc:"How clients check the server: verify-full checks its certificate and name, require only encrypts."`
	SlowMs              int    `key:"databaseSlowMs" unit:"ms" default:"1000" min:"0" max:"3600000" doc:"Milliseconds from which on a statement is written to the database's log, with its values; 0 for none."`
	Logs                bool   `key:"databaseLogs" default:"false" cost:"by the GB" doc:"Whether the database's log goes to CloudWatch Logs, kept for logRetentionDays; else RDS keeps it for three days."`
	PerformanceInsights bool   `key:"databasePerformanceInsights" default:"false" doc:"Whether RDS records what the database waits for, for the seven days that cost nothing."`
}

// Edge is about the load balancer.
type Edge struct {
	IngressCIDRs          []netip.Prefix `key:"edgeIngressCidrs" default:"[\"0.0.0.0/0\"]" limits:"one at least, none twice" doc:"IPv4 ranges that may connect to the load balancer."`
	IdleSeconds           int            `key:"edgeIdleSeconds" unit:"s" default:"60" min:"1" max:"4000" doc:"Seconds until an idle connection is closed; containers are told to keep theirs 15 longer, by KEEP_ALIVE_SECONDS."`
	DeregistrationSeconds int            `key:"edgeDeregistrationSeconds" unit:"s" default:"20" min:"0" max:"3600" doc:"Seconds that a leaving task may take to finish its requests."`
	DeletionProtection    bool           `key:"edgeDeletionProtection" default:"false" doc:"Whether AWS refuses to delete the load balancer, and a bucket of access logs that holds any."`
	Domain                string         `key:"edgeDomain" default:"" limits:"a domain name in lower case, 64 characters at most; or empty" doc:"Name that the stack is served under, by HTTPS, such as app.example.com; empty for plain HTTP under the load balancer's own."`
	Aliases               []string       `key:"edgeAliases" default:"[]" limits:"4 at most, none twice, each as edgeDomain" doc:"Further names that lead to the stack, in the same hosted zone and on the same certificate."`
	ZoneID                string         `key:"edgeZoneId" default:"" limits:"2 to 32 capital letters and digits; required with edgeDomain, or empty" doc:"Id of the public Route 53 hosted zone, in the stack's account, that the names belong to; goes with edgeDomain."`
	TLSPolicy             string         `key:"edgeTlsPolicy" default:"ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09" limits:"ELBSecurityPolicy-TLS13-1-2-… or ELBSecurityPolicy-TLS13-1-3-…" doc:"Security policy of the HTTPS listener, by the load balancer's name for it; TLS 1.2 at least."`
	HSTSSeconds           int            `key:"edgeHstsSeconds" unit:"s" default:"0" min:"0" max:"63072000" limits:"0 without edgeDomain" doc:"Seconds for which browsers that came by HTTPS refuse plain HTTP (HSTS), in place of what the application says; 0 leaves it to the application, and has browsers forget what was set here before. Before edgeDomain is taken away it must have been 0 for as long."`
	AccessLogDays         int            `key:"edgeAccessLogDays" unit:"days" default:"0" min:"0" max:"3650" cost:"storage by GB, and requests" doc:"Days that the load balancer's access logs are kept, in a bucket of the stack's own; 0 writes none."`
}

// Cluster is about ECS.
type Cluster struct {
	ContainerInsights     string `key:"clusterContainerInsights" default:"disabled" oneof:"disabled,enabled,enhanced" cost:"by the metric" doc:"CloudWatch Container Insights; the latter two are charged for by metric."`
	RetainTaskDefinitions bool   `key:"clusterRetainTaskDefinitions" default:"true" doc:"Whether replaced task definitions stay registered, which a service needs to return to one."`
	SleepSchedule         string `key:"clusterSleepSchedule" default:"" limits:"cron(…) of six fields, or empty" cost:"less: sleeping tasks cost nothing" doc:"When all services stop, such as cron(0 20 ? * MON-FRI *), in Application Auto Scaling's words; empty for never. Scheduled tasks, the database and the network go on. A release wakes them."`
	WakeSchedule          string `key:"clusterWakeSchedule" default:"" limits:"cron(…) of six fields, not clusterSleepSchedule; or empty" doc:"When they start again; goes with clusterSleepSchedule."`
	TimeZone              string `key:"clusterTimeZone" default:"UTC" limits:"a name of the IANA's" doc:"Time zone of both, as the IANA names it, such as Europe/Berlin."`
	DeployMinutes         int    `key:"clusterDeployMinutes" unit:"min" default:"15" min:"5" max:"120" limits:"at least 10 where alarms take releases back" doc:"Minutes after which a release that is not steady has failed; ECS's circuit breaker mostly gives up before."`
}

// Alarms is about what is wrong with a stack, and who is told. All but On go with it.
type Alarms struct {
	On             bool     `key:"alarms" default:"false" cost:"by the metric: with two services and a small database some 2 USD a month, 0.10 more for each scheduled task and for their starts" doc:"Whether CloudWatch watches the stack, and says on a topic of SNS what is wrong."`
	Rollback       bool     `key:"alarmsRollback" default:"true" doc:"Whether alarms on errors and unhealthy targets take a release back while it goes out; it then takes some minutes longer, in which ECS looks on, and healthGraceSeconds again."`
	Email          []string `key:"alarmsEmail" default:"[]" limits:"addresses with no name before them, none twice" doc:"E-mail addresses to tell; each must confirm by the link that AWS sends it."`
	SlackWorkspace string   `key:"alarmsSlackWorkspace" default:"" limits:"T and 8 to 15 capital letters and digits, or empty" doc:"Id of the Slack workspace to tell, which was authorized in the console of AWS Chatbot before; empty for none."`
	SlackChannel   string   `key:"alarmsSlackChannel" default:"" limits:"C or G and 8 to 15 capital letters and digits, or empty" doc:"Id of the channel in it; goes with alarmsSlackWorkspace."`
	KmsKeyArn      string   `key:"alarmsKmsKeyArn" default:"" limits:"arn:aws:kms:REGION:ACCOUNT:key/ID, no alias; or empty" cost:"requests to KMS" doc:"ARN of the KMS key that encrypts the topics, whose policy lets cloudwatch.amazonaws.com and events.amazonaws.com use it; empty for no encryption at rest: AWS's own key for SNS would keep both out."`
	ErrorPercent   int      `key:"alarms5xxPercent" unit:"%" default:"5" min:"1" max:"100" doc:"Share of a minute's requests with a 5xx answer above which something is wrong."`
	LeastRequests  int      `key:"alarmsLeastRequests" unit:"requests" default:"20" min:"1" max:"1000000" doc:"Requests in a minute below which errors have no share: one at night wakes nobody."`
	LatencyMs      int      `key:"alarmsLatencyMs" unit:"ms" default:"1000" min:"10" max:"60000" doc:"Milliseconds that the slowest twentieth of a minute's requests may take."`
	CPUPercent     int      `key:"alarmsCpuPercent" unit:"%" default:"90" min:"10" max:"100" doc:"Share of the CPU of a service's tasks, and of the database, above which something is wrong."`
	MemoryPercent  int      `key:"alarmsMemoryPercent" unit:"%" default:"90" min:"10" max:"100" doc:"Share of a task's memory above which something is wrong."`
	Connections    int      `key:"alarmsConnections" unit:"connections" default:"0" min:"0" max:"100000" limits:"not 0 for a class whose memory the program does not know" doc:"Connections to the database above which something is wrong; 0 for three fifths of those that PostgreSQL allows for the class's memory."`
}

// Service is one row of services: a container, and what starts it (see Kind). Its keys stand below services.NAME.
type Service struct {
	Name               string            // the row's key
	Retired            bool              `key:"retired" default:"false" doc:"Whether the service runs no more, though its repository and its secrets stay, for releases that have it; its other keys then say nothing."`
	Folder             string            `key:"folder" default:"" limits:"a folder inside the project, or empty" doc:"Build context, relative to the project; empty for the row's name."`
	Dockerfile         string            `key:"dockerfile" default:"Dockerfile" limits:"a file inside the service's folder" doc:"Dockerfile, relative to folder."`
	BuildArgs          map[string]string `key:"buildArgs" default:"{}" limits:"no name that looks like a secret's" doc:"Build arguments; nothing secret, they stay in the image."`
	Target             string            `key:"target" default:"" limits:"any text" doc:"Stage of the Dockerfile to build; empty for the last."`
	Paths              []string          `key:"path" default:"[]" limits:"5 at most, of 128 characters each, / first; * stands for any characters, ? for one; not /* alone; none that another row has" doc:"Path patterns that the load balancer sends here."`
	Default            bool              `key:"default" default:"false" doc:"Whether the service takes every path that no other takes."`
	Port               int               `key:"port" unit:"TCP port" default:"0" min:"0" max:"65535" limits:"not 1 to 1023; required with path, default or internal, 0 otherwise" doc:"Port that the container listens on; above 1023, since it does not run as root. 0 for none: a worker, or a scheduled task."`
	Internal           bool              `key:"internal" default:"false" doc:"Whether other services call it by Service Connect, and the load balancer does not know it; each that names it in calls may."`
	Calls              []string          `key:"calls" default:"[]" limits:"rows with internal: true, none twice, in no circle; none with schedule" cost:"no fee; Service Connect's proxy takes some of the task's memory" doc:"Internal services that this one calls, at the address that its variable NAME_URL holds; they must run their release well before this one is touched."`
	Schedule           string            `key:"schedule" default:"" limits:"rate(…), cron(…) of six fields, at(…), or empty" cost:"by the invocation, and the tasks by the second" doc:"When to start a task of it that ends by itself, in EventBridge Scheduler's words: rate(1 hour), cron(15 3 * * ? *), at(2027-01-31T03:15:00). Empty for what always runs."`
	ScheduleTimeZone   string            `key:"scheduleTimeZone" default:"UTC" limits:"a name of the IANA's" doc:"Time zone of schedule, as the IANA names it, such as Europe/Berlin."`
	CPU                int               `key:"cpu" unit:"1/1024 vCPU" default:"256" limits:"256, 512, 1024, 2048, 4096, 8192 or 16384" cost:"by the second" doc:"CPU units, 1024 to a virtual CPU; a Fargate size."`
	Memory             int               `key:"memory" unit:"MiB" default:"512" limits:"with cpu 256: 512, 1024 or 2048; with 512: 1024 to 4096 by 1024; with 1024: 2048 to 8192 by 1024; with 2048: 4096 to 16384 by 1024; with 4096: 8192 to 30720 by 1024; with 8192: 16384 to 61440 by 4096; with 16384: 32768 to 122880 by 8192" cost:"by the second" doc:"Memory in MiB; a Fargate size that goes with cpu."`
	After              []string          `key:"after" default:"[]" limits:"rows of this stack, in no circle" doc:"Services that must run their release well before this one is touched."`
	Count              int               `key:"count" unit:"tasks" default:"1" min:"0" max:"100" limits:"at least 1 with maxCount, at most 1 with schedule" cost:"by the task" doc:"Tasks to run; of a scheduled task 1, or 0 to suspend its schedule."`
	MaxCount           int               `key:"maxCount" unit:"tasks" default:"0" min:"0" max:"1000" limits:"0, or above count; 0 with schedule" cost:"by the task, of those that run" doc:"Most tasks to run when the service follows its load, from count on; 0 for a fixed number, count."`
	ScaleCPUPercent    int               `key:"scaleCpuPercent" unit:"%" default:"60" min:"0" max:"95" doc:"CPU of the tasks, on average, that scaling keeps to; 0 to leave it out. Goes with maxCount."`
	ScaleMemoryPercent int               `key:"scaleMemoryPercent" unit:"%" default:"0" min:"0" max:"95" doc:"Memory of the tasks, on average, that scaling keeps to; 0 to leave it out. Goes with maxCount."`
	ScaleRequests      int               `key:"scaleRequests" unit:"requests/min" default:"0" min:"0" max:"1000000" limits:"0 without path or default" doc:"Requests a minute for each task that scaling keeps to; 0 to leave it out. Goes with maxCount, and with what the load balancer serves."`
	SpotPercent        int               `key:"spotPercent" unit:"%" default:"0" min:"0" max:"100" limits:"at most 99 unless spotBase is 0; 0 with schedule" cost:"less: Spot is up to 70 % off" doc:"Share of the tasks beyond spotBase that run on Fargate Spot, which AWS may stop after two minutes' notice."`
	SpotBase           int               `key:"spotBase" unit:"tasks" default:"1" min:"0" max:"1000" doc:"Tasks that run on demand before spotPercent is reckoned."`
	Command            []string          `key:"command" default:"[]" limits:"any text" doc:"Command of the container; empty for the image's."`
	Environment        map[string]string `key:"environment" default:"{}" limits:"names of letters, digits and underscores, no digit first, none that the program sets or that looks like a secret's; as values any text" doc:"Further environment variables; nothing secret."`
	Secrets            map[string]string `key:"secrets" default:"{}" limits:"names as in environment, and not in both; as values 1 to 40 lower-case letters, digits and single hyphens, a letter first, not database" cost:"by the secret" doc:"Environment variables that hold secrets, each with the secret's name in Secrets Manager, less the stack's prefix; its value is set by make secret."`
	User               string            `key:"user" default:"10001:10001" limits:"UID:GID, both above 0, of 10 digits at most" doc:"Numeric user and group that the container runs as; not root."`
	ReadOnlyRoot       bool              `key:"readOnlyRoot" default:"true" doc:"Whether the root file system is read-only."`
	Database           bool              `key:"database" default:"false" doc:"Whether the service may reach the database and read its password."`
	Migration          []string          `key:"migration" default:"[]" limits:"any text; none without database" doc:"Command that migrates the schema in every new task before it serves."`
	Exec               bool              `key:"exec" default:"false" doc:"Whether ECS Exec may open a shell in the tasks; not in scheduled ones."`
	HealthPath         string            `key:"healthPath" default:"" limits:"/ first, no blanks, or empty; with path or default alone" doc:"Path that the load balancer asks; 200 is healthy. Empty for /."`
	HealthCommand      []string          `key:"healthCommand" default:"[]" limits:"any text; required with a port, none with schedule" doc:"Command inside the container that ends with 0 while it is healthy; required where there is a port."`
	HealthGraceSeconds int               `key:"healthGraceSeconds" unit:"s" default:"60" min:"0" max:"7200" doc:"Seconds after a start in which failed checks do not count."`
	StopSeconds        int               `key:"stopSeconds" unit:"s" default:"30" min:"2" max:"120" doc:"Seconds between SIGTERM and SIGKILL."`
}
