package e2e

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"gopkg.in/yaml.v3"

	"slipway/local/awsapi"
)

// apiKey is the value of an application secret; it must reach the container that names it, and nothing else.
const apiKey = "sk-e2e-8d1f0c5a"

// options are the statements of what TestOptions switches on.
var options = []string{"Scaling", "ScalingAlarms", "ScalingLook", "ScalingRole", "ScalingTags", "Secrets", "SecretsKey"}

// TestOptions switches on, in a stack of staging's shape, what makes a service follow its load, sleep by the clock, run on spare
// capacity and get a secret: what is declared is there by the API, a number of tasks that something else has set survives an up and
// a release, and a sleeping stack is released all the same. Then it switches all off again, and nothing of it is left.
func TestOptions(t *testing.T) {
	t.Parallel()
	c := clone(t)
	c.adapt(t, "staging", throwAway(map[string]any{"slipway:secretsRecoveryDays": 0}))
	off := c.read(t, "Pulumi.staging.yaml")
	c.commit(t)
	c.local(t, "up", "staging")
	before := c.secretNames(t)

	c.switchOn(t)
	c.commit(t)
	c.local(t, "preview", "staging")
	refused := c.refused(t, "up", "staging")
	c.says(t, refused, "services.backend: secret api has no value", "make secret STACK=staging SECRET=api")
	c.setSecret(t, "api", apiKey)
	on := c.local(t, "up", "staging")
	if strings.Contains(on, "aws:ecs:Service backend replac") {
		t.Errorf("a service was replaced:\n%s", on)
	}
	c.checkScaling(t, map[string]string{"backend": "1-3 cpu memory requests sleep wake", "frontend": "1-1 sleep wake"})
	if got := c.spread(t); got != "FARGATE 1/50 FARGATE_SPOT 0/50" {
		t.Errorf("the backend runs on %s", got)
	}
	c.checkSecret(t, on)
	if again := c.local(t, "up", "staging"); len(changes(again)) > 0 {
		t.Errorf("the stack had not converged:\n%s", again)
	}
	c.checkCounts(t)
	c.checkAsleep(t)

	documents := documents(t, c.state(t), "staging", "deploy", "preview")
	if err := os.WriteFile(filepath.Join(c.dir, "Pulumi.staging.yaml"), []byte(off), 0o600); err != nil {
		t.Fatal(err)
	}
	c.commit(t)
	c.local(t, "up", "staging")
	c.checkScaling(t, map[string]string{})
	if got := c.spread(t); got != "FARGATE 0/1" {
		t.Errorf("the backend runs on %s", got)
	}
	if got := c.desired(t, "backend"); got != 1 {
		t.Errorf("the backend has %d tasks after it has ceased to scale, want 1", got)
	}
	if got := c.secretNames(t); !slices.Equal(got, before) {
		t.Errorf("there are the secrets %v, want %v", got, before)
	}
	if again := c.local(t, "up", "staging"); len(changes(again)) > 0 {
		t.Errorf("the stack had not converged without options:\n%s", again)
	}
	c.endWithin(t, documents, options...)
}

// switchOn lays the options over staging's values.
func (c checkout) switchOn(t *testing.T) {
	t.Helper()
	var whole map[string]any
	if err := yaml.Unmarshal([]byte(c.read(t, "Pulumi.staging.yaml")), &whole); err != nil {
		t.Fatal(err)
	}
	config := whole["config"].(map[string]any)
	maps.Copy(config, map[string]any{
		// Neither comes while the test runs: the first of January of a year far away.
		"slipway:clusterSleepSchedule": "cron(0 20 1 1 ? 2190)", "slipway:clusterWakeSchedule": "cron(0 6 1 1 ? 2191)",
	})
	backend := config["slipway:serviceOverrides"].(map[string]any)["backend"].(map[string]any)
	maps.Copy(backend, map[string]any{
		"maxCount": 3, "scaleMemoryPercent": 70, "scaleRequests": 600, "spotPercent": 50, "secrets": map[string]any{"API_KEY": "api"},
	})
	content, err := yaml.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	c.write(t, "Pulumi.staging.yaml", string(content))
}

