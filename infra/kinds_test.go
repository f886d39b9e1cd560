package infra

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"slipway/infra/goldentest"
	"slipway/infra/infratest"
)

// kinds is a services value with a row of each kind, beside the shipped two.
const kinds = `{
	"frontend": {"default": true, "port": 3000, "healthCommand": ["true"], "calls": ["pricing"]},
	"backend": {"path": ["/api/*"], "port": 8000, "database": true, "migration": ["migrate"], "healthPath": "/api/readyz", "healthCommand": ["true"]},
	"pricing": {"internal": true, "port": 8001, "healthCommand": ["true"]},
	"mail-queue": {"database": true, "calls": ["pricing"], "after": ["backend"]},
	"report": {"schedule": "cron(15 3 * * ? *)", "scheduleTimeZone": "Europe/Berlin", "database": true},
	"sweep": {"schedule": "rate(1 hour)", "count": 0}
}`

// declareKinds runs the program as staging with a row of each kind before a court.
func declareKinds(t *testing.T, b *bench, services string) ([]infratest.Resource, error) {
	t.Helper()
	settings := infratest.Settings(t, top, "staging")
	settings["slipway:services"], settings["slipway:serviceOverrides"] = services, "{}"
	infratest.Docker(t, true)
	infratest.Checkout(t, "frontend", "backend", "pricing", "mail-queue", "report", "sweep")
	recorder := &infratest.Recorder{}
	err := infratest.Run(t, b.program, "staging", settings, recorder)
	if twice := recorder.Duplicates(); len(twice) > 0 {
		t.Errorf("registered more than once: %v", twice)
	}
	return recorder.Resources(), err
}

// TestKinds holds what rows of each kind declare against a file that a person has read: a worker and a scheduled task have no
// target group and no rule, and who calls what may reach that and nothing else.
func TestKinds(t *testing.T) {
	golden, err := filepath.Abs(filepath.Join("testdata", "kinds.golden"))
	if err != nil {
		t.Fatal(err)
	}
	resources, err := declareKinds(t, &bench{}, kinds)
	if err != nil {
		t.Fatal(err)
	}
	workload := slices.DeleteFunc(resources, func(r infratest.Resource) bool { // the backend is as in staging
		return !strings.HasPrefix(r.Parent, "slipway:workload:") || strings.HasSuffix(r.Parent, " backend") || strings.HasSuffix(r.Parent, " cluster")
	})
	goldentest.Expect(t, golden, infratest.Render(workload))
}

// TestKindsReach lists who may reach whom, and finds none but those that say so.
func TestKindsReach(t *testing.T) {
	resources, err := declareKinds(t, &bench{}, kinds)
	if err != nil {
		t.Fatal(err)
	}
	var ways []string
	for _, rule := range of(t, resources, "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule") {
		if peer := input(rule, "referencedSecurityGroupId"); peer.IsString() {
			ways = append(ways, strings.ReplaceAll(peer.StringValue()+" "+input(rule, "securityGroupId").StringValue(), "SecurityGroup:", ""))
		}
	}
	slices.Sort(ways)
	want := []string{
		"backend database", "edge backend", "edge frontend", "frontend pricing", "mail-queue database", "mail-queue pricing", "report database",
	}
	if !slices.Equal(ways, want) {
		t.Errorf("got %v, want %v", ways, want)
	}
}

// TestKindsRelease holds which rows are judged and how, in which order, and that all images are marked.
func TestKindsRelease(t *testing.T) {
	b := &bench{}
	if _, err := declareKinds(t, b, kinds); err != nil {
		t.Fatal(err)
	}
	judged := map[string]int{}
	for i, service := range b.judged {
		judged[service.Name] = i
		if checked := service.Name != "mail-queue"; service.Checked != checked {
			t.Errorf("%s: something checks its health: %t", service.Name, service.Checked)
		}
		if public := service.Name == "frontend" || service.Name == "backend"; (service.TargetGroup != "") != public {
			t.Errorf("%s has the target group %q", service.Name, service.TargetGroup)
		}
	}
	if got := slices.Sorted(maps.Keys(judged)); !slices.Equal(got, []string{"backend", "frontend", "mail-queue", "pricing"}) {
		t.Errorf("judged %v", got)
	}
	if judged["pricing"] > judged["frontend"] || judged["pricing"] > judged["mail-queue"] || judged["backend"] > judged["mail-queue"] {
		t.Errorf("judged in the order %v", b.judged)
	}
	if len(b.marks) != 6 {
		t.Errorf("marked %v", b.marks)
	}
	sick := &bench{sick: []string{"pricing"}}
	resources, err := declareKinds(t, sick, kinds)
	if err == nil || len(sick.marks) > 0 {
		t.Errorf("got %v, marked %v", err, sick.marks)
	}
	for _, r := range resources {
		if caller := r.Name == "frontend" || r.Name == "mail-queue"; caller && r.Type == "aws:ecs/taskDefinition:TaskDefinition" {
			t.Errorf("%s was declared before what it calls ran well", r.Key())
		}
	}
}

// TestKindsOff holds that what rows share is declared only where one needs it.
func TestKindsOff(t *testing.T) {
	const two = `"frontend": {"default": true, "port": 3000, "healthCommand": ["true"]}, "report": {}`
	resources, err := declareKinds(t, &bench{}, "{"+two+"}")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range resources {
		if strings.HasPrefix(r.Type, "aws:servicediscovery/") || strings.HasPrefix(r.Type, "aws:scheduler/") {
			t.Errorf("%s is declared", r.Key())
		}
	}
}

// TestKindChanges holds that a row that becomes a scheduled task, or is one no more, keeps what both have: in place, or it would meet
// its own names.
func TestKindChanges(t *testing.T) {
	of := func(row string) map[string]bool {
		resources, err := declareKinds(t, &bench{}, `{"frontend": {"default": true, "port": 3000, "healthCommand": ["true"], "database": true, "migration": ["migrate"]}, "report": `+row+`}`)
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]bool{}
		for _, r := range resources {
			if strings.HasSuffix(r.Parent, " report") {
				found[r.Parent+"$"+r.Key()] = true
			}
		}
		return found
	}
	worker, scheduled := of(`{"database": true}`), of(`{"database": true, "schedule": "rate(1 hour)"}`)
	for urn := range worker {
		if !scheduled[urn] && !strings.Contains(urn, "aws:ecs/service:Service") {
			t.Errorf("%s is a worker's alone", urn)
		}
	}
	for urn := range scheduled {
		if !worker[urn] && !strings.Contains(urn, "aws:scheduler/") && !strings.Contains(urn, "report-schedule") {
			t.Errorf("%s is a scheduled task's alone", urn)
		}
	}
}
