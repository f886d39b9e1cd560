// Package infra declares one stack: everything between a checkout and the URL under which it is served.
package infra

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway/infra/config"
	"slipway/infra/database"
	"slipway/infra/edge"
	"slipway/infra/held"
	"slipway/infra/identity"
	"slipway/infra/network"
	"slipway/infra/registry"
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
	stood := held.Read(ctx)
	standing := database.Stands(stood, "database")
	if err := checkDatabase(cfg.Database, standing); err != nil {
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
		Held:     stood,
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
		ImageARNs:        []string{repositoriesARN(cfg, where)},
		OwnsRepositories: cfg.Registry.Owned,
		Roots:            roots(where, prefix),
		Domain:           identity.Domain{ZoneID: cfg.Edge.ZoneID, Names: cfg.Edge.Names()},
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
		Standing:         standing,
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
			TLSPolicy: cfg.Edge.TLSPolicy, HSTS: hsts(stood, cfg.Edge),
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
	before := watchedBefore(stood, cfg.Alarms)
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
	for _, row := range config.InOrder(cfg.Services) { // a row behind those whose addresses and verdicts it needs
		args := workload.ServiceArgs{
			Row:           row,
			Stack:         surroundings(cfg, where, prefix),
			Image:         images.References[row.Name],
			Revision:      images.Tags[row.Name],
			Platform:      cfg.Images.Platform,
			Cluster:       cluster,
			VPCID:         net.VPCID,
			SubnetIDs:     net.PrivateIDs,
			Edge:          workload.EdgeAccess{ListenerARN: front.ListenerARN, LoadBalancerSuffix: front.LoadBalancerSuffix, SecurityGroupID: front.SecurityGroupID},
			Database:      databaseInputs(cfg.Database, db),
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
			if err := observer.WatchTask(watchedTask(row, task, prefix)); err != nil {
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
		if err := observer.WatchServing(watched(row, cfg.Cluster, prefix), service.TargetGroupSuffix, service.Running); err != nil {
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
