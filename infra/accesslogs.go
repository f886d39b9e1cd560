package infra

import (
	"slipway/infra/config"
	"slipway/infra/edge"
)

// accessLogs are those of the load balancer; nil where none are written.
func accessLogs(cfg config.Edge, where location, prefix string) *edge.AccessLogsArgs {
	if cfg.AccessLogDays == 0 {
		return nil
	}
	return &edge.AccessLogsArgs{
		Bucket: accessLogBucket(where, prefix), Partition: where.Partition, Account: where.Account,
		Days: cfg.AccessLogDays, Keep: cfg.DeletionProtection,
	}
}