// setSecret gives a secret of staging a value, as `make secret` does.
func (c checkout) setSecret(t *testing.T, name, value string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), c.bin, "secret", name, "staging")
	command.Dir, command.Stdin = c.dir, strings.NewReader(value+"\n")
	out, err := command.CombinedOutput()
	if err != nil || strings.Contains(string(out), value) {
		t.Fatalf("set secret %s: %v\n%s", name, err, out)
	}
}

// checkScaling holds what Application Auto Scaling has: by service its bounds, and the names of its policies and actions.
func (c checkout) checkScaling(t *testing.T, want map[string]string) {
	t.Helper()
	state := c.state(t)
	ask := func(operation string, into any) {
		call(t, state, "application-autoscaling", "AnyScaleFrontendService."+operation, map[string]any{"ServiceNamespace": "ecs"}, into)
	}
	var targets struct {
		ScalableTargets []struct {
			ResourceID               string `json:"ResourceId"`
			MinCapacity, MaxCapacity int
		}
	}
	var tracking struct {
		ScalingPolicies []struct {
			ResourceID string `json:"ResourceId"`
			PolicyName string
		}
	}
	var scheduled struct {
		ScheduledActions []struct {
			ResourceID          string `json:"ResourceId"`
			ScheduledActionName string
		}
	}
	ask("DescribeScalableTargets", &targets)
	ask("DescribeScalingPolicies", &tracking)
	ask("DescribeScheduledActions", &scheduled)
	names := map[string][]string{}
	for _, p := range tracking.ScalingPolicies {
		names[p.ResourceID] = append(names[p.ResourceID], p.PolicyName)
	}
	for _, a := range scheduled.ScheduledActions {
		names[a.ResourceID] = append(names[a.ResourceID], a.ScheduledActionName)
	}
	got := map[string]string{}
	for _, target := range targets.ScalableTargets {
		all := names[target.ResourceID]
		slices.Sort(all)
		delete(names, target.ResourceID)
		bounds := fmt.Sprintf("%d-%d ", target.MinCapacity, target.MaxCapacity)
		got[strings.TrimPrefix(target.ResourceID, "service/myapp-staging/")] = bounds + strings.Join(all, " ")
	}
	if !maps.Equal(got, want) || len(names) > 0 {
		t.Errorf("what scales is %v, want %v; of nothing that scales are %v", got, want, names)
	}
}

// staging is a service of the stack as ECS shows it.
func (c checkout) staging(t *testing.T, service string) ecstypes.Service {
	t.Helper()
	found, err := ecs.NewFromConfig(awsapi.Config(c.state(t).Endpoint)).DescribeServices(t.Context(),
		&ecs.DescribeServicesInput{Cluster: aws.String("myapp-staging"), Services: []string{service}})
	if err != nil || len(found.Services) != 1 {
		t.Fatalf("ECS shows %v, %v", found, err)
	}
	return found.Services[0]
}

func (c checkout) desired(t *testing.T, service string) int32 {
	t.Helper()
	return c.staging(t, service).DesiredCount
}

// resize sets a number of tasks as Application Auto Scaling would.
func (c checkout) resize(t *testing.T, service string, tasks int32) {
	t.Helper()
	_, err := ecs.NewFromConfig(awsapi.Config(c.state(t).Endpoint)).UpdateService(t.Context(),
		&ecs.UpdateServiceInput{Cluster: aws.String("myapp-staging"), Service: &service, DesiredCount: &tasks})
	if err != nil {
		t.Fatal(err)
	}
}

// spread is what the backend runs on: providers with their base and weight.
func (c checkout) spread(t *testing.T) string {
	t.Helper()
	service := c.staging(t, "backend")
	if service.LaunchType != "" {
		t.Errorf("it has the launch type %s besides", service.LaunchType)
	}
	var items []string
	for _, item := range service.CapacityProviderStrategy {
		items = append(items, fmt.Sprintf("%s %d/%d", aws.ToString(item.CapacityProvider), item.Base, item.Weight))
	}
	slices.Sort(items)
	return strings.Join(items, " ")
}

