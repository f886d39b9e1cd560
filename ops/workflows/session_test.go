package workflows_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"slipway/infra/policy/policytest"
	"slipway/ops/locks"
)

// bucketCLI is an AWS CLI of a bucket that holds one lock of a dead run, its claim, and the rest of a state. It notes what each call is by IAM.
type bucketCLI struct {
	files map[string]string
	calls []policytest.Request
}

func (b *bucketCLI) run(_ context.Context, _ []byte, args ...string) ([]byte, error) {
	note := func(action, key string) {
		b.calls = append(b.calls, policytest.Request{Action: action, Resource: "arn:aws:s3:::state" + key})
	}
	switch args[1] {
	case "list-objects-v2":
		note("s3:ListBucket", "")
		var found []string
		for key := range b.files {
			if strings.HasPrefix(key, args[5]) {
				found = append(found, fmt.Sprintf(`{"Key": %q}`, key))
			}
		}
		return []byte(`{"Contents": [` + strings.Join(found, ",") + `]}`), nil
	case "cp":
		key := strings.TrimPrefix(args[3], "s3://state/")
		note("s3:GetObject", "/"+key)
		return []byte(b.files[key]), nil
	case "delete-object":
		note("s3:DeleteObject", "/"+args[5])
		delete(b.files, args[5])
		return nil, nil
	}
	return nil, fmt.Errorf("it has no command %v", args)
}

// TestCleanupSession evaluates the session policy of the cleanup: it allows each call that freeing a lock in a bucket makes, and little besides.
// A state in Pulumi Cloud signs in nowhere.
func TestCleanupSession(t *testing.T) {
	document := sessionPolicy(t)
	state := &bucketCLI{files: map[string]string{
		".pulumi/locks/organization/slipway/staging/1.json": `{"pid": 9, "username": "runner", "hostname": "h", "timestamp": "2026-11-24T12:01:00Z"}`,
		".slipway/claims/slipway/staging/12-1-1.json":       `{"repository": "o/r", "run": 12, "attempt": 1, "host": "h", "started": "2026-11-24T12:00:00Z"}`,
	}}
	ended := time.Date(2026, 11, 24, 12, 20, 0, 0, time.UTC)
	cleaner := locks.Cleaner{
		Backend: locks.Files{Store: locks.Bucket{Name: "state", Run: state.run}},
		Runs: func(context.Context, locks.Claim) (locks.State, error) {
			return locks.State{Completed: true, At: ended}, nil
		},
		Now: func() time.Time { return ended.Add(time.Hour) }, Out: t.Output(),
	}
	if err := cleaner.Free(t.Context(), locks.Stack{Project: "slipway", Name: "staging"}); err != nil || len(state.files) > 0 {
		t.Fatalf("%v; left are %v", err, state.files)
	}
	hold(t, document, true, append(state.calls, decrypt("s3.us-east-1.amazonaws.com"))...)
	hold(t, document, false,
		policytest.Request{Action: "s3:PutObject", Resource: "arn:aws:s3:::state/.pulumi/locks/organization/slipway/staging/1.json"},
		policytest.Request{Action: "s3:DeleteObject", Resource: "arn:aws:s3:::state/.pulumi/locks/organization/slipway/production/1.json"},
		policytest.Request{Action: "s3:DeleteObject", Resource: "arn:aws:s3:::state/.pulumi/stacks/slipway/staging.json"},
		policytest.Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::state/.pulumi/stacks/slipway/staging.json"},
		policytest.Request{Action: "ecs:UpdateService", Resource: "arn:aws:ecs:us-east-1:123456789012:service/myapp-staging/backend"},
		policytest.Request{Action: "iam:CreateRole", Resource: "arn:aws:iam::123456789012:role/myapp-staging-x"},
		decrypt("secretsmanager.us-east-1.amazonaws.com"))
}

// decrypt is a call of a service for the role.
func decrypt(service string) policytest.Request {
	return policytest.Request{
		Action: "kms:Decrypt", Resource: "arn:aws:kms:us-east-1:123456789012:key/k", Context: map[string][]string{"kms:ViaService": {service}},
	}
}

// sessionPolicy is that of the cleanup of staging.
func sessionPolicy(t *testing.T) string {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(read(t, ".github/workflows/cleanup.yml")), &doc); err != nil {
		t.Fatal(err)
	}
	steps := items(get(get(get(doc.Content[0], "jobs"), "unlock"), "steps"))
	i := slices.IndexFunc(steps, func(step *yaml.Node) bool { return get(get(step, "with"), "role-to-assume") != nil })
	if i < 0 {
		t.Fatal("the cleanup signs in nowhere")
	}
	if when := get(steps[i], "if"); when == nil || when.Value != "startsWith(vars.PULUMI_BACKEND_URL, 's3://')" {
		t.Error("the cleanup signs in to AWS for a state that is not there")
	}
	document := strings.ReplaceAll(get(get(steps[i], "with"), "inline-session-policy").Value, "${{ matrix.stack }}", "staging")
	if len(document) > 2048 { // STS's limit
		t.Errorf("the session policy has %d characters", len(document))
	}
	return document
}

// hold evaluates calls by a policy, which must allow all of them, or none.
func hold(t *testing.T, document string, want bool, calls ...policytest.Request) {
	t.Helper()
	for _, call := range calls {
		verdict, err := policytest.Evaluate(document, call)
		if err != nil {
			t.Fatal(err)
		}
		if verdict.Allowed != want {
			t.Errorf("%s on %s: %s; want it allowed: %v", call.Action, call.Resource, verdict, want)
		}
	}
}
