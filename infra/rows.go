package infra

import (
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway/infra/config"
	"slipway/infra/database"
	"slipway/infra/workload"
)

// shared declares what rows share where one of them needs it: the namespace of Service Connect, and the group of schedules. What
// none needs is nil.
func shared(ctx *pulumi.Context, cfg *config.Config, prefix string) (namespaceARN, scheduleGroup pulumi.StringInput, err error) {
	if slices.ContainsFunc(cfg.Services, func(row config.Service) bool { return row.Kind() == config.Internal }) {
		namespace, err := workload.NewNamespace(ctx, "connect", prefix)
		if err != nil {
			return nil, nil, err
		}
		namespaceARN = namespace.ARN
	}
	if name := scheduleGroupName(cfg.Services, prefix); name != "" {
		group, err := workload.NewScheduleGroup(ctx, "schedules", name)
		if err != nil {
			return nil, nil, err
		}
		scheduleGroup = group.Name
	}
	return namespaceARN, scheduleGroup, nil
}

// surroundings are what every row finds around it, known before anything is registered.
func surroundings(cfg *config.Config, where location, prefix string) workload.Surroundings {
	return workload.Surroundings{
		Prefix:           prefix,
		Partition:        where.Partition,
		Account:          where.Account,
		Region:           where.Region,
		RegistryAccount:  registryAccount(cfg, where),
		RepositoryPrefix: cfg.Registry.Prefix,
		LogRoot:          logRoot(prefix),
		LogRetentionDays: cfg.LogRetentionDays,
		RetainTasks:      cfg.Cluster.RetainTaskDefinitions,
		DeployMinutes:    cfg.Cluster.DeployMinutes,
		Sleep:            workload.Sleep{At: cfg.Cluster.SleepSchedule, Until: cfg.Cluster.WakeSchedule, TimeZone: cfg.Cluster.TimeZone},
		DrainSeconds:     cfg.Edge.DeregistrationSeconds,
		IdleSeconds:      cfg.Edge.IdleSeconds,
	}
}

// databaseInputs are what a row with a database is told of it.
func databaseInputs(cfg config.Database, db *database.Database) workload.DatabaseInputs {
	return workload.DatabaseInputs{
		Host: db.Host, Name: cfg.Name, Port: database.Port, SecretARN: db.SecretARN,
		SecurityGroupID: db.SecurityGroupID, TLSMode: cfg.TLS,
		App: workload.AppUserInputs{Name: cfg.AppUser, SecretARN: db.AppSecretARN, RotateHours: cfg.RotateHours},
	}
}

// peers are the services that a row calls, which stand already.
func peers(row config.Service, rows []config.Service, declared map[string]*workload.Service) []workload.Peer {
	var all []workload.Peer
	for _, called := range rows {
		if slices.Contains(row.Calls, called.Name) {
			all = append(all, workload.Peer{Name: called.Name, Port: called.Port, SecurityGroupID: declared[called.Name].SecurityGroupID})
		}
	}
	return all
}

// anyExec says whether somebody may open a shell in a task.
func anyExec(rows []config.Service) bool {
	return slices.ContainsFunc(rows, func(row config.Service) bool { return row.Exec })
}
