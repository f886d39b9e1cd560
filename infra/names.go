package infra

import (
	"cmp"
	"fmt"
	"slices"

	"slipway/infra/config"
	"slipway/infra/identity"
)

// roots are the first parts of the names of what the deploy role manages: those that the components give.
func roots(where location, prefix string) identity.Roots {
	return identity.Roots{
		Cluster: prefix, Database: prefix, LoadBalancer: prefix, Logs: logRoot(prefix), AccessLogs: accessLogBucket(where, prefix),
		Schedules: prefix, Secrets: prefix,
	}
}

// logRoot is the first part of the stack's log group names.
func logRoot(prefix string) string { return "/slipway/" + prefix }

// execLog is the name of the log group of what is typed in tasks; empty where nobody may open a shell in one.
func execLog(rows []config.Service, prefix string) string {
	if !anyExec(rows) {
		return ""
	}
	return logRoot(prefix) + "/exec"
}

// scheduleGroupName is the name of the stack's group of schedules; empty where nothing is scheduled.
func scheduleGroupName(rows []config.Service, prefix string) string {
	if !slices.ContainsFunc(rows, func(row config.Service) bool { return row.Kind() == config.Scheduled }) {
		return ""
	}
	return prefix
}

// accessLogBucket carries the account, as names of buckets are one for all accounts.
func accessLogBucket(where location, prefix string) string {
	return prefix + "-access-logs-" + where.Account
}

func repositoryName(cfg *config.Config, row config.Service) string {
	return cfg.Registry.Prefix + "/" + row.Name
}

// repositoryNames are those of all services, and, in the stack that owns them, of retired ones: their images stay.
func repositoryNames(cfg *config.Config) []string {
	rows := cfg.Services
	if cfg.Registry.Owned {
		rows = slices.Concat(rows, cfg.Retired)
	}
	names := make([]string, 0, len(rows))
	for _, row := range rows {
		names = append(names, repositoryName(cfg, row))
	}
	return names
}

// repositoriesARN matches the product's repositories: those that there are, and those of services that a commit adds. The roles of
// GitHub's jobs cannot change themselves.
func repositoriesARN(cfg *config.Config, where location) string {
	return fmt.Sprintf("arn:%s:ecr:%s:%s:repository/%s/*", where.Partition, where.Region, registryAccount(cfg, where), cfg.Registry.Prefix)
}

// registryAccount is the account whose registry holds the repositories: the stack's own, unless it names another.
func registryAccount(cfg *config.Config, where location) string {
	return cmp.Or(cfg.Registry.Account, where.Account)
}
