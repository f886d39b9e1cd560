package bootstrap_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"slipway/infra/goldentest"
	"slipway/ops/bootstrap"
)

func options() bootstrap.Options {
	return bootstrap.Options{App: "myapp", Stack: "staging", Region: "us-east-1", Owner: "example", Repository: "myapp", Preview: true}
}

// TestOptions holds that each option is checked, that all problems are told at once, and that nothing is done before.
func TestOptions(t *testing.T) {
	for want, change := range map[string]func(o *bootstrap.Options){
		"app: ":                 func(o *bootstrap.Options) { o.App = "My App" },
		"stack: ":               func(o *bootstrap.Options) { o.Stack = "org/staging" },
		"stack: \"xxx":          func(o *bootstrap.Options) { o.Stack = strings.Repeat("x", 50) },
		"region: ":              func(o *bootstrap.Options) { o.Region = "us-east-1a" },
		"account: ":             func(o *bootstrap.Options) { o.Account = "12345" },
		"bucket: ":              func(o *bootstrap.Options) { o.Bucket = "My_Bucket" },
		"key: ":                 func(o *bootstrap.Options) { o.Key = "alias/other" },
		"owner: ":               func(o *bootstrap.Options) { o.Owner = "" },
		"repository: ":          func(o *bootstrap.Options) { o.Repository = "example/myapp" },
		"environment: ":         func(o *bootstrap.Options) { o.Environment = "a/b" },
		"branches and tags: ":   func(o *bootstrap.Options) { o.Tags = []string{"v*", "'; rm -rf /"} },
		"bucket and key: ":      func(o *bootstrap.Options) { o.PulumiCloud, o.Bucket = true, "some-bucket" },
		"organization: it is P": func(o *bootstrap.Options) { o.Organization = "acme" },
		"organization: \"a b":   func(o *bootstrap.Options) { o.PulumiCloud, o.Organization = true, "a b" },
	} {
		o := options()
		change(&o)
		// There are no credentials: a call would fail with other words.
		_, err := bootstrap.Run(t.Context(), aws.Config{}, o, &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), "\n"+want) || !strings.Contains(err.Error(), "nothing was done") {
			t.Errorf("%q: %v", want, err)
		}
	}
	_, err := bootstrap.Run(t.Context(), aws.Config{}, bootstrap.Options{}, &bytes.Buffer{})
	if n := strings.Count(fmt.Sprint(err), "\n"); n != 5 {
		t.Errorf("empty options have five problems, and %d are told: %v", n, err)
	}
}

// TestScripts holds the steps that are printed, whole. Read them before you update them.
func TestScripts(t *testing.T) {
	bucket := &bootstrap.Report{
		Account: "123456789012", Bucket: "myapp-pulumi-state-123456789012-us-east-1",
		KeyARN: "arn:aws:kms:us-east-1:123456789012:key/k", KeyAlias: "alias/myapp-pulumi-staging",
	}
	production := options()
	production.Stack, production.Preview = "production", false
	production.PromoteFrom = "staging"
	production.Outputs = map[string]string{"deployRoleArn": "arn:aws:iam::123456789012:role/myapp-production-deploy"}
	cloud := options()
	cloud.PulumiCloud, cloud.Organization = true, "acme"
	dry := *bucket
	dry.KeyARN = ""
	for name, test := range map[string]struct {
		o bootstrap.Options
		r *bootstrap.Report
	}{
		"staging":    {options(), bucket},
		"production": {production, bucket},
		"cloud":      {cloud, &bootstrap.Report{Account: "012345678901"}},
		"dry":        {options(), &dry},
	} {
		goldentest.Expect(t, filepath.Join("testdata", name+".sh"), bootstrap.Script(bootstrap.Next(test.o, test.r)))
	}
}

