package workload

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"slipway/infra/config"
)

// migrationContainer is the name of the container that migrates the schema before the service's own starts.
const migrationContainer = "migrate"

// keepAliveMargin is by how many seconds an application keeps idle connections longer than the load balancer.
const keepAliveMargin = 15

// container is one entry of a task definition's containerDefinitions, with the fields of the ECS API that we set. Lists
// that AWS returns empty are written empty and not left out: a difference in form alone would replace the definition on
// every run.
type container struct {
	Name                   string            `json:"name"`
	Image                  string            `json:"image"`
	CPU                    int               `json:"cpu"`
	Essential              bool              `json:"essential"`
	Command                []string          `json:"command,omitempty"`
	User                   string            `json:"user"`
	ReadonlyRootFilesystem bool              `json:"readonlyRootFilesystem"`
	PortMappings           []portMapping     `json:"portMappings"`
	Environment            []variable        `json:"environment"`
	Secrets                []secret          `json:"secrets,omitempty"`
	MountPoints            []mountPoint      `json:"mountPoints"`
	VolumesFrom            []struct{}        `json:"volumesFrom"`
	SystemControls         []struct{}        `json:"systemControls"`
	DependsOn              []dependency      `json:"dependsOn,omitempty"`
	HealthCheck            *healthCheck      `json:"healthCheck,omitempty"`
	LinuxParameters        linuxParameters   `json:"linuxParameters"`
	LogConfiguration       *logConfiguration `json:"logConfiguration"`
	StopTimeout            int               `json:"stopTimeout"`
}

type portMapping struct {
	ContainerPort int    `json:"containerPort"`
	HostPort      int    `json:"hostPort"`
	Protocol      string `json:"protocol"`
	Name          string `json:"name,omitempty"` // by which Service Connect knows it
	AppProtocol   string `json:"appProtocol,omitempty"`
}

type variable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type secret struct {
	Name      string `json:"name"`
	ValueFrom string `json:"valueFrom"`
}

type mountPoint struct {
	SourceVolume  string `json:"sourceVolume"`
	ContainerPath string `json:"containerPath"`
	ReadOnly      bool   `json:"readOnly"`
}

type dependency struct {
	ContainerName string `json:"containerName"`
	Condition     string `json:"condition"`
}

type healthCheck struct {
	Command     []string `json:"command"`
	Interval    int      `json:"interval"`    // seconds
	Timeout     int      `json:"timeout"`     // seconds
	Retries     int      `json:"retries"`     // failures until unhealthy
	StartPeriod int      `json:"startPeriod"` // seconds in which failures do not count
}

type linuxParameters struct {
	// A real init reaps the children that an application forgets, and passes signals on.
	InitProcessEnabled bool `json:"initProcessEnabled"`
}

type logConfiguration struct {
	LogDriver string            `json:"logDriver"`
	Options   map[string]string `json:"options"`
}

// Task is what the containers of one service are made from, all values known.
type Task struct {
	Service        config.Service
	Image          string // by digest
	Revision       string
	Region         string
	LogGroup       string
	IdleSeconds    int               // that the load balancer keeps an idle connection
	Database       DatabaseAccess    // used where Service.Database
	Addresses      map[string]string // of the services that it calls, by the variable that holds each
	Secrets        map[string]string // ARNs, by the variable that holds the value
	ScratchVolumes bool              // mount what ECS Exec's agent writes to over the read-only root
}

// ECS Exec runs its agent inside the container and has it write here, which a read-only root forbids. AWS documents no
// way to have both; mounting these two is what its users report to work (aws/containers-roadmap#1359).
var scratchPaths = map[string]string{"exec-lib": "/var/lib/amazon", "exec-log": "/var/log/amazon"}

func scratchNames() []string { return slices.Sorted(maps.Keys(scratchPaths)) }

// ContainerDefinitions renders a task's containers in the form in which AWS returns them: containers and variables sorted
// by name.
func ContainerDefinitions(task Task) (string, error) {
	containers := []container{task.main()}
	if len(task.Service.Migration) > 0 {
		containers = append(containers, task.migration())
	}
	slices.SortFunc(containers, func(a, b container) int { return cmp.Compare(a.Name, b.Name) })
	text, err := json.Marshal(containers)
	if err != nil {
		return "", fmt.Errorf("render the containers of %s: %w", task.Service.Name, err)
	}
	return string(text), nil
}

