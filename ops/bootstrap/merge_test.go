package bootstrap

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const bucketARN = "arn:aws:s3:::b"

// TestMergePolicy holds that our statement gets into any policy, once, and that those of others stay.
func TestMergePolicy(t *testing.T) {
	fresh, same, err := mergePolicy("", bucketARN)
	if err != nil || same {
		t.Fatalf("%v, same: %v", err, same)
	}
	const other = `{"Sid": "Other", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::1:root"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}`
	for name, old := range map[string]string{
		"a list":   `{"Version": "2012-10-17", "Id": "kept", "Statement": [` + other + `]}`,
		"one":      `{"Version": "2012-10-17", "Id": "kept", "Statement": ` + other + `}`,
		"ours bad": `{"Version": "2012-10-17", "Id": "kept", "Statement": [` + other + `, {"Sid": "SlipwayTLSOnly", "Effect": "Allow", "Principal": "*"}]}`,
	} {
		merged, same, err := mergePolicy(old, bucketARN)
		if err != nil || same {
			t.Errorf("%s: %v, same: %v", name, err, same)
		}
		var document struct {
			ID        string `json:"Id"`
			Statement []map[string]any
		}
		if err := json.Unmarshal([]byte(merged), &document); err != nil || document.ID != "kept" || len(document.Statement) != 2 ||
			document.Statement[0]["Sid"] != "Other" || document.Statement[1]["Effect"] != "Deny" {
			t.Errorf("%s: %v, %s", name, err, merged)
		}
		if _, same, err = mergePolicy(merged, bucketARN); err != nil || !same {
			t.Errorf("%s: the second time it is not the same: %v", name, err)
		}
	}
	// AWS may give back what means the same in other words.
	reordered := strings.NewReplacer(`"s3:*"`, `["s3:*"]`, `"false"`, `false`).Replace(fresh)
	if _, same, err := mergePolicy(reordered, bucketARN); err != nil || !same {
		t.Errorf("%s is the same: %v", reordered, err)
	}
	for _, broken := range []string{"x", "[]", `{"Statement": "x"}`} {
		if _, _, err := mergePolicy(broken, bucketARN); err == nil {
			t.Errorf("%s is no policy", broken)
		}
	}
}

// TestMergeLifecycle holds that rules of others are written back, and ours only once.
func TestMergeLifecycle(t *testing.T) {
	other := types.LifecycleRule{ID: aws.String("other"), Status: types.ExpirationStatusEnabled}
	merged, same := mergeLifecycle([]types.LifecycleRule{other})
	if same || len(merged) != 2 || *merged[0].ID != "other" || *merged[1].ID != lifecycleID {
		t.Fatalf("%+v", merged)
	}
	if again, same := mergeLifecycle(merged); !same || len(again) != 2 {
		t.Errorf("the second time: %+v", again)
	}
	merged[1].NoncurrentVersionExpiration.NoncurrentDays = aws.Int32(1)
	if mended, same := mergeLifecycle(merged); same || *mended[1].NoncurrentVersionExpiration.NoncurrentDays != oldDays {
		t.Errorf("a changed rule is put right: %+v", mended)
	}
	merged[1].Filter = &types.LifecycleRuleFilter{Prefix: aws.String("elsewhere")}
	merged[1].NoncurrentVersionExpiration.NoncurrentDays = aws.Int32(oldDays)
	if _, same := mergeLifecycle(merged); same {
		t.Error("a rule for a part of the bucket is not ours")
	}
}

