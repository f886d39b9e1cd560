package bootstraptest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"slipway/local/awsapi"
	"slipway/local/mototest"
	"slipway/ops/bootstrap"
)

func options() bootstrap.Options {
	return bootstrap.Options{App: "myapp", Stack: "staging", Region: awsapi.Region, Owner: "example", Repository: "myapp", Preview: true}
}

// account is an emulated account.
type account struct {
	t        *testing.T
	endpoint string
	s3       *s3.Client
	kms      *kms.Client
}

func newAccount(t *testing.T) account {
	endpoint := mototest.Start(t)
	cfg := awsapi.Config(endpoint)
	return account{t, endpoint, s3.NewFromConfig(cfg), kms.NewFromConfig(cfg)}
}

// run runs bootstrap, and returns what it printed.
func (a account) run(o bootstrap.Options) (*bootstrap.Report, string, error) {
	a.t.Helper()
	var out bytes.Buffer
	report, err := bootstrap.Run(a.t.Context(), awsapi.Config(a.endpoint), o, &out)
	return report, out.String(), err
}

func (a account) mustRun(o bootstrap.Options) (*bootstrap.Report, string) {
	a.t.Helper()
	report, out, err := a.run(o)
	if err != nil {
		a.t.Fatalf("%v\n%s", err, out)
	}
	return report, out
}

func (a account) must(_ any, err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

func (a account) keys() int {
	a.t.Helper()
	got, err := a.kms.ListKeys(a.t.Context(), &kms.ListKeysInput{})
	if err != nil {
		a.t.Fatal(err)
	}
	return len(got.Keys)
}

// TestMake types the README's commands for an empty account: the first makes nothing, the second a bucket and a key, and both say what to type next.
func TestMake(t *testing.T) {
	a := newAccount(t)
	for _, step := range []struct {
		words []string
		keys  int
		says  string
	}{
		{[]string{"BOOTSTRAP=--dry-run"}, 0, "would be created"},
		{nil, 1, ": created"},
	} {
		command := exec.CommandContext(t.Context(), "make", append([]string{"--no-print-directory", "bootstrap", "STACK=staging"}, step.words...)...)
		command.Dir = "../.."
		command.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+a.endpoint, "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_PROFILE=",
			"PULUMI_BACKEND_URL=", "BOOTSTRAP=", "MAKEFLAGS=", "SLIPWAY_PULUMI=false") // there is no stack yet, and so no outputs
		out, err := command.CombinedOutput()
		for _, want := range []string{step.says, "pulumi login 's3://", "make up STACK=staging", "gh variable set DEPLOY_ROLE_ARN --repo example/myapp --env staging"} {
			if err != nil || !strings.Contains(string(out), want) {
				t.Errorf("make bootstrap %v: %v; it does not say %q:\n%s", step.words, err, want, out)
			}
		}
		buckets, err := a.s3.ListBuckets(t.Context(), &s3.ListBucketsInput{})
		if err != nil || len(buckets.Buckets) != step.keys || a.keys() != step.keys {
			t.Errorf("make bootstrap %v: there are %d keys, and the buckets %+v, %v", step.words, a.keys(), buckets, err)
		}
	}
}