func (t Task) main() container {
	c := t.base(t.Service.Name)
	c.Essential = true
	c.Command = t.Service.Command
	c.PortMappings = t.ports()
	if len(t.Service.HealthCommand) > 0 {
		c.HealthCheck = &healthCheck{
			Command:     append([]string{"CMD"}, t.Service.HealthCommand...),
			Interval:    5,
			Timeout:     4,
			Retries:     3,
			StartPeriod: min(t.Service.HealthGraceSeconds, 300), // ECS allows no more
		}
	}
	if len(t.Service.Migration) > 0 {
		c.DependsOn = []dependency{{ContainerName: migrationContainer, Condition: "SUCCESS"}}
	}
	return c
}

func (t Task) ports() []portMapping {
	port := portMapping{ContainerPort: t.Service.Port, HostPort: t.Service.Port, Protocol: "tcp"}
	switch t.Service.Kind() {
	case config.Worker, config.Scheduled:
		return []portMapping{}
	case config.Internal: // its proxy balances requests, where of TCP it would balance connections
		port.Name, port.AppProtocol = t.Service.Name, "http"
	case config.Public:
	}
	return []portMapping{port}
}

// migration runs in every task before the application does. It is not essential, because an essential container that ends,
// even well, ends its task.
func (t Task) migration() container {
	c := t.base(migrationContainer)
	c.Command = t.Service.Migration
	c.PortMappings = []portMapping{}
	return c
}

// base is what all containers of a task share: the image, who runs it, where it logs, what it knows of its surroundings.
func (t Task) base(name string) container {
	c := container{
		Name:                   name,
		Image:                  t.Image,
		User:                   t.Service.User,
		ReadonlyRootFilesystem: t.Service.ReadOnlyRoot,
		Environment:            t.environment(name == migrationContainer),
		MountPoints:            []mountPoint{},
		VolumesFrom:            []struct{}{},
		SystemControls:         []struct{}{},
		LinuxParameters:        linuxParameters{InitProcessEnabled: true},
		StopTimeout:            t.Service.StopSeconds,
		LogConfiguration: &logConfiguration{LogDriver: "awslogs", Options: map[string]string{
			"awslogs-group":         t.LogGroup,
			"awslogs-region":        t.Region,
			"awslogs-stream-prefix": name,
		}},
	}
	if t.Service.Database {
		c.Secrets = t.Database.secrets(name == migrationContainer)
	}
	for _, name := range slices.Sorted(maps.Keys(t.Secrets)) {
		c.Secrets = append(c.Secrets, secret{Name: name, ValueFrom: t.Secrets[name]})
	}
	slices.SortFunc(c.Secrets, func(a, b secret) int { return cmp.Compare(a.Name, b.Name) })
	if t.ScratchVolumes {
		for _, volume := range scratchNames() {
			c.MountPoints = append(c.MountPoints, mountPoint{SourceVolume: volume, ContainerPath: scratchPaths[volume]})
		}
	}
	return c
}

// environment is what the program tells every service, and what the configuration adds, sorted by name.
func (t Task) environment(migrates bool) []variable {
	values := map[string]string{"REVISION": t.Revision}
	if t.Service.Port != 0 {
		values["HOSTNAME"] = "0.0.0.0" // Fargate sets it to the host's name, and Next.js would listen there alone
		values["PORT"] = strconv.Itoa(t.Service.Port)
		// Longer than that of whoever calls it, or requests come into connections that just closed.
		values["KEEP_ALIVE_SECONDS"] = strconv.Itoa(t.IdleSeconds + keepAliveMargin)
	}
	maps.Copy(values, t.Addresses)
	if t.Service.Database {
		maps.Copy(values, t.Database.variables(migrates))
	}
	maps.Copy(values, t.Service.Environment)
	variables := make([]variable, 0, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		variables = append(variables, variable{Name: name, Value: values[name]})
	}
	return variables
}
