package review_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"slipway/infra/goldentest"
	"slipway/ops/cost"
	"slipway/ops/enginejson"
	"slipway/ops/enginejson/enginetest"
	"slipway/ops/review"
)

// top is the repository. It is absolute, since tests move into checkouts of their own.
var top, _ = filepath.Abs("../..")

type object = map[string]any

// previewed is a preview under way: the committed staging stack, of which nothing changes until a test says so.
type previewed struct {
	t     *testing.T
	steps []object
}

func stack(t *testing.T) *previewed {
	t.Helper()
	return previewOf(t, enginetest.Export(t, top, "staging", nil))
}

func previewOf(t *testing.T, exported []byte) *previewed {
	t.Helper()
	var export struct{ Deployment struct{ Resources []object } }
	if err := json.Unmarshal(exported, &export); err != nil {
		t.Fatal(err)
	}
	p := &previewed{t: t}
	const plugin = "urn:pulumi:staging::slipway::pulumi:providers:aws::default_6_83_2"
	export.Deployment.Resources = append(export.Deployment.Resources,
		object{"urn": plugin, "type": "pulumi:providers:aws", "custom": true, "inputs": object{"region": "us-east-1", "version": "6.83.2"}})
	for _, r := range export.Deployment.Resources {
		p.steps = append(p.steps, object{"op": "same", "urn": r["urn"], "oldState": r, "newState": clone(r)})
	}
	return p
}

// step finds the step of a resource by the end of its URN, such as aws:rds/instance:Instance::database.
func (p *previewed) step(end string) object {
	p.t.Helper()
	for _, step := range p.steps {
		if strings.HasSuffix(step["urn"].(string), end) {
			return step
		}
	}
	p.t.Fatalf("no resource's URN ends with %s", end)
	return nil
}

func (p *previewed) set(end, op string, inputs object) object {
	p.t.Helper()
	step := p.step(end)
	step["op"] = op
	reasons, diff := []any{}, object{}
	for input := range inputs {
		reasons = append(reasons, input)
		kind := "update"
		if op == "replace" {
			kind = "update-replace"
		}
		diff[input] = object{"kind": kind, "inputDiff": true}
	}
	step["diffReasons"], step["detailedDiff"] = reasons, diff
	if op == "replace" {
		step["replaceReasons"] = reasons
	}
	state := step["newState"].(object)
	maps.Copy(state["inputs"].(object), inputs)
	return step
}

func (p *previewed) delete(end string) object {
	p.t.Helper()
	step := p.step(end)
	step["op"] = "delete"
	delete(step, "newState")
	return step
}

func (p *previewed) add(token, name string, inputs object) {
	urn := "urn:pulumi:staging::slipway::" + token + "::" + name
	p.steps = append(p.steps, object{"op": "create", "urn": urn, "newState": object{"urn": urn, "type": token, "custom": true, "inputs": inputs}})
}

// print is the preview as the CLI prints it.
func (p *previewed) print() *enginejson.Preview {
	p.t.Helper()
	counts := map[string]int{}
	for _, step := range p.steps {
		counts[step["op"].(string)]++
	}
	text, err := json.MarshalIndent(object{
		"config": object{"aws:region": "us-east-1"}, "steps": p.steps, "duration": 1, "changeSummary": counts,
	}, "", "    ")
	if err != nil {
		p.t.Fatal(err)
	}
	preview, err := enginejson.ReadPreview(strings.NewReader(string(text)))
	if err != nil {
		p.t.Fatal(err)
	}
	return preview
}

func clone(r object) object {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	var copied object
	if err := json.Unmarshal(text, &copied); err != nil {
		panic(err)
	}
	return copied
}

func comment(t *testing.T, p *enginejson.Preview) string {
	t.Helper()
	prices, err := cost.Prices()
	if err != nil {
		t.Fatal(err)
	}
	text, err := review.Comment(p, review.Options{Stack: "staging", Prices: prices})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(text, review.Marker("staging")+"\n") {
		t.Errorf("the comment does not begin with its marker: %.80s", text)
	}
	return text
}

const (
	database = "aws:rds/instance:Instance::database"
	backend  = "aws:ecs/service:Service::backend"
	later    = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
)