// checkCounts holds that a number of tasks which scaling has set survives an up and a release.
func (c checkout) checkCounts(t *testing.T) {
	t.Helper()
	c.resize(t, "backend", 2)
	if again := c.local(t, "up", "staging"); len(changes(again)) > 0 {
		t.Errorf("an up after scaling changed something:\n%s", again)
	}
	if got := c.desired(t, "backend"); got != 2 {
		t.Errorf("an up has set the backend to %d tasks", got)
	}
	c.change(t, "backend/app/__init__.py", "\"\"\"Scaled.\"\"\"\n")
	c.local(t, "up", "staging")
	if service := c.staging(t, "backend"); service.DesiredCount != 2 || service.RunningCount != 2 {
		t.Errorf("after a release %d of %d tasks run, want 2", service.RunningCount, service.DesiredCount)
	}
}

// checkAsleep holds that a stack which sleeps has not drifted, and that a release of it wakes it, is judged by tasks that run, and leaves
// the night's bounds to the clock.
func (c checkout) checkAsleep(t *testing.T) {
	t.Helper()
	for _, service := range []string{"backend", "frontend"} {
		var none struct{}
		call(t, c.state(t), "application-autoscaling", "AnyScaleFrontendService.RegisterScalableTarget", map[string]any{
			"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount", "ResourceId": "service/myapp-staging/" + service,
			"MinCapacity": 0, "MaxCapacity": 0,
		}, &none)
		c.resize(t, service, 0)
	}
	c.checkNoDrift(t)
	c.change(t, "backend/app/__init__.py", "\"\"\"At night.\"\"\"\n")
	night := c.local(t, "up", "staging")
	if strings.Contains(night, "appautoscaling") {
		t.Errorf("an up at night touched the bounds:\n%s", night)
	}
	for _, service := range []string{"backend", "frontend"} {
		if s := c.staging(t, service); s.DesiredCount != 1 || s.RunningCount != 1 {
			t.Errorf("after a release at night %d of %d tasks of %s run, want 1", s.RunningCount, s.DesiredCount, service)
		}
	}
	c.answers(t, c.outputs(t, "staging").URL+"/api/readyz")
	c.checkScaling(t, map[string]string{"backend": "0-0 cpu memory requests sleep wake", "frontend": "0-0 sleep wake"})
}

// checkNoDrift looks for drift of staging by the command behind `make drift`.
func (c checkout) checkNoDrift(t *testing.T) {
	t.Helper()
	found := run(t, c.dir, "env", "SLIPWAY_PULUMI="+c.bin+" pulumi", "go", "run", "./ops/cmd/slipway", "drift", "--stack", "staging")
	c.says(t, found, "staging: no drift")
}

// secretNames are the names of all secrets that the cloud shows.
func (c checkout) secretNames(t *testing.T) []string {
	t.Helper()
	var list struct{ SecretList []struct{ Name string } }
	call(t, c.state(t), "secretsmanager", "secretsmanager.ListSecrets", map[string]any{}, &list)
	var names []string
	for _, secret := range list.SecretList {
		names = append(names, secret.Name)
	}
	slices.Sort(names)
	return names
}

// checkSecret holds that the value of an application secret has reached the backend's containers, and nothing else: no other
// container, nothing that was printed, and no file of the checkout's, the state among them.
func (c checkout) checkSecret(t *testing.T, printed string) {
	t.Helper()
	given := 0
	for _, id := range strings.Fields(run(t, c.dir, "docker", "ps", "--quiet")) {
		out, err := exec.CommandContext(t.Context(), "docker", "inspect", "--format",
			`{{index .Config.Labels "com.amazonaws.ecs.container-name"}} {{json .Config.Env}} {{json .Config.Cmd}}`, id).Output()
		if err != nil || !strings.Contains(string(out), apiKey) { // one may have ended since
			continue
		}
		given++
		if name, _, _ := strings.Cut(string(out), " "); name != "backend" {
			t.Errorf("container %q has the secret", name)
		}
	}
	if given == 0 {
		t.Error("no container has the secret")
	}
	if strings.Contains(printed, apiKey) {
		t.Error("the secret's value was printed")
	}
	err := filepath.WalkDir(filepath.Join(c.dir, ".slipway"), func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(name)
		if strings.Contains(string(content), apiKey) {
			t.Errorf("the secret's value stands in %s", name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
