package identity

import "slipway/infra/policy"

// databaseOptions lets the stack keep the log group to which RDS writes the database's log, and make the database from a snapshot.
func databaseOptions(args Args) []policy.Statement {
	root := args.Roots.Database
	return []policy.Statement{
		{
			Sid: "DatabaseLogs", Effect: policy.Allow,
			Action: []string{
				"logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:ListTagsForResource", "logs:PutRetentionPolicy", "logs:TagResource",
				"logs:UntagResource",
			},
			Resource: []string{args.arn("logs", "log-group:/aws/rds/instance/"+root+"/*")},
		},
		{
			Sid: "DatabaseRestore", Effect: policy.Allow,
			Action: []string{"rds:RestoreDBInstanceFromDBSnapshot"},
			// This stack's snapshots alone: another's data is for a person to move. RDS asks for leave on all that the new instance
			// stands on.
			Resource: []string{
				args.arn("rds", "db:"+root), args.arn("rds", "snapshot:"+root+"-*"), args.arn("rds", "snapshot:rds:"+root+"-*"),
				args.arn("rds", "subgrp:"+root), args.arn("rds", "pg:"+root+"-*"), args.arn("rds", "og:default:*"),
			},
		},
	}
}
