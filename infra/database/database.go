// Package database declares RDS for PostgreSQL: private, encrypted, reachable over TLS only, its passwords in no state.
package database

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/rds"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/secretsmanager"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Port is where PostgreSQL listens.
const Port = 5432

// Args are the inputs of a Database.
type Args struct {
	Name             string // identifier of the instance, and of what belongs to it
	VPCID            pulumi.StringInput
	SubnetIDs        pulumi.StringArrayInput // isolated, in at least two zones
	Database         string
	User             string // master user
	MajorVersion     string // such as 17; a minor one would become a failing downgrade after an automatic upgrade
	InstanceClass    string
	StorageGiB       int
	MaxStorageGiB    int // up to which RDS lets the storage grow; 0 for no growth
	MultiAZ          bool
	BackupDays       int    // 0 switches backups off
	BackupWindow     string // as RDS writes it; empty to let RDS choose
	Maintenance      string // window, likewise
	Protected        bool   // RDS refuses deletion, and so does Pulumi before asking
	FinalSnapshot    bool   // whether a deletion leaves a snapshot
	Snapshot         string // to make the instance from; empty for an empty one
	ApplyImmediately bool   // else changes that restart the database wait for its maintenance window
	SlowMillis       int    // from which on a statement is logged; 0 for none
	Logs             bool   // whether the log goes to CloudWatch Logs
	LogRetentionDays int
	Insights         bool // Performance Insights
	AppUser          bool // whether applications have a user of their own, for whose login there is then a secret
	Standing         Standing
}

// Database is the instance and what a client needs to reach it.
type Database struct {
	pulumi.ResourceState

	Host            pulumi.StringOutput
	SecurityGroupID pulumi.IDOutput
	SecretARN       pulumi.StringOutput // Secrets Manager: JSON with username and password, rotated by RDS every 7 days
	Endpoint        pulumi.StringOutput // HOST:PORT
	// AppSecretARN is the secret for the login of the application's user. It has no value until the first migration, which makes
	// the user and writes one: the password is in no state. Nil without such a user.
	AppSecretARN pulumi.StringInput
}

// New declares a Database.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Database, error) {
	d := &Database{}
	if err := ctx.RegisterComponentResource("slipway:database:Database", name, d, opts...); err != nil {
		return nil, fmt.Errorf("register %s: %w", name, err)
	}
	parent := pulumi.Parent(d)
	subnets, err := rds.NewSubnetGroup(ctx, name, &rds.SubnetGroupArgs{
		Name:        pulumi.String(args.Name),
		Description: pulumi.String("Isolated subnets: no route leads out"),
		SubnetIds:   args.SubnetIDs,
	}, parent)
	if err != nil {
		return nil, fmt.Errorf("declare the database's subnet group: %w", err)
	}
	// No rule here: whoever may reach the database is let in beside its own declaration.
	group, err := ec2.NewSecurityGroup(ctx, name, &ec2.SecurityGroupArgs{
		Name:        pulumi.String(args.Name + "-database"),
		Description: pulumi.String("PostgreSQL"),
		VpcId:       args.VPCID,
		Tags:        pulumi.StringMap{"Name": pulumi.String(args.Name + "-database")},
	}, parent)
	if err != nil {
		return nil, fmt.Errorf("declare the database's security group: %w", err)
	}
	parameters, err := rds.NewParameterGroup(ctx, name, &rds.ParameterGroupArgs{
		// The family is part of the name: a major upgrade needs both groups at once.
		Name:        pulumi.Sprintf("%s-postgres%s", args.Name, args.MajorVersion),
		Family:      pulumi.String("postgres" + args.MajorVersion),
		Description: pulumi.String("TLS or nothing"),
		Parameters:  args.parameters(),
	}, parent)
	if err != nil {
		return nil, fmt.Errorf("declare the database's parameter group: %w", err)
	}
	opts = []pulumi.ResourceOption{parent, pulumi.Protect(args.Protected)}
	if args.Snapshot != "" {
		// A snapshot for a database that stands asks for another instance, of the same name: the one before must go first. Where it is
		// protected it does not.
		opts = append(opts, pulumi.DeleteBeforeReplace(true))
	}
	if args.Logs {
		// RDS would make the group itself, and keep its events for ever.
		logs, err := cloudwatch.NewLogGroup(ctx, name, &cloudwatch.LogGroupArgs{
			Name:            pulumi.String("/aws/rds/instance/" + args.Name + "/" + logOfPostgreSQL),
			RetentionInDays: pulumi.Int(args.LogRetentionDays),
		}, parent)
		if err != nil {
			return nil, fmt.Errorf("declare the database's log group: %w", err)
		}
		opts = append(opts, pulumi.DependsOn([]pulumi.Resource{logs}))
	}
	instance, err := rds.NewInstance(ctx, name, args.instance(subnets, group, parameters), opts...)
	if err != nil {
		return nil, fmt.Errorf("declare the database: %w", err)
	}
	d.Host, d.Endpoint, d.SecurityGroupID = instance.Address, instance.Endpoint, group.ID()
	d.SecretARN = instance.MasterUserSecrets.ApplyT(masterSecret).(pulumi.StringOutput)
	if args.AppUser {
		secret, err := secretsmanager.NewSecret(ctx, name, &secretsmanager.SecretArgs{
			Name:        pulumi.String(args.Name + "/database"),
			Description: pulumi.String("Login of the application's user of the database, written by the migration"),
			// It goes at once: whatever it held is made again, and a name that waits for its end would block the next life of the stack.
			RecoveryWindowInDays: pulumi.Int(0),
		}, parent)
		if err != nil {
			return nil, fmt.Errorf("declare the secret of the application's user: %w", err)
		}
		d.AppSecretARN = secret.Arn
	}
	return d, ctx.RegisterResourceOutputs(d, pulumi.Map{"endpoint": d.Endpoint, "secretArn": d.SecretARN})
}

// masterSecret is the ARN of the one secret that RDS keeps for the master user.
func masterSecret(secrets []rds.InstanceMasterUserSecret) (string, error) {
	if len(secrets) == 0 || secrets[0].SecretArn == nil || *secrets[0].SecretArn == "" {
		return "", fmt.Errorf("database: RDS reports no master secret, though it was asked to manage the password; " +
			"look at the instance in the RDS console")
	}
	return *secrets[0].SecretArn, nil
}