// TestAccount holds what is made in an empty account, that a second run changes nothing, that what differs is mended, and that
// a second stack shares the bucket and not the key.
func TestAccount(t *testing.T) {
	a := newAccount(t)
	ctx := t.Context()

	dry := options()
	dry.DryRun = true
	report, out := a.mustRun(dry)
	if !report.Changed() || report.KeyARN != "" || strings.Contains(out, ": created") || strings.Count(out, "would be created") != 3 {
		t.Errorf("a dry run says what would be made:\n%s", out)
	}
	if buckets, err := a.s3.ListBuckets(ctx, &s3.ListBucketsInput{}); err != nil || len(buckets.Buckets) != 0 || a.keys() != 0 {
		t.Errorf("a dry run makes nothing: %v, %+v", err, buckets)
	}

	report, out = a.mustRun(options())
	name := "myapp-pulumi-state-" + awsapi.Account + "-" + awsapi.Region
	if report.Bucket != name || report.Account != awsapi.Account || report.KeyARN == "" || !report.Changed() {
		t.Errorf("%+v\n%s", report, out)
	}
	a.expectBucket(name)
	rotation, err := a.kms.GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: &report.KeyARN})
	if err != nil || !rotation.KeyRotationEnabled {
		t.Errorf("the key rotates: %v", err)
	}

	key := report.KeyARN
	report, out = a.mustRun(options())
	if report.Changed() || report.KeyARN != key || a.keys() != 1 {
		t.Errorf("a second run changes nothing:\n%s", out)
	}

	// Others' settings stay, and what is not as it should be is mended.
	a.must(a.s3.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
		Bucket: &name, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusSuspended},
	}))
	a.must(a.s3.DeletePublicAccessBlock(ctx, &s3.DeletePublicAccessBlockInput{Bucket: &name}))
	a.must(a.s3.DeleteBucketEncryption(ctx, &s3.DeleteBucketEncryptionInput{Bucket: &name}))
	a.must(a.s3.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &name, Policy: aws.String(
		`{"Version": "2012-10-17", "Statement": [{"Sid": "Other", "Effect": "Deny", "Principal": "*", "Action": "s3:DeleteBucket", "Resource": "arn:aws:s3:::` + name + `"}]}`,
	)}))
	a.must(a.s3.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{
		Bucket: &name, LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: []types.LifecycleRule{{
			ID: aws.String("other"), Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{Prefix: aws.String("logs/")},
			Expiration: &types.LifecycleExpiration{Days: aws.Int32(3)},
		}}},
	}))
	a.must(a.kms.DisableKeyRotation(ctx, &kms.DisableKeyRotationInput{KeyId: &key}))
	_, out = a.mustRun(dry)
	if strings.Count(out, "would be mended") != 6 {
		t.Errorf("a dry run says what would be mended:\n%s", out)
	}
	report, out = a.mustRun(options())
	if strings.Count(out, ": mended (it was: ") != 6 || report.KeyARN != key {
		t.Errorf("six things differ:\n%s", out)
	}
	a.expectBucket(name)
	if policy, err := a.s3.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: &name}); err != nil || !strings.Contains(*policy.Policy, `"Other"`) {
		t.Errorf("the other statement stays: %v", err)
	}
	if cycle, err := a.s3.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: &name}); err != nil || len(cycle.Rules) != 2 {
		t.Errorf("the other rule stays: %v, %+v", err, cycle)
	}
	if report, out = a.mustRun(options()); report.Changed() {
		t.Errorf("after that a run changes nothing:\n%s", out)
	}

	production := options()
	production.Stack = "production"
	report, out = a.mustRun(production)
	if report.Bucket != name || report.KeyARN == key || a.keys() != 2 || strings.Contains(out, "bucket "+name+": created") {
		t.Errorf("stacks share a bucket, and no key: %+v\n%s", report, out)
	}
}

// expectBucket holds a bucket's settings, as AWS tells them.
func (a account) expectBucket(name string) {
	a.t.Helper()
	ctx := a.t.Context()
	if got, err := a.s3.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &name}); err != nil || got.Status != types.BucketVersioningStatusEnabled {
		a.t.Errorf("versions: %v, %+v", err, got)
	}
	if got, err := a.s3.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: &name}); err != nil || !*got.PublicAccessBlockConfiguration.BlockPublicPolicy || !*got.PublicAccessBlockConfiguration.RestrictPublicBuckets {
		a.t.Errorf("public access: %v, %+v", err, got)
	}
	if got, err := a.s3.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: &name}); err != nil || got.ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm != types.ServerSideEncryptionAes256 {
		a.t.Errorf("encryption: %v, %+v", err, got)
	}
	if got, err := a.s3.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: &name}); err != nil || !strings.Contains(*got.Policy, `"aws:SecureTransport":"false"`) {
		a.t.Errorf("policy: %v, %+v", err, got)
	}
	got, err := a.s3.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: &name})
	if err != nil {
		a.t.Errorf("lifecycle: %v", err)
		return
	}
	if rule := got.Rules[len(got.Rules)-1]; *rule.NoncurrentVersionExpiration.NoncurrentDays != 90 || rule.Expiration.Days != nil {
		a.t.Errorf("lifecycle: %+v", rule)
	}
}

// TestKeys holds what happens with a key that is there already, and with one that does not do.
func TestKeys(t *testing.T) {
	a := newAccount(t)
	ctx := t.Context()
	// AWS takes this usage where none is given; the emulator keeps none.
	usual := &kms.CreateKeyInput{KeyUsage: kmstypes.KeyUsageTypeEncryptDecrypt}
	made, err := a.kms.CreateKey(ctx, usual)
	if err != nil {
		t.Fatal(err)
	}
	id := made.KeyMetadata.KeyId
	o := options()
	o.Key = *id
	report, out := a.mustRun(o)
	if report.KeyARN != *made.KeyMetadata.Arn || a.keys() != 1 || !strings.Contains(out, "its rotation: created") {
		t.Errorf("the given key is taken: %+v\n%s", report, out)
	}
	if report, out = a.mustRun(options()); report.Changed() || report.KeyARN != *made.KeyMetadata.Arn {
		t.Errorf("from then on it is found by its alias:\n%s", out)
	}

	refused := func(o bootstrap.Options, want string) {
		t.Helper()
		if _, out, err := a.run(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q\n%s", err, want, out)
		}
	}
	other, err := a.kms.CreateKey(ctx, usual)
	if err != nil {
		t.Fatal(err)
	}
	o.Key = *other.KeyMetadata.KeyId
	refused(o, "aws kms update-alias --region us-east-1 --alias-name alias/myapp-pulumi-staging --target-key-id "+o.Key)
	o.Key = "00000000-0000-0000-0000-000000000000"
	refused(o, "there is no KMS key")
	a.must(a.kms.DisableKey(ctx, &kms.DisableKeyInput{KeyId: id}))
	refused(options(), "aws kms enable-key")
	a.must(a.kms.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: id}))
	refused(options(), "aws kms cancel-key-deletion")
}

