// Package infra declares one stack: everything between a checkout and the URL under which it is served.
package infra

import (
	"cmp"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway/infra/config"
	"slipway/infra/database"
	"slipway/infra/edge"
	"slipway/infra/identity"
	"slipway/infra/network"
	"slipway/infra/registry"
	"slipway/infra/revision"
	"slipway/infra/secrets"
	"slipway/infra/workload"
)

// Deploy declares the stack, and judges its release by what runs. Whatever can be found wrong without the cloud is reported
// before anything is registered.
func Deploy(ctx *pulumi.Context) error { return deploy(ctx, askAWS) }

// deploy declares the stack; court opens the way to those who judge the release.
func deploy(ctx *pulumi.Context, court openCourt) error {
	cfg, rev, err := prepare(ctx)
	if err != nil {
		return err
	}
	where, err := locate(ctx, cfg.Network.ZoneCount)
	if err != nil {
		return err
	}
	prefix := cfg.App.Name + "-" + ctx.Stack()

	repositories, err := registry.New(ctx, "registry", registry.Args{
		Names:        repositoryNames(cfg),
		Owned:        cfg.Registry.Owned,
		Account:      cfg.Registry.Account,
		Partition:    where.Partition,
		Stacks:       withOwn(ctx.Stack(), cfg.Registry.Stacks),
		Accounts:     cfg.Registry.Accounts,
		KeepReleases: cfg.Registry.KeepReleases,
		KeepTagged:   cfg.Registry.KeepTagged,
		UntaggedDays: cfg.Registry.UntaggedDays,
		KMSKeyARN:    cfg.Registry.KmsKeyArn,
		ForceDelete:  cfg.Registry.ForceDelete,
	})
	if err != nil {
		return err
	}
	images, err := registry.NewImages(ctx, "images", registry.ImagesArgs{
		URLs:     repositories.URLs,
		Account:  cfg.Registry.Account,
		Sources:  sources(cfg, rev),
		Platform: cfg.Images.Platform,
		Network:  cfg.Images.BuildNetwork,
		Again:    again(cfg, rev),
		RanIn:    ranIn(cfg, ctx.Stack()),
	})
	if err != nil {
		return err
	}
	access, err := identity.New(ctx, "identity", identity.Args{
		Prefix:    prefix,
		Partition: where.Partition,
		Account:   where.Account,
		Region:    where.Region,
		Repository: identity.Repository{
			Owner: cfg.GitHub.Owner, OwnerID: cfg.GitHub.OwnerID,
			Name: cfg.GitHub.Repository, ID: cfg.GitHub.RepositoryID,
			Environment: cfg.GitHub.Environment,
		},
		OwnsProvider:     cfg.GitHub.ProviderOwned,
		Preview:          cfg.GitHub.Preview,
		ImageARNs:        []string{where.repositoriesARN(cfg.Registry.Account, cfg.Registry.Prefix)},
		OwnsRepositories: cfg.Registry.Owned,
		Roots: identity.Roots{
			Cluster: prefix, Database: prefix, LoadBalancer: prefix, Logs: logRoot(prefix), AccessLogs: accessLogBucket(where, prefix),
			Schedules: prefix, Secrets: prefix,
		},
		Domain: identity.Domain{ZoneID: cfg.Edge.ZoneID, Names: cfg.Edge.Names()},
		State: identity.State{
			Bucket: cfg.State.Bucket, KeyARN: cfg.State.KmsKeyArn, Project: ctx.Project(), Stack: ctx.Stack(),
		},
	})
	if err != nil {
		return err
	}
	public, private, isolated := cfg.Network.Subnets()
	net, err := network.New(ctx, "network", network.Args{
		Name:     prefix,
		Region:   where.Region,
		CIDR:     cfg.Network.Cidr,
		Zones:    where.Zones,
		Public:   public,
		Private:  private,
		Isolated: isolated,
		NAT:      network.NAT(cfg.Network.Nat),
		Exec:     anyExec(cfg.Services),
	})
	if err != nil {
		return err
	}
	db, err := database.New(ctx, "database", database.Args{
		Name:             prefix,
		VPCID:            net.VPCID,
		SubnetIDs:        net.IsolatedIDs,
		Database:         cfg.Database.Name,
		User:             cfg.Database.User,
		MajorVersion:     cfg.Database.Version,
		InstanceClass:    cfg.Database.InstanceClass,
		StorageGiB:       cfg.Database.StorageGb,
		MaxStorageGiB:    cfg.Database.MaxStorageGb,
		MultiAZ:          cfg.Database.MultiAz,
		BackupDays:       cfg.Database.BackupDays,
		BackupWindow:     cfg.Database.BackupWindow,
		Maintenance:      cfg.Database.MaintenanceWindow,
		Protected:        cfg.Database.Protected,
		FinalSnapshot:    cfg.Database.FinalSnapshot,
		Snapshot:         cfg.Database.Snapshot,
		ApplyImmediately: cfg.Database.ApplyImmediately,
		SlowMillis:       cfg.Database.SlowMs,
		Logs:             cfg.Database.Logs,
		LogRetentionDays: cfg.LogRetentionDays,
		Insights:         cfg.Database.PerformanceInsights,
		AppUser:          cfg.Database.AppUser != "",
	})
	if err != nil {
		return err
	}
	front, err := edge.New(ctx, "edge", edge.Args{
		Name:               prefix,
		VPCID:              net.VPCID,
		SubnetIDs:          net.PublicIDs,
		IngressCIDRs:       cfg.Edge.IngressCIDRs,
		IdleSeconds:        cfg.Edge.IdleSeconds,
		DeletionProtection: cfg.Edge.DeletionProtection,
		Domain: edge.Domain{
			Name: cfg.Edge.Domain, Aliases: cfg.Edge.Aliases, ZoneID: cfg.Edge.ZoneID,
			TLSPolicy: cfg.Edge.TLSPolicy, HSTSSeconds: cfg.Edge.HSTSSeconds,
		},
		AccessLogs: accessLogs(cfg.Edge, where, prefix),
		After:      net.Internet,
	})
	if err != nil {
		return err
	}
	cluster, err := workload.NewCluster(ctx, "cluster", workload.ClusterArgs{
		Name:              prefix,
		ContainerInsights: cfg.Cluster.ContainerInsights,
		ExecLog:           execLog(cfg.Services, prefix),
		LogDays:           cfg.LogRetentionDays,
	})
	if err != nil {
		return err
	}
	observer, err := watch(ctx, cfg, where, prefix, front, cluster, access)
	if err != nil {
		return err
	}
	before := watchedBefore(ctx, cfg.Alarms)
	release, err := newRelease(ctx, court, cfg, where, rev)
	if err != nil {
		return err
	}
	vault, err := newSecrets(ctx, cfg, prefix)
	if err != nil {
		return err
	}
	namespace, scheduleGroup, err := shared(ctx, cfg, prefix)
	if err != nil {
		return err
	}
	services, scheduled := map[string]*workload.Service{}, map[string]*workload.ScheduledTask{}
	for _, row := range config.InOrder(cfg.Services) {
		args := workload.ServiceArgs{
			Row: row,
			Stack: workload.Surroundings{
				Prefix:           prefix,
				Partition:        where.Partition,
				Account:          where.Account,
				Region:           where.Region,
				RegistryAccount:  cmp.Or(cfg.Registry.Account, where.Account),
				RepositoryPrefix: cfg.Registry.Prefix,
				LogRoot:          logRoot(prefix),
				LogRetentionDays: cfg.LogRetentionDays,
				RetainTasks:      cfg.Cluster.RetainTaskDefinitions,
				DeployMinutes:    cfg.Cluster.DeployMinutes,
				Sleep:            workload.Sleep{At: cfg.Cluster.SleepSchedule, Until: cfg.Cluster.WakeSchedule, TimeZone: cfg.Cluster.TimeZone},
				DrainSeconds:     cfg.Edge.DeregistrationSeconds,
				IdleSeconds:      cfg.Edge.IdleSeconds,
			},
			Image:     images.References[row.Name],
			Revision:  images.Tags[row.Name],
			Platform:  cfg.Images.Platform,
			Cluster:   cluster,
			VPCID:     net.VPCID,
			SubnetIDs: net.PrivateIDs,
			Edge:      workload.EdgeAccess{ListenerARN: front.ListenerARN, LoadBalancerSuffix: front.LoadBalancerSuffix, SecurityGroupID: front.SecurityGroupID},
			Database: workload.DatabaseInputs{
				Host: db.Host, Name: cfg.Database.Name, Port: database.Port, SecretARN: db.SecretARN,
				SecurityGroupID: db.SecurityGroupID, TLSMode: cfg.Database.TLS,
				App: workload.AppUserInputs{
					Name: cfg.Database.AppUser, SecretARN: db.AppSecretARN, RotateHours: cfg.Database.RotateHours,
				},
			},
			Namespace:     namespace,
			Calls:         peers(row, cfg.Services, services),
			ScheduleGroup: scheduleGroup,
			BoundaryARN:   access.BoundaryARN,
			After:         net.Ready,
			Released:      release.of(row.Before()),
			Watch:         observer.Watch(watched(row, cfg.Cluster, prefix)),
			Watched:       before[row.Name],
			Secrets:       workload.SecretInputs{ARNs: arnsOf(row, vault), KeyARN: cfg.Secrets.KmsKeyArn, Filled: release.filled(row, vault)},
		}
		if row.Kind() == config.Scheduled {
			task, err := workload.NewScheduledTask(ctx, row.Name, args)
			if err != nil {
				return err
			}
			release.registered(row.Name, task)
			scheduled[row.Name] = task
			continue
		}
		service, err := workload.NewService(ctx, row.Name, args)
		if err != nil {
			return err
		}
		release.await(row, cluster, service)
		services[row.Name] = service
	}
	if err := observer.Done(); err != nil {
		return err
	}
	export(ctx, outputs{
		edge: front, database: db, cluster: cluster, services: services, scheduled: scheduled, config: cfg, images: images,
		identity: access, revision: rev, where: where, ranWell: release.record(images),
	})
	return nil
}

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
	if slices.ContainsFunc(cfg.Services, func(row config.Service) bool { return row.Kind() == config.Scheduled }) {
		group, err := workload.NewScheduleGroup(ctx, "schedules", prefix)
		if err != nil {
			return nil, nil, err
		}
		scheduleGroup = group.Name
	}
	return namespaceARN, scheduleGroup, nil
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