// TestComments holds whole comments. Read them before you update them.
func TestComments(t *testing.T) {
	for name, change := range map[string]func(p *previewed){
		"nothing": func(*previewed) {},
		"release": func(p *previewed) {
			p.set("TaskDefinition::backend", "replace", object{"containerDefinitions": "[]"})
			p.set(backend, "update", object{"taskDefinition": later})
			p.delete("Image::backend-fd1aed95c03ca212dfeb4471b1736df708dcb415")
			p.add("docker:index/image:Image", "backend-0123456789012345678901234567890123456789", object{})
		},
		"disaster": func(p *previewed) {
			p.set("SubnetGroup::database", "replace", object{"name": "other"})
			p.set(database, "replace", object{"dbSubnetGroupName": later, "storageEncrypted": false})
			p.delete("aws:ecr/repository:Repository::myapp/backend")
			p.set("LoadBalancer::edge", "replace", object{"internal": true})
			p.set("LogGroup::backend", "update", object{"retentionInDays": 7})
		},
		"bigger": func(p *previewed) {
			p.set(database, "update", object{"instanceClass": "db.t4g.small", "multiAz": true, "deletionProtection": false})["newState"].(object)["protect"] = false
			p.set(backend, "update", object{"desiredCount": 3})
			p.add("aws:ec2/natGateway:NatGateway", "network-nat-2", object{})
			p.add("aws:elasticache/cluster:Cluster", "cache", object{})
		},
	} {
		p := stack(t)
		change(p)
		goldentest.Expect(t, filepath.Join(top, "ops", "review", "testdata", name+".md"), comment(t, p.print()))
	}
}

// TestFindings holds for one change at a time what it counts as.
func TestFindings(t *testing.T) {
	for name, test := range map[string]struct {
		change                      func(p *previewed)
		loss, weakened, interrupted string // what it means begins with this, if there is to be one
		because                     string // of the first finding, joined
	}{
		"a database in a new subnet group": {
			change: func(p *previewed) { p.set(database, "replace", object{"dbSubnetGroupName": "other"}) },
			loss:   "holds the database", because: "dbSubnetGroupName",
		},
		"a database with another encryption, by the detailed difference alone": {
			change: func(p *previewed) {
				delete(p.set(database, "replace", object{"storageEncrypted": false}), "replaceReasons")
			},
			loss: "holds the database", because: "storageEncrypted: true → false",
		},
		"a repository that is deleted": {
			change: func(p *previewed) { p.delete("Repository::myapp/backend") }, loss: "holds the images",
		},
		"a log group that is kept in the account": {
			change: func(p *previewed) {
				p.delete("LogGroup::backend")["oldState"].(object)["retainOnDelete"] = true
			},
			loss: "holds logs, which go with it; it stays in the account",
		},
		"an image that is kept": {change: func(p *previewed) { p.delete("Image::backend-fd1aed95c03ca212dfeb4471b1736df708dcb415") }},
		"a bigger database": {
			change:      func(p *previewed) { p.set(database, "update", object{"instanceClass": "db.t4g.small"}) },
			interrupted: "the database restarts in its maintenance window", because: "instanceClass: db.t4g.micro → db.t4g.small",
		},
		"a newer database, at once": {
			change: func(p *previewed) {
				p.set(database, "update", object{"engineVersion": "18", "applyImmediately": true})
			},
			interrupted: "the database restarts at once", because: "engineVersion: 17 → 18",
		},
		"more storage": {change: func(p *previewed) { p.set(database, "update", object{"allocatedStorage": 50}) }},
		"backups for less long": {
			change:   func(p *previewed) { p.set(database, "update", object{"backupRetentionPeriod": 0}) },
			weakened: "older automatic backups", because: "backupRetentionPeriod: 7 → 0",
		},
		"storage that no longer grows": {
			change: func(p *previewed) {
				p.set(database, "update", object{})["oldState"].(object)["inputs"].(object)["maxAllocatedStorage"] = 100
			},
			weakened: "the storage no longer grows", because: "maxAllocatedStorage: 100 → unset",
		},
		"a snapshot for a database that stands": {
			change: func(p *previewed) { p.set(database, "replace", object{"snapshotIdentifier": "other"}) },
			loss:   "holds the database; its automatic backups go with it; a snapshot makes a new database", because: "snapshotIdentifier",
		},
		"no more protection by Pulumi alone": {
			change:   func(p *previewed) { p.step(database)["newState"].(object)["protect"] = false },
			weakened: "Pulumi no longer refuses",
		},
		"a repository that may be deleted with its images": {
			change:   func(p *previewed) { p.set("Repository::myapp/backend", "update", object{"forceDelete": true}) },
			weakened: "a deletion also deletes the images", because: "forceDelete: false → true",
		},
		"a service that is made again": {
			change:      func(p *previewed) { p.set(backend, "replace", object{"launchType": "EC2"}) },
			interrupted: "all its tasks end", because: "launchType",
		},
		"a way out that goes": {
			change: func(p *previewed) { p.delete("NatGateway::network-nat-1") }, interrupted: "tasks cannot reach the internet",
		},
		"a release": {change: func(p *previewed) {
			p.set("TaskDefinition::backend", "replace", object{"containerDefinitions": "[]"})
			p.set(backend, "update", object{"taskDefinition": later})
		}},
		"something new": {change: func(p *previewed) { p.add("aws:s3/bucketV2:BucketV2", "logs", object{}) }},
		"another plugin": {change: func(p *previewed) {
			p.set("pulumi:providers:aws::default_6_83_2", "replace", object{"version": "6.84.0"})
		}},
	} {
		p := stack(t)
		test.change(p)
		f := review.Read(p.print())
		check := func(what string, got []review.Finding, want string) {
			switch {
			case want == "" && len(got) > 0:
				t.Errorf("%s: %s: %+v", name, what, got)
			case want != "" && (len(got) != 1 || !strings.HasPrefix(got[0].Why, want)):
				t.Errorf("%s: %s is %+v, not %q", name, what, got, want)
			case want != "" && strings.Join(got[0].Causes, ", ") != test.because:
				t.Errorf("%s: because of %q, not %q", name, got[0].Causes, test.because)
			}
		}
		check("loss", f.Losses, test.loss)
		check("weakened", f.Weakened, test.weakened)
		check("interruption", f.Interruptions, test.interrupted)
		if quiet := test.loss+test.weakened+test.interrupted == ""; f.Quiet() != quiet {
			t.Errorf("%s: quiet is %v", name, f.Quiet())
		}
	}
}