// TestBuckets holds what happens with a bucket that cannot hold a state.
func TestBuckets(t *testing.T) {
	a := newAccount(t)
	ctx := t.Context()
	name := "old-bucket"
	a.must(a.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name}))
	a.must(a.s3.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{
		Bucket: &name, LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: []types.LifecycleRule{{
			ID: aws.String("sweep"), Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{Prefix: aws.String("")},
			Expiration: &types.LifecycleExpiration{Days: aws.Int32(30)},
		}}},
	}))
	o := options()
	o.Bucket = name
	if _, out, err := a.run(o); err == nil || !strings.Contains(err.Error(), `lifecycle rule "sweep"`) {
		t.Errorf("a bucket that deletes its objects holds no state: %v\n%s", err, out)
	}
	o.Region = "eu-west-1"
	if _, out, err := a.run(o); err == nil || !strings.Contains(err.Error(), "a bucket cannot move") {
		t.Errorf("a bucket of another region is none for this stack: %v\n%s", err, out)
	}
	o.Bucket = ""
	report, _ := a.mustRun(o)
	place, err := a.s3.GetBucketLocation(ctx, &s3.GetBucketLocationInput{Bucket: &report.Bucket})
	if err != nil || place.LocationConstraint != "eu-west-1" {
		t.Errorf("the bucket stands in the stack's region: %v, %+v", err, place)
	}
}

// TestCommands runs the printed commands of the Pulumi CLI, with the real CLI, in the account that was prepared: the state goes to
// the bucket, and the secrets' key is the one that was made.
func TestCommands(t *testing.T) {
	a := newAccount(t)
	report, _ := a.mustRun(options())
	// The emulator takes no account of a statement's conditions, so the one that refuses requests without TLS refuses all.
	a.must(a.s3.DeleteBucketPolicy(t.Context(), &s3.DeleteBucketPolicyInput{Bucket: &report.Bucket}))
	cli, err := mototest.Cache(t).Pulumi(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	project := t.TempDir()
	for file, content := range map[string]string{
		"Pulumi.yaml":         "name: slipway\nruntime: go\n",
		"Pulumi.staging.yaml": "# Staging\nconfig:\n  aws:region: us-east-1\n",
	} {
		if err := os.WriteFile(filepath.Join(project, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pulumi := func(command string) string {
		t.Helper()
		shell := exec.CommandContext(t.Context(), "sh", "-eu", "-c", command)
		shell.Dir = project
		shell.Env = []string{
			"PATH=" + filepath.Dir(cli) + ":/usr/bin:/bin", "HOME=" + project, "PULUMI_HOME=" + filepath.Join(project, ".pulumi-home"),
			"PULUMI_SKIP_UPDATE_CHECK=true", "AWS_ENDPOINT_URL=" + a.endpoint, "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test",
			"AWS_EC2_METADATA_DISABLED=true",
		}
		out, err := shell.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
		return string(out)
	}
	ran := 0
	for _, step := range report.Next {
		for _, command := range step.Commands {
			if strings.HasPrefix(command, "pulumi ") {
				pulumi(command)
				ran++
			}
		}
	}
	if ran != 9 {
		t.Errorf("%d commands of the CLI ran", ran)
	}
	pulumi("echo hunter2 | pulumi config set --stack staging --secret token")
	text, err := os.ReadFile(filepath.Join(project, "Pulumi.staging.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"secretsprovider: awskms://alias/myapp-pulumi-staging?region=us-east-1", "encryptedkey:", "# Staging",
		"slipway:stateBucket: " + report.Bucket, "slipway:stateKmsKeyArn: " + report.KeyARN, `- "` + awsapi.Account + `"`, "slipway:githubEnvironment: staging",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("Pulumi.staging.yaml lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "hunter2") || strings.TrimSpace(pulumi("pulumi config get --stack staging token")) != "hunter2" {
		t.Error("a secret is encrypted by the key, and read again")
	}
	_, err = a.s3.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &report.Bucket, Key: aws.String(".pulumi/stacks/slipway/staging.json")})
	var missing *types.NotFound
	if errors.As(err, &missing) || err != nil {
		t.Errorf("the state lies in the bucket: %v", err)
	}
}
