package workload_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"slipway/infra/config"
	"slipway/infra/workload"
)

var row = config.Service{
	Name: "backend", Port: 8000, User: "10001:10001", ReadOnlyRoot: true, HealthCommand: []string{"check"},
	HealthGraceSeconds: 60, StopSeconds: 30, Environment: map[string]string{"Z": "1", "A": "2"},
}

func task(change func(*workload.Task)) workload.Task {
	t := workload.Task{Service: row, Image: "host/myapp/backend@sha256:1", Revision: "abc", Region: "eu-west-1", LogGroup: "/slipway/x/backend", IdleSeconds: 60}
	change(&t)
	return t
}

// definition is what the tests read of a container.
type definition struct {
	Name, User   string
	Essential    bool
	Command      []string
	Environment  []struct{ Name, Value string }
	Secrets      []struct{ Name, ValueFrom string }
	DependsOn    []struct{ ContainerName, Condition string }
	MountPoints  []struct{ ContainerPath string }
	PortMappings []struct{ ContainerPort, HostPort int }
	HealthCheck  *struct{ StartPeriod int }
}

func render(t *testing.T, task workload.Task) ([]definition, string) {
	t.Helper()
	text, err := workload.ContainerDefinitions(task)
	if err != nil {
		t.Fatal(err)
	}
	var containers []definition
	if err := json.Unmarshal([]byte(text), &containers); err != nil {
		t.Fatal(err)
	}
	return containers, text
}

// TestNormalForm holds what AWS would else normalize, and a next run would see as a change.
func TestNormalForm(t *testing.T) {
	containers, text := render(t, task(func(*workload.Task) {}))
	if strings.Contains(text, "null") {
		t.Errorf("a list is null: %s", text)
	}
	c := containers[0]
	var names []string
	for _, v := range c.Environment {
		names = append(names, v.Name)
	}
	if !slices.IsSorted(names) || !slices.Contains(names, "A") || !slices.Contains(names, "REVISION") {
		t.Errorf("variables %v", names)
	}
	if !strings.Contains(text, `{"name":"KEEP_ALIVE_SECONDS","value":"75"}`) {
		t.Errorf("connections are not kept longer than the load balancer's 60 seconds: %s", text)
	}
	if c.PortMappings[0].HostPort != c.PortMappings[0].ContainerPort {
		t.Error("no host port, which AWS fills in")
	}
	if c.HealthCheck.StartPeriod != 60 || !c.Essential {
		t.Errorf("got %+v", c)
	}
}

func TestMigration(t *testing.T) {
	containers, _ := render(t, task(func(t *workload.Task) { t.Service.Migration = []string{"alembic", "upgrade", "head"} }))
	if len(containers) != 2 || containers[0].Name != "backend" || containers[1].Name != "migrate" {
		t.Fatalf("got %+v", containers)
	}
	main, migrate := containers[0], containers[1]
	if len(main.DependsOn) != 1 || main.DependsOn[0].ContainerName != "migrate" || main.DependsOn[0].Condition != "SUCCESS" {
		t.Error("the application does not wait for the schema")
	}
	if migrate.Essential || migrate.HealthCheck != nil || len(migrate.PortMappings) > 0 || migrate.Command[0] != "alembic" {
		t.Errorf("got %+v", migrate)
	}
	if migrate.User != row.User {
		t.Error("the migration runs as another user")
	}
}

func TestDatabase(t *testing.T) {
	containers, text := render(t, task(func(t *workload.Task) {
		t.Service.Database = true
		t.Database = workload.DatabaseAccess{Host: "db", Name: "app", Port: 5432, SecretARN: "arn:secret", TLSMode: "verify-full"}
	}))
	for _, secret := range containers[0].Secrets {
		if !strings.HasPrefix(secret.ValueFrom, "arn:secret:") {
			t.Errorf("%s comes from %s", secret.Name, secret.ValueFrom)
		}
	}
	if len(containers[0].Secrets) != 2 || !strings.Contains(text, `{"name":"DATABASE_SSLMODE","value":"verify-full"}`) {
		t.Error(text)
	}
	without, _ := render(t, task(func(*workload.Task) {}))
	for _, v := range without[0].Environment {
		if strings.HasPrefix(v.Name, "DATABASE_") {
			t.Errorf("a service without a database is told %s", v.Name)
		}
	}
}

