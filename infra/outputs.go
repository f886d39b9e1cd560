package infra

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway/infra/config"
	"slipway/infra/database"
	"slipway/infra/edge"
	"slipway/infra/identity"
	"slipway/infra/registry"
	"slipway/infra/revision"
	"slipway/infra/workload"
)

// outputs is what the stack's outputs are made from.
type outputs struct {
	edge     *edge.Edge
	database *database.Database
	cluster  *workload.Cluster
	services map[string]*workload.Service
	// scheduled holds the rows that are no services.
	scheduled map[string]*workload.ScheduledTask
	config    *config.Config
	images    *registry.Images
	identity  *identity.Identity
	revision  revision.Revision
	where     location
	ranWell   pulumi.StringInput // the release's name, once it runs
}

// export publishes what a person or a workflow needs after an `up`. After one that failed, all of it is still that of the
// release that ran well before.
func export(ctx *pulumi.Context, o outputs) {
	services, images, commands, repositories := pulumi.StringMap{}, pulumi.StringMap{}, pulumi.Map{}, pulumi.StringMap{}
	schedules := pulumi.StringMap{}
	for _, row := range o.config.Services {
		repositories[row.Name] = pulumi.String(repositoryName(o.config, row))
		images[row.Name] = o.images.References[row.Name]
		if task, ok := o.scheduled[row.Name]; ok {
			schedules[row.Name] = pulumi.Sprintf("%s in %s", row.Schedule, row.ScheduleTimeZone)
			commands[row.Name] = pulumi.StringMap{"logs": o.logs(task.LogGroup), "runs": o.runs(row.Name, task)}
			continue
		}
		service := o.services[row.Name]
		services[row.Name] = service.Name
		texts := pulumi.StringMap{"logs": o.logs(service.LogGroup), "shell": shell(o, row, service)}
		if !row.Exec {
			texts["shellFirst"] = pulumi.String(shellFirst(ctx.Stack(), row.Name, o.revision))
		}
		commands[row.Name] = texts
	}
	ctx.Export("url", o.edge.URL)
	ctx.Export("cluster", o.cluster.Name)
	ctx.Export("services", services)
	if len(schedules) > 0 {
		ctx.Export("schedules", schedules)
	}
	ctx.Export("images", images)
	ctx.Export("revision", o.ranWell)
	ctx.Export("region", pulumi.String(o.where.Region))
	ctx.Export("registry", pulumi.String(registryAccount(o.config, o.where)))
	ctx.Export("repositories", repositories)
	ctx.Export("databaseEndpoint", o.database.Endpoint)
	ctx.Export("deployRoleArn", o.identity.DeployRoleARN)
	if o.identity.PreviewRoleARN != nil {
		ctx.Export("previewRoleArn", o.identity.PreviewRoleARN)
	}
	ctx.Export("commands", commands)
}

// logs is the command that follows a log.
func (o outputs) logs(group pulumi.StringInput) pulumi.StringInput {
	return pulumi.Sprintf("aws logs tail %s --follow --region %s", group, o.where.Region)
}

// runs is the command that lists how the last runs of a scheduled task ended. ECS knows them for an hour.
func (o outputs) runs(name string, task *workload.ScheduledTask) pulumi.StringInput {
	return pulumi.Sprintf(
		"aws ecs describe-tasks --region %[1]s --cluster %[2]s --output table "+
			"--query \"tasks[].[startedAt,stoppedReason,containers[?name=='%[4]s']|[0].exitCode]\" --tasks "+
			"$(aws ecs list-tasks --region %[1]s --cluster %[2]s --family %[3]s --desired-status STOPPED --query 'taskArns' --output text)",
		o.where.Region, o.cluster.Name, task.Family, name)
}

// shell is the command that opens a shell in a task of a service, which allows it where its row says exec: true.
func shell(o outputs, row config.Service, service *workload.Service) pulumi.StringInput {
	return pulumi.Sprintf(
		"aws ecs execute-command --region %[1]s --cluster %[2]s --container %[3]s --interactive --command /bin/sh --task "+
			"$(aws ecs list-tasks --region %[1]s --cluster %[2]s --service-name %[4]s --query 'taskArns[0]' --output text)",
		o.where.Region, o.cluster.Name, row.Name, service.Name)
}

// shellFirst is what to type before the shell command where the row does not allow it yet. The key is set by its path,
// since the whole object would replace what the stack overrides already. The running commit is named, so that the changed
// file is no reason to build or to refuse.
func shellFirst(stack, service string, running revision.Revision) string {
	return fmt.Sprintf("pulumi config set --path 'slipway:serviceOverrides.%s.exec' true --stack %[2]s && "+
		"pulumi config set slipway:revision %[3]s --stack %[2]s && pulumi up --stack %[2]s", service, stack, running.Commit)
}