// TestThreeSteps holds that a replacement counts once, however the CLI prints it, and a leftover apart from it.
func TestThreeSteps(t *testing.T) {
	p := stack(t)
	replaced := p.set(database, "replace", object{"dbSubnetGroupName": "other"})
	first, last := maps.Clone(replaced), maps.Clone(replaced)
	first["op"], last["op"] = "create-replacement", "delete-replaced"
	delete(last, "newState")
	leftover := clone(replaced["oldState"].(object))
	leftover["delete"] = true
	p.steps = append([]object{first}, append(p.steps, last, object{"op": "delete", "urn": replaced["urn"], "oldState": leftover})...)
	f := review.Read(p.print())
	if len(f.Losses) != 2 || f.Losses[0].Kind != review.Replaced || f.Losses[1].Kind != review.Deleted {
		t.Errorf("%+v", f.Losses)
	}
}

// TestSecrets holds that no value of the preview reaches the comment, but for sizes and the like: wherever a secret stands,
// known to the engine as one or not.
func TestSecrets(t *testing.T) {
	const secret = "hunter2"
	p := stack(t)
	for _, step := range p.steps {
		for _, state := range []string{"oldState", "newState"} {
			r, ok := step[state].(object)
			if !ok {
				continue
			}
			inputs, _ := r["inputs"].(object)
			for input, value := range inputs {
				if _, isText := value.(string); isText {
					inputs[input] = secret + state
				}
			}
			r["outputs"] = object{"everything": secret}
		}
		step["op"] = "update"
		step["diffReasons"] = []any{"engineVersion", "containerDefinitions", "instanceClass", "username"}
		step["detailedDiff"] = object{"tags[\"a\"].b": object{"kind": "update"}, "environment": object{"kind": "add"}}
	}
	preview := p.print()
	preview.Diagnostics = []enginejson.Diagnostic{{Severity: "error", Message: "cannot log in with " + secret}}
	preview.Config = map[string]string{"aws:region": "us-east-1", "slipway:token": secret}
	text := comment(t, preview)
	if i := strings.Index(text, "hunter"); i >= 0 {
		t.Errorf("a secret stands in the comment: …%s…", text[max(0, i-200):min(len(text), i+200)])
	}
	if !strings.Contains(text, "The preview failed with 1 error") {
		t.Errorf("the failure is told first:\n%.300s", text)
	}
}

