package e2e

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"slipway/local/awsapi"
)

// TestStagingAndProduction converges both stacks of AWS in one embedded account, with their own values: staging owns what
// an account has once and builds; production takes both, and runs the very images of staging with no build. Neither can be
// destroyed by a slip. Then both build one commit at once.
//
// Production names the registry's account, as where it has one of its own, and staging shares its repositories with another: the
// embedded cloud has one account, so the calls are those of a promotion between two, and they are held against the policies of both.
func TestStagingAndProduction(t *testing.T) {
	c := clone(t)
	const another = "210987654321"
	c.adapt(t, "staging", map[string]any{"slipway:registryAccounts": []string{another}})
	released := c.commit(t)
	staging := c.local(t, "up", "staging")
	if !strings.Contains(staging, "docker:index:Image") {
		t.Errorf("staging built nothing:\n%s", staging)
	}
	c.adapt(t, "production", nil)
	never := c.commit(t)
	refusal := c.refused(t, "up", "production")
	for _, want := range []string{
		"release " + never + " has not run well in production or staging", "hold no image tagged staging." + never,
		"git checkout " + never + " && make up STACK=staging",
	} {
		if !strings.Contains(refusal, want) {
			t.Errorf("the refusal of what staging never ran does not say %q:\n%s", want, refusal)
		}
	}
	c.adapt(t, "production", map[string]any{"slipway:revision": released, "slipway:registryAccount": awsapi.Account})
	c.commit(t)
	before := len(c.record(t))
	production := c.local(t, "up", "production")
	c.acrossAccounts(t, c.record(t)[before:], another)
	for _, taken := range []string{"docker:index:Image", "aws:ecr:Repository", "aws:iam:OpenIdConnectProvider"} {
		if strings.Contains(production, taken) {
			t.Errorf("production has a %s of its own:\n%s", taken, production)
		}
	}
	one, two := c.outputs(t, "staging"), c.outputs(t, "production")
	if one.Revision != released || two.Revision != released || len(one.Images) != 2 || !maps.Equal(one.Images, two.Images) {
		t.Errorf("staging runs %s %v, production %s %v", one.Revision, one.Images, two.Revision, two.Images)
	}
	if one.Cluster == two.Cluster || one.DatabaseEndpoint == two.DatabaseEndpoint || one.DeployRoleArn == two.DeployRoleArn {
		t.Errorf("the stacks share more than they should: %+v, %+v", one, two)
	}
	if strings.Contains(production, `\u00`) {
		t.Errorf("what is printed cannot be copied into a shell:\n%s", production)
	}
	for _, stack := range []string{"staging", "production"} {
		commands := c.outputs(t, stack).Commands["backend"]
		for name, want := range map[string]string{
			"logs":       "aws logs tail /slipway/myapp-" + stack + "/backend --follow --region us-east-1",
			"shell":      "aws ecs execute-command --region us-east-1 --cluster myapp-" + stack + " --container backend ",
			"shellFirst": "pulumi config set slipway:revision " + released + " --stack " + stack,
		} {
			if !strings.Contains(commands[name], want) {
				t.Errorf("the command %s of %s is %q, want %q in it", name, stack, commands[name], want)
			}
		}
	}
	if again := c.local(t, "up", "production"); len(changes(again)) > 0 {
		t.Errorf("production had not converged:\n%s", again)
	}
	c.adapt(t, "production", map[string]any{"slipway:revision": ""}) // and so what is checked out, which staging has not run
	c.commit(t)
	c.says(t, c.refused(t, "up", "production"), "has not run well in production or staging")
	if !c.untouched(t, "production") {
		t.Error("a refusal is on record as a run that changed something")
	}
	held := c.inventory(t)
	if log := c.refused(t, "down", "production"); !strings.Contains(log, "protect") {
		t.Errorf("the refusal does not say why:\n%s", log)
	}
	if after := c.inventory(t); strings.Join(held, "\n") != strings.Join(after, "\n") {
		t.Errorf("a refused down took something away: %v, then %v", held, after)
	}
	c.race(t)
}

type outputs struct {
	Cluster, Revision, DatabaseEndpoint, DeployRoleArn, URL string
	Images                                                  map[string]string
	Commands                                                map[string]map[string]string
}

// outputs reads what the command of that name prints: a heading, then a line or more for each output.
func (c checkout) outputs(t *testing.T, stack string) outputs {
	t.Helper()
	_, listing, _ := strings.Cut(c.local(t, "outputs", stack), "Outputs:\n")
	var read map[string]any
	if err := yaml.Unmarshal([]byte(listing), &read); err != nil { // JSON values below plain names are YAML
		t.Fatalf("%v:\n%s", err, listing)
	}
	encoded, err := json.Marshal(read)
	if err != nil {
		t.Fatal(err)
	}
	var found outputs
	if err := json.Unmarshal(encoded, &found); err != nil {
		t.Fatal(err)
	}
	return found
}

// throwAway are the values of a stack that goes at the end of a test with nothing left of it, and what else it shall have.
func throwAway(more map[string]any) map[string]any {
	values := map[string]any{
		"slipway:databaseProtected": false, "slipway:databaseFinalSnapshot": false, "slipway:databaseBackupDays": 0,
		"slipway:registryForceDelete": true, "slipway:clusterRetainTaskDefinitions": false,
	}
	maps.Copy(values, more)
	return values
}

// adapt changes a stack's values where this machine is neither a GitHub runner nor AWS, as Pulumi.local.yaml does: base images,
// the platform and network of builds, the database's certificate, the time to drain, and the salt, which the CLI would otherwise write. It
// adds values.
func (c checkout) adapt(t *testing.T, stack string, values map[string]any) {
	t.Helper()
	read := func(name string) (whole, config map[string]any) {
		t.Helper()
		content, err := os.ReadFile(filepath.Join(c.dir, name))
		if err == nil {
			err = yaml.Unmarshal(content, &whole)
		}
		if err != nil {
			t.Fatal(err)
		}
		config, ok := whole["config"].(map[string]any)
		if !ok {
			t.Fatalf("%s has no config", name)
		}
		return whole, config
	}
	local, localConfig := read("Pulumi.local.yaml")
	whole, config := read("Pulumi." + stack + ".yaml")
	whole["encryptionsalt"] = local["encryptionsalt"]
	for _, key := range []string{"slipway:imagesBuildNetwork", "slipway:imagesPlatform", "slipway:databaseTls", "slipway:edgeDeregistrationSeconds"} {
		config[key] = localConfig[key]
	}
	overrides, _ := config["slipway:serviceOverrides"].(map[string]any)
	merged := map[string]any{}
	for service, row := range localConfig["slipway:serviceOverrides"].(map[string]any) {
		own, _ := overrides[service].(map[string]any)
		changed := map[string]any{"buildArgs": row.(map[string]any)["buildArgs"]}
		maps.Copy(changed, own)
		merged[service] = changed
	}
	config["slipway:serviceOverrides"] = merged
	maps.Copy(config, values)
	content, err := yaml.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.dir, "Pulumi."+stack+".yaml"), content, 0o600); err != nil {
		t.Fatal(err)
	}
}
