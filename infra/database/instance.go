package database

import (
	"strconv"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/rds"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

const (
	// logOfPostgreSQL is RDS's name for what PostgreSQL logs, as against what an upgrade does.
	logOfPostgreSQL = "postgresql"
	// insightsDays is how long Performance Insights cost nothing.
	insightsDays = 7
)

// noStatements is PostgreSQL's word for logging no statement, however slow.
const noStatements = -1

// parameters are what differs from RDS's own, or could: one that is off stays, since RDS changes values at once and takes them out only
// by a call of its own. Their apply methods are AWS's: any other would show as a change on every run.
func (args Args) parameters() rds.ParameterGroupParameterArray {
	slow := args.SlowMillis
	if slow == 0 {
		slow = noStatements
	}
	return rds.ParameterGroupParameterArray{
		parameter("rds.force_ssl", "1", "pending-reboot"),
		parameter("log_min_duration_statement", strconv.Itoa(slow), "immediate"),
	}
}

func parameter(name, value, method string) rds.ParameterGroupParameterArgs {
	return rds.ParameterGroupParameterArgs{
		Name: pulumi.String(name), Value: pulumi.String(value), ApplyMethod: pulumi.String(method),
	}
}

func (args Args) instance(subnets *rds.SubnetGroup, group *ec2.SecurityGroup, parameters *rds.ParameterGroup) *rds.InstanceArgs {
	instance := &rds.InstanceArgs{
		Identifier:               pulumi.String(args.Name),
		Engine:                   pulumi.String("postgres"),
		EngineVersion:            pulumi.String(args.MajorVersion),
		AutoMinorVersionUpgrade:  pulumi.Bool(true),
		AllowMajorVersionUpgrade: pulumi.Bool(true), // only MajorVersion asks for one, and RDS refuses it without this
		InstanceClass:            pulumi.String(args.InstanceClass),
		StorageType:              pulumi.String("gp3"),
		AllocatedStorage:         pulumi.Int(args.StorageGiB),
		StorageEncrypted:         pulumi.Bool(true),
		DbName:                   pulumi.String(args.Database),
		Port:                     pulumi.Int(Port),
		Username:                 pulumi.String(args.User),
		// RDS makes the password and keeps it in Secrets Manager: it is in no state, no variable and no log.
		ManageMasterUserPassword: pulumi.Bool(true),
		DbSubnetGroupName:        subnets.Name,
		VpcSecurityGroupIds:      pulumi.StringArray{group.ID()},
		ParameterGroupName:       parameters.Name,
		PubliclyAccessible:       pulumi.Bool(false),
		MultiAz:                  pulumi.Bool(args.MultiAZ),
		BackupRetentionPeriod:    pulumi.Int(args.BackupDays),
		CopyTagsToSnapshot:       pulumi.Bool(true),
		DeletionProtection:       pulumi.Bool(args.Protected),
		SkipFinalSnapshot:        pulumi.Bool(!args.FinalSnapshot),
		// Named where it is switched off as well, or the count of instances would begin anew with it.
		FinalSnapshotIdentifier: args.finalSnapshot(group.ID()),
		ApplyImmediately:        pulumi.Bool(args.ApplyImmediately),
	}
	args.choose(instance)
	return instance
}

// choose sets what is RDS's choice, or off, unless it is configured.
func (args Args) choose(instance *rds.InstanceArgs) {
	if args.MaxStorageGiB > 0 {
		// The provider then takes storage that has grown for what was asked for, and a higher size here for a change.
		instance.MaxAllocatedStorage = pulumi.Int(args.MaxStorageGiB)
	}
	if args.BackupWindow != "" {
		instance.BackupWindow = pulumi.String(args.BackupWindow)
	}
	if args.Maintenance != "" {
		instance.MaintenanceWindow = pulumi.String(args.Maintenance)
	}
	if args.Snapshot != "" {
		instance.SnapshotIdentifier = pulumi.String(args.Snapshot)
	}
	if args.Logs {
		instance.EnabledCloudwatchLogsExports = pulumi.ToStringArray([]string{logOfPostgreSQL})
	}
	if args.Insights {
		instance.PerformanceInsightsEnabled = pulumi.Bool(true)
		instance.PerformanceInsightsRetentionPeriod = pulumi.Int(insightsDays)
	}
}