// TestLosesState holds which rules of others would delete the state.
func TestLosesState(t *testing.T) {
	days := &types.LifecycleExpiration{Days: aws.Int32(30)}
	prefix := func(p string) *types.LifecycleRuleFilter { return &types.LifecycleRuleFilter{Prefix: aws.String(p)} }
	for name, test := range map[string]struct {
		rule types.LifecycleRule
		want bool
	}{
		"everything":         {types.LifecycleRule{Status: "Enabled", Expiration: days}, true},
		"the state's folder": {types.LifecycleRule{Status: "Enabled", Expiration: days, Filter: prefix(".pulumi/stacks")}, true},
		"old form":           {types.LifecycleRule{Status: "Enabled", Expiration: days, Prefix: aws.String(".pul")}, true},
		"both":               {types.LifecycleRule{Status: "Enabled", Expiration: days, Filter: &types.LifecycleRuleFilter{And: &types.LifecycleRuleAndOperator{Prefix: aws.String("")}}}, true},
		"another folder":     {types.LifecycleRule{Status: "Enabled", Expiration: days, Filter: prefix("logs/")}, false},
		"switched off":       {types.LifecycleRule{Status: "Disabled", Expiration: days}, false},
		"markers":            {types.LifecycleRule{Status: "Enabled", Expiration: &types.LifecycleExpiration{ExpiredObjectDeleteMarker: aws.Bool(true)}}, false},
		"old versions":       {types.LifecycleRule{Status: "Enabled", NoncurrentVersionExpiration: &types.NoncurrentVersionExpiration{NoncurrentDays: aws.Int32(1)}}, false},
	} {
		if got := losesState(test.rule); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestUsable holds that a key that does not do is refused with what to do about it.
func TestUsable(t *testing.T) {
	good := kmstypes.KeyMetadata{
		KeyId: aws.String("k"), KeyState: kmstypes.KeyStateEnabled, KeyManager: kmstypes.KeyManagerTypeCustomer,
		KeyUsage: kmstypes.KeyUsageTypeEncryptDecrypt, KeySpec: kmstypes.KeySpecSymmetricDefault,
	}
	if err := usable(&good, "us-east-1"); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(k *kmstypes.KeyMetadata){
		"aws kms cancel-key-deletion --region us-east-1 --key-id k": func(k *kmstypes.KeyMetadata) { k.KeyState = kmstypes.KeyStatePendingDeletion },
		"aws kms enable-key --region us-east-1 --key-id k":          func(k *kmstypes.KeyMetadata) { k.KeyState = kmstypes.KeyStateDisabled },
		"is PendingImport":   func(k *kmstypes.KeyMetadata) { k.KeyState = kmstypes.KeyStatePendingImport },
		"one of AWS's own":   func(k *kmstypes.KeyMetadata) { k.KeyManager = kmstypes.KeyManagerTypeAws },
		"is for SIGN_VERIFY": func(k *kmstypes.KeyMetadata) { k.KeyUsage = kmstypes.KeyUsageTypeSignVerify },
		"with RSA_2048":      func(k *kmstypes.KeyMetadata) { k.KeySpec = kmstypes.KeySpecRsa2048 },
	} {
		key := good
		change(&key)
		if err := usable(&key, "us-east-1"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestQuote(t *testing.T) {
	for text, want := range map[string]string{
		"plain/word-1.0": "plain/word-1.0", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "$(x)": "'$(x)'", "s3://b?region=r": "'s3://b?region=r'",
	} {
		if got := quote(text); got != want {
			t.Errorf("%q is quoted %s", text, got)
		}
	}
}

// TestBucketName holds the name that stacks of one account share, and that one that is too long is refused.
func TestBucketName(t *testing.T) {
	o := Options{App: "a-very-long-app-name", Region: "ap-southeast-1"}
	if name, err := o.bucket("123456789012"); err != nil || name != "a-very-long-app-name-pulumi-state-123456789012-ap-southeast-1" {
		t.Errorf("%s, %v", name, err)
	}
	o.Region = "xx-farthest-northwest-1"
	if _, err := o.bucket("123456789012"); err == nil || !strings.Contains(err.Error(), "by the option bucket") {
		t.Error(err)
	}
	o.Bucket = "mine"
	if name, err := o.bucket("123456789012"); err != nil || name != "mine" {
		t.Errorf("%s, %v", name, err)
	}
}