// newSecrets declares the secrets that rows name; nil where none does.
func newSecrets(ctx *pulumi.Context, cfg *config.Config, prefix string) (*secrets.Secrets, error) {
	names := cfg.SecretNames()
	if len(names) == 0 {
		return nil, nil //nolint:nilnil // documented
	}
	return secrets.New(ctx, "secrets", secrets.Args{
		Prefix: prefix, Names: names, KMSKeyARN: cfg.Secrets.KmsKeyArn, RecoveryDays: cfg.Secrets.RecoveryDays,
	})
}

// arnsOf are the ARNs of a row's secrets, by the variables that hold them.
func arnsOf(row config.Service, all *secrets.Secrets) pulumi.StringMap {
	arns := pulumi.StringMap{}
	for variable, name := range row.Secrets {
		arns[variable] = all.ARNs[name]
	}
	return arns
}

func repositoryNames(cfg *config.Config) []string {
	names := make([]string, 0, len(cfg.Services))
	for _, row := range cfg.Services {
		names = append(names, repositoryName(cfg, row))
	}
	return names
}

func repositoryName(cfg *config.Config, row config.Service) string {
	return cfg.Registry.Prefix + "/" + row.Name
}

// withOwn puts a stack's own name behind those of the others that share its repositories, unless it has a place among them.
func withOwn(stack string, others []string) []string {
	if slices.Contains(others, stack) {
		return others
	}
	return append(slices.Clone(others), stack)
}

func sources(cfg *config.Config, rev revision.Revision) map[string]registry.Source {
	all := map[string]registry.Source{}
	for _, row := range cfg.Services {
		all[row.Name] = registry.Source{
			Repository: repositoryName(cfg, row),
			Folder:     row.Folder,
			Dockerfile: row.Dockerfile,
			BuildArgs:  row.BuildArgs,
			Target:     row.Target,
			Commit:     rev.Sources[row.Folder].Tag,
			Earlier:    rev.Sources[row.Folder].Earlier,
		}
	}
	return all
}

func anyExec(rows []config.Service) bool {
	for _, row := range rows {
		if row.Exec {
			return true
		}
	}
	return false
}

// execLog is the name of the log group of what is typed in tasks; empty where nobody may open a shell in one.
func execLog(rows []config.Service, prefix string) string {
	if !anyExec(rows) {
		return ""
	}
	return logRoot(prefix) + "/exec"
}

// logRoot is the first part of the stack's log group names.
func logRoot(prefix string) string { return "/slipway/" + prefix }

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

// accessLogBucket carries the account, as names of buckets are one for all accounts.
func accessLogBucket(where location, prefix string) string {
	return prefix + "-access-logs-" + where.Account
}
