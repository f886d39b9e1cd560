package tasks

import (
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// The fields that are carried out, or that change nothing about how a task runs here. (ephemeralStorage asks for room,
// and the room here is the Docker Engine's disk.) Any other that is set makes the task fail. Go's names of the AWS
// SDK's types are those of the ECS API but for their first letter.
var (
	taskFields = strings.Fields(
		`Compatibilities ContainerDefinitions Cpu DeregisteredAt EphemeralStorage ExecutionRoleArn Family Memory
		NetworkMode RegisteredAt RegisteredBy RequiresAttributes RequiresCompatibilities Revision RuntimePlatform Status
		TaskDefinitionArn TaskRoleArn Volumes`,
	)
	containerFields = strings.Fields(
		`Command Cpu DependsOn DockerLabels EntryPoint Environment Essential HealthCheck Image
		LinuxParameters LogConfiguration Memory MemoryReservation MountPoints Name PortMappings ReadonlyRootFilesystem Secrets
		StartTimeout StopTimeout Ulimits User VersionConsistency WorkingDirectory`,
	)
	linuxFields  = strings.Fields(`Capabilities InitProcessEnabled`)
	volumeFields = strings.Fields(`Name Host`)
	logFields    = strings.Fields(`LogDriver Options`)
	logOptions   = strings.Fields(
		`awslogs-group awslogs-region awslogs-stream-prefix awslogs-create-group mode max-buffer-size`,
	)
)

// check returns why a definition cannot be run as it says, or nil. Rules that AWS enforces at RegisterTaskDefinition
// are checked where running a definition that breaks them would do something else than it says.
func check(d ecstypes.TaskDefinition) error {
	if d.NetworkMode != ecstypes.NetworkModeAwsvpc {
		return fmt.Errorf("networkMode is %q, and tasks run in awsvpc alone", d.NetworkMode)
	}
	if err := onlySet(d, "", taskFields); err != nil {
		return err
	}
	if p := d.RuntimePlatform; p != nil && p.OperatingSystemFamily != "" &&
		p.OperatingSystemFamily != ecstypes.OSFamilyLinux {
		return fmt.Errorf("runtimePlatform.operatingSystemFamily %s cannot be run on Linux", p.OperatingSystemFamily)
	}
	for name, value := range map[string]*string{"cpu": d.Cpu, "memory": d.Memory} {
		if n, err := strconv.Atoi(aws.ToString(value)); err != nil || n < 1 {
			return fmt.Errorf("%s is %q, and a Fargate task needs a number there", name, aws.ToString(value))
		}
	}
	var volumes []string
	for _, v := range d.Volumes {
		where := "volumes." + aws.ToString(v.Name)
		if err := onlySet(v, where+".", volumeFields); err != nil {
			return err
		}
		if v.Host != nil && aws.ToString(v.Host.SourcePath) != "" {
			return fmt.Errorf("%s.host.sourcePath is set, and Fargate has no host to mount from", where)
		}
		volumes = append(volumes, aws.ToString(v.Name))
	}
	if len(d.ContainerDefinitions) == 0 {
		return fmt.Errorf("containerDefinitions is empty")
	}
	if !slices.ContainsFunc(d.ContainerDefinitions, essential) {
		return fmt.Errorf("no container is essential, and a task needs one that is")
	}
	for _, c := range d.ContainerDefinitions {
		if err := checkContainer(c, volumes); err != nil {
			return fmt.Errorf("container %s: %w", aws.ToString(c.Name), err)
		}
	}
	return checkOrder(d.ContainerDefinitions)
}

func checkContainer(c ecstypes.ContainerDefinition, volumes []string) error {
	if err := onlySet(c, "", containerFields); err != nil {
		return err
	}
	if p := c.LinuxParameters; p != nil {
		if err := onlySet(*p, "linuxParameters.", linuxFields); err != nil {
			return err
		}
		if p.Capabilities != nil &&
			slices.ContainsFunc(p.Capabilities.Add, func(s string) bool { return s != "SYS_PTRACE" }) {
			return fmt.Errorf(
				"linuxParameters.capabilities.add is %s, and Fargate adds SYS_PTRACE alone",
				p.Capabilities.Add,
			)
		}
	}
	for _, m := range c.MountPoints {
		if !slices.Contains(volumes, aws.ToString(m.SourceVolume)) {
			return fmt.Errorf("mountPoints names the volume %q, which is not declared", aws.ToString(m.SourceVolume))
		}
	}
	if n := aws.ToInt32(c.StopTimeout); n > maxStopTimeout {
		return fmt.Errorf("stopTimeout is %d, and Fargate allows %d seconds", n, maxStopTimeout)
	}
	l := c.LogConfiguration
	if l == nil {
		return nil
	}
	if err := onlySet(*l, "logConfiguration.", logFields); err != nil {
		return err
	}
	if l.LogDriver != ecstypes.LogDriverAwslogs {
		return fmt.Errorf("logConfiguration.logDriver %s is not supported; use awslogs", l.LogDriver)
	}
	for name := range l.Options {
		if !slices.Contains(logOptions, name) {
			return fmt.Errorf("logConfiguration.options.%s is not supported", name)
		}
	}
	return nil
}

// checkOrder finds dependencies on containers that are not there, and cycles.
func checkOrder(all []ecstypes.ContainerDefinition) error {
	resolved := map[string]bool{}
	for range all {
		for _, c := range all {
			waits := slices.ContainsFunc(c.DependsOn, func(d ecstypes.ContainerDependency) bool {
				return !resolved[aws.ToString(d.ContainerName)]
			})
			if !waits {
				resolved[aws.ToString(c.Name)] = true
			}
		}
	}
	for _, c := range all {
		if !resolved[aws.ToString(c.Name)] {
			return fmt.Errorf(
				"container %s: dependsOn leads to itself or to a container that is not declared",
				aws.ToString(c.Name),
			)
		}
	}
	return nil
}

// onlySet returns an error that names the first field of a struct that is set and not in the list. A field whose value
// is empty, zero, false or a pointer to that asks for nothing.
func onlySet(structure any, where string, supported []string) error {
	v := reflect.ValueOf(structure)
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if !field.IsExported() || slices.Contains(supported, field.Name) || isEmpty(v.Field(i)) {
			continue
		}
		return fmt.Errorf("%s%s is not supported by the embedded cloud; remove it, or deploy to AWS",
			where, strings.ToLower(field.Name[:1])+field.Name[1:])
	}
	return nil
}

func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	case reflect.Pointer:
		return v.IsNil() || isEmpty(v.Elem())
	default:
		return v.IsZero()
	}
}

// essential is whether a container's end is its task's: so if nothing is said (ECS API reference,
// "ContainerDefinition").
func essential(c ecstypes.ContainerDefinition) bool { return c.Essential == nil || *c.Essential }

// architecture is what DescribeTasks shows of where a task runs.
func architecture() string {
	if runtime.GOARCH == "arm64" {
		return string(ecstypes.CPUArchitectureArm64)
	}
	return "x86_64"
}