// TestShell runs a script, with commands in the place of the real ones that write down what they are given: what the shell makes of
// the words is what is meant.
func TestShell(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Fatalf("find a POSIX shell: %v", err)
	}
	bin, record := t.TempDir(), filepath.Join(t.TempDir(), "calls")
	for _, name := range []string{"pulumi", "gh", "git", "make", "aws"} {
		// What a command prints is what a real one would print in the place of a value.
		script := "#!/bin/sh\n{ printf '%s' " + name + "; printf '|%s' \"$@\"; echo; } >>\"$RECORD\"\necho 'a value'\n"
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	o := options()
	o.Branches, o.Tags = []string{"main", "release/*"}, []string{"v[0-9]*"}
	report := &bootstrap.Report{Account: "012345678901", Bucket: "b", KeyAlias: "alias/myapp-pulumi-staging"}
	shell := exec.Command("sh", "-eu")
	shell.Stdin = strings.NewReader(bootstrap.Script(bootstrap.Next(o, report)))
	shell.Dir, shell.Env = t.TempDir(), []string{"PATH=" + bin + ":/usr/bin:/bin", "RECORD=" + record}
	if out, err := shell.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	calls := strings.Split(string(text), "\n")
	const environment = "repos/example/myapp/environments/staging"
	for _, want := range []string{
		"pulumi|login|s3://b?region=us-east-1",
		"pulumi|stack|init|staging|--secrets-provider=awskms://alias/myapp-pulumi-staging?region=us-east-1",
		"pulumi|config|set|--stack|staging|--path|aws:allowedAccountIds[0]|--type|string|012345678901",
		"pulumi|config|set|--stack|staging|stateKmsKeyArn|a value",
		"make|up|STACK=staging",
		"gh|api|--method|PUT|" + environment + "|-F|deployment_branch_policy[protected_branches]=false|-F|deployment_branch_policy[custom_branch_policies]=true",
		"gh|api|--method|POST|" + environment + "/deployment-branch-policies|-f|name=release/*|-f|type=branch",
		"gh|api|--method|POST|" + environment + "/deployment-branch-policies|-f|name=v[0-9]*|-f|type=tag",
		"gh|variable|set|PULUMI_BACKEND_URL|--repo|example/myapp|--env|staging|--body|s3://b?region=us-east-1",
		"gh|variable|set|DEPLOY_ROLE_ARN|--repo|example/myapp|--env|staging|--body|a value",
		"gh|variable|set|PREVIEW_ROLE_ARN|--repo|example/myapp|--body|a value",
		"pulumi|stack|output|previewRoleArn|--stack|staging",
		"gh|secret|set|SLACK_WEBHOOK_URL|--repo|example/myapp|--env|staging",
	} {
		if !slices.Contains(calls, want) {
			t.Errorf("nothing called %s; called were:\n%s", want, text)
		}
	}
}

// answering is AWS as one answer to everything.
func answering(t *testing.T, status int, body string) aws.Config {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	return aws.Config{
		BaseEndpoint: aws.String(server.URL), RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
	}
}

// TestIdentity holds that a wrong account, and credentials that do not do, end the run with what to do.
func TestIdentity(t *testing.T) {
	identity := `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/me</Arn><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`
	o := options()
	o.Account = "999999999999"
	report, err := bootstrap.Run(t.Context(), answering(t, 200, identity), o, &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "account 123456789012") || !strings.Contains(err.Error(), "log in to 999999999999") || len(report.Results) > 0 {
		t.Errorf("a wrong account: %v, %+v", err, report)
	}
	fault := `<ErrorResponse><Error><Code>%s</Code><Message>no</Message></Error></ErrorResponse>`
	for code, advice := range map[string]string{
		"ExpiredToken": "aws sso login", "AccessDenied": "administer the account", "InternalFailure": "run it again",
	} {
		_, err := bootstrap.Run(t.Context(), answering(t, 403, fmt.Sprintf(fault, code)), options(), &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), advice) {
			t.Errorf("%s: %v, want %q", code, err, advice)
		}
	}
	// Pulumi Cloud needs nothing in the account, but to know which it is.
	o = options()
	o.PulumiCloud = true
	report, err = bootstrap.Run(t.Context(), answering(t, 200, identity), o, &bytes.Buffer{})
	if err != nil || report.Changed() || report.Account != "123456789012" || len(report.Next) == 0 {
		t.Errorf("Pulumi Cloud: %v, %+v", err, report)
	}
}
