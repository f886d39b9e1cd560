package infra

import (
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway/infra/config"
	"slipway/infra/edge"
	"slipway/infra/held"
	"slipway/infra/identity"
	"slipway/infra/observe"
	"slipway/infra/workload"
)

// watch declares what looks on at the stack as a whole; nil where nothing does.
func watch(ctx *pulumi.Context, cfg *config.Config, where location, prefix string, front *edge.Edge, cluster *workload.Cluster,
	access *identity.Identity,
) (*observe.Observe, error) {
	alarms := cfg.Alarms
	return observe.New(ctx, "observe", observe.Args{
		Stack:     ctx.Stack(),
		Prefix:    prefix,
		Partition: where.Partition,
		Account:   where.Account,
		Region:    where.Region,
		Alarms:    alarms.On,
		Rollback:  alarms.Rollback,
		Dashboard: cfg.Dashboard,
		Tell: observe.Tell{
			Email: alarms.Email, SlackWorkspace: alarms.SlackWorkspace, SlackChannel: alarms.SlackChannel, KeyARN: alarms.KmsKeyArn,
		},
		Thresholds: observe.Thresholds{
			ErrorPercent: alarms.ErrorPercent, LeastRequests: alarms.LeastRequests, LatencyMs: alarms.LatencyMs,
			CPUPercent: alarms.CPUPercent, MemoryPercent: alarms.MemoryPercent, Connections: cfg.MostConnections(),
		},
		Database: observe.DatabaseArgs{
			Identifier: prefix, StorageGiB: cfg.Database.StorageGb, Burstable: strings.HasPrefix(cfg.Database.InstanceClass, "db.t"),
		},
		Cluster:       observe.ClusterArgs{Name: prefix, ARN: cluster.ARN},
		ScheduleGroup: scheduleGroupName(cfg.Services, prefix),
		LoadBalancer:  front.LoadBalancerSuffix,
		BoundaryARN:   access.BoundaryARN,
	})
}

// watched is what the observer needs to know of a service.
func watched(row config.Service, cluster config.Cluster, prefix string) observe.Service {
	return observe.Service{
		Name: row.Name, LogGroup: logRoot(prefix) + "/" + row.Name, GraceSeconds: row.HealthGraceSeconds,
		Serves: row.Count > 0 && cluster.SleepSchedule == "",
	}
}

// watchedTask is what the observer needs to know of a scheduled task.
func watchedTask(row config.Service, task *workload.ScheduledTask, prefix string) observe.Task {
	return observe.Task{Name: row.Name, Family: task.Family, LogGroup: logRoot(prefix) + "/" + row.Name}
}

// watchedBefore are the alarms by which ECS took releases back in the last run, by service, where none do now.
func watchedBefore(stood held.State, alarms config.Alarms) map[string][]string {
	before := map[string][]string{}
	if alarms.On && alarms.Rollback {
		return before
	}
	for name, outputs := range stood.Of("aws:ecs/service:Service") {
		block, _ := outputs["alarms"].(map[string]any)
		names, _ := block["alarmNames"].([]any)
		for _, alarm := range names {
			if text, ok := alarm.(string); ok {
				before[name] = append(before[name], text)
			}
		}
	}
	return before
}