// TestAppUser holds who learns of which login: the migration of the master's, and of where to write the other; the application of
// where that is, and no more.
func TestAppUser(t *testing.T) {
	containers, text := render(t, task(func(t *workload.Task) {
		t.Service.Database, t.Service.Migration = true, []string{"alembic", "upgrade", "head"}
		t.Database = workload.DatabaseAccess{
			Host: "db", Name: "app", Port: 5432, SecretARN: "arn:master", TLSMode: "verify-full",
			App: workload.AppUser{Name: "client", SecretARN: "arn:client", RotateHours: 24},
		}
	}))
	told := func(d definition) map[string]string {
		values := map[string]string{}
		for _, v := range d.Environment {
			values[v.Name] = v.Value
		}
		for _, s := range d.Secrets {
			values[s.Name] = s.ValueFrom
		}
		return values
	}
	app, migration := told(containers[0]), told(containers[1])
	if app["DATABASE_SECRET_ARN"] != "arn:client" || app["DATABASE_HOST"] != "db" || len(containers[0].Secrets) > 0 {
		t.Errorf("the application is told %v", app)
	}
	for name, value := range app {
		if strings.Contains(value, "arn:master") {
			t.Errorf("the application is told of the master's login by %s", name)
		}
	}
	want := map[string]string{
		"DATABASE_USER": "arn:master:username::", "DATABASE_PASSWORD": "arn:master:password::", "DATABASE_SECRET_ARN": "",
		"DATABASE_APP_USER": "client", "DATABASE_APP_SECRET_ARN": "arn:client", "DATABASE_APP_ROTATE_HOURS": "24",
	}
	for name, value := range want {
		if migration[name] != value {
			t.Errorf("the migration is told %s as %q, want %q: %s", name, migration[name], value, text)
		}
	}
	alone, _ := render(t, task(func(t *workload.Task) {
		t.Service.Database = true
		t.Database = workload.DatabaseAccess{SecretARN: "arn:master", App: workload.AppUser{Name: "client", SecretARN: "arn:client"}}
	}))
	if got := told(alone[0]); got["DATABASE_SECRET_ARN"] != "arn:client" || len(alone[0].Secrets) > 0 {
		t.Errorf("a service without a migration is told %v", got)
	}
}

// TestLimits holds what ECS caps: a start period of more than 300 seconds is refused.
func TestLimits(t *testing.T) {
	containers, _ := render(t, task(func(t *workload.Task) { t.Service.HealthGraceSeconds = 7200 }))
	if got := containers[0].HealthCheck.StartPeriod; got != 300 {
		t.Errorf("a start period of %d", got)
	}
}

func TestExecScratch(t *testing.T) {
	containers, _ := render(t, task(func(t *workload.Task) { t.ScratchVolumes = true }))
	if len(containers[0].MountPoints) != 2 {
		t.Errorf("mounts %+v", containers[0].MountPoints)
	}
}

// TestKinds holds what containers of each kind of row have to do with ports: a worker and a scheduled task have none, nor the variables
// that are for a server, and an internal service names its own.
func TestKinds(t *testing.T) {
	for name, c := range map[string]struct {
		change    func(*config.Service)
		ports     string
		variables []string
	}{
		"public": {
			func(s *config.Service) { s.Paths = []string{"/api/*"} },
			`"portMappings":[{"containerPort":8000,"hostPort":8000,"protocol":"tcp"}]`,
			[]string{"A", "HOSTNAME", "INNER_URL", "KEEP_ALIVE_SECONDS", "PORT", "REVISION", "Z"},
		},
		"internal": {
			func(s *config.Service) { s.Internal = true },
			`"portMappings":[{"containerPort":8000,"hostPort":8000,"protocol":"tcp","name":"backend","appProtocol":"http"}]`,
			[]string{"A", "HOSTNAME", "INNER_URL", "KEEP_ALIVE_SECONDS", "PORT", "REVISION", "Z"},
		},
		"worker": {
			func(s *config.Service) { s.Port, s.HealthCommand = 0, nil },
			`"portMappings":[]`,
			[]string{"A", "INNER_URL", "REVISION", "Z"},
		},
		"scheduled": {
			func(s *config.Service) { s.Port, s.HealthCommand, s.Schedule = 0, nil, "rate(1 hour)" },
			`"portMappings":[]`,
			[]string{"A", "INNER_URL", "REVISION", "Z"},
		},
	} {
		containers, text := render(t, task(func(task *workload.Task) {
			c.change(&task.Service)
			task.Addresses = map[string]string{"INNER_URL": "http://inner:8001"}
		}))
		var names []string
		for _, v := range containers[0].Environment {
			names = append(names, v.Name)
		}
		if !slices.Equal(names, c.variables) || !strings.Contains(text, c.ports) {
			t.Errorf("%s: variables %v, want %v; ports %s in\n%s", name, names, c.variables, c.ports, text)
		}
		if checked := containers[0].HealthCheck != nil; checked != (name == "public" || name == "internal") {
			t.Errorf("%s: has a health check: %t", name, checked)
		}
	}
}