// TestNames holds that what an author of a pull request calls a resource stays text.
func TestNames(t *testing.T) {
	p := stack(t)
	for _, name := range []string{
		"</code><script>alert(1)</script>", "@org/team `code` **bold**", "[link](https://evil.test)", "a | b\n| c | d |\n\n# heading",
		"--> <!-- ", "https://evil.test www.evil.test", "![](https://evil.test/x.png)", "<details open>", "#1 GH-1 :tada:", "\u202egnp.exe", "&lt;b&gt;",
	} {
		p.add("aws:lb/listenerRule:ListenerRule", name, object{})
		p.add("aws:rds/instance:Instance", name, object{"instanceClass": name, "allocatedStorage": 20, "storageType": name})
	}
	p.set(database, "replace", object{"tags</code>|\n<img src=x>": "x"})
	text := comment(t, p.print())
	rest := strings.NewReplacer("<code>", "", "</code>", "", "<details><summary>", "", "</summary>", "", "</details>", "", "<sub>", "", "</sub>", "").
		Replace(strings.TrimPrefix(text, review.Marker("staging")))
	for _, bad := range []string{"<", ">", "@", "`", "[", "://", "www.", ":tada", "\u202e", "&#8238;", "&#10;", "&lt;", "# heading"} {
		if i := strings.Index(rest, bad); i >= 0 {
			t.Errorf("%q stands in the comment: …%s…", bad, rest[max(0, i-60):min(len(rest), i+60)])
		}
	}
	for _, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, "| ") && strings.Count(line, "|") > 6 {
			t.Errorf("a row has more cells than the table: %s", line)
		}
	}
}

// TestLength holds that a comment is short enough for GitHub however much changes, and says what it leaves out.
func TestLength(t *testing.T) {
	p := stack(t)
	for i := range 400 {
		name := fmt.Sprintf("%04d%s", i, strings.Repeat("<|>", 100))
		p.add("aws:rds/instance:Instance", name, object{"instanceClass": "db.t4g.micro", "allocatedStorage": i, "storageType": "gp3"})
		urn := "urn:pulumi:staging::slipway::aws:ecs/service:Service::" + name
		state := object{"urn": urn, "type": "aws:ecs/service:Service", "inputs": object{}, "protect": true}
		p.steps = append(p.steps, object{"op": "replace", "urn": urn, "oldState": state, "newState": object{"urn": urn, "type": "aws:ecs/service:Service", "inputs": object{}}},
			object{"op": "delete", "urn": strings.Replace(urn, "ecs/service:Service", "s3/bucketV2:BucketV2", 1), "oldState": state})
	}
	text := comment(t, p.print())
	if len(text) > 65536 || !strings.Contains(text, "more are left out") || !strings.HasSuffix(text, "</details>\n") {
		t.Errorf("%d bytes, ending with %q", len(text), text[len(text)-100:])
	}
	for _, part := range []string{"### State at stake", "### Service interrupted", "### Cost", "### Everything"} {
		if !strings.Contains(text, part) {
			t.Errorf("%s is missing", part)
		}
	}
}

// TestRegions holds that a region without prices is said to be one, and costs nothing else.
func TestRegions(t *testing.T) {
	p := stack(t).print()
	prices, err := cost.Prices()
	if err != nil {
		t.Fatal(err)
	}
	p.Config["aws:region"] = "eu-west-1"
	text, err := review.Comment(p, review.Options{Stack: "staging", Prices: prices})
	if err != nil || !strings.Contains(text, "no prices of the region <code>eu-west-1</code>") {
		t.Errorf("%v\n%s", err, text)
	}
	if text, err = review.Comment(p, review.Options{Stack: "staging", Region: "us-east-1", Prices: prices}); err != nil || !strings.Contains(text, "stays the same") {
		t.Errorf("the option is stronger: %v\n%s", err, text)
	}
	if text, err = review.Comment(p, review.Options{Stack: "staging"}); err != nil || strings.Contains(text, "### Cost") {
		t.Errorf("without prices: %v\n%s", err, text)
	}
	for _, name := range []string{"", "a b", "x --> y", "a--b", "<b>", strings.Repeat("x", 200)} {
		if _, err := review.Comment(p, review.Options{Stack: name}); err == nil {
			t.Errorf("a stack may be called %q", name)
		}
	}
}
