package infra

import (
	"slices"
	"strings"
	"testing"

	"slipway/infra/infratest"
)

const (
	secretType  = "aws:secretsmanager/secret:Secret"
	databaseKey = "slipway:database:Database database"
)

// withSecrets has the backend name two secrets, one of them twice, and the frontend one of the two.
func withSecrets() map[string]string {
	return rows(`{"backend": {"secrets": {"API_KEY": "api", "API_KEY_AGAIN": "api", "SMTP_LOGIN": "smtp"}}, "frontend": {"secrets": {"KEY": "api"}}}`)
}

// TestSecrets holds that secrets are declared by name, with no value, and handed to those alone who name them.
func TestSecrets(t *testing.T) {
	change := withSecrets()
	change["secretsKmsKeyArn"] = "arn:aws:kms:us-east-1:123456789012:key/1"
	resources, err := declare(t, "staging", change)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, secret := range of(t, resources, secretType) {
		if secret.Parent == databaseKey {
			continue // the database's own
		}
		names = append(names, input(secret, "name").StringValue())
		if got := input(secret, "kmsKeyId").StringValue(); got != change["secretsKmsKeyArn"] {
			t.Errorf("%s is under the key %q", secret.Name, got)
		}
		if got := input(secret, "recoveryWindowInDays").NumberValue(); got != 7 {
			t.Errorf("%s can be had back for %v days", secret.Name, got)
		}
	}
	if want := []string{"myapp-staging/api", "myapp-staging/smtp"}; !slices.Equal(names, want) {
		t.Errorf("the secrets are %v, want %v", names, want)
	}
	if versions := only(resources, "aws:secretsmanager/secretVersion:SecretVersion"); len(versions) > 0 {
		t.Error("a value is declared")
	}
	const api, smtp = "arn:Secret:api", "arn:Secret:smtp"
	for service, want := range map[string][]string{
		"backend": {"API_KEY=" + api, "API_KEY_AGAIN=" + api, "SMTP_LOGIN=" + smtp}, "frontend": {"KEY=" + api},
	} {
		for _, c := range containers(t, named(t, resources, "aws:ecs/taskDefinition:TaskDefinition", service)) {
			var given []string
			for _, s := range c.Secrets {
				if !strings.HasPrefix(s.Name, "DATABASE_") {
					given = append(given, s.Name+"="+s.ValueFrom)
				}
			}
			if !slices.Equal(given, want) {
				t.Errorf("container %s gets %v, want %v", c.Name, given, want)
			}
			if !slices.IsSortedFunc(c.Secrets, func(a, b secretView) int { return strings.Compare(a.Name, b.Name) }) {
				t.Errorf("container %s has its secrets out of order, which AWS would put right: %v", c.Name, c.Secrets)
			}
		}
	}
	for role, want := range map[string][]string{"backend-execution": {api, smtp}, "frontend-execution": {api}, "backend-task": nil} {
		var may, decrypt []string
		for _, s := range statements(t, input(named(t, resources, "aws:iam/rolePolicy:RolePolicy", role), "policy").StringValue()) {
			switch s.Sid {
			case "Secrets":
				may = s.Resource
			case "SecretsKey":
				decrypt = s.Condition["StringEquals"]["kms:EncryptionContext:SecretARN"]
				if !slices.Equal(s.Resource, []string{change["secretsKmsKeyArn"]}) {
					t.Errorf("%s may use %v", role, s.Resource)
				}
			}
		}
		if !slices.Equal(may, want) || !slices.Equal(decrypt, want) {
			t.Errorf("%s may read %v and decrypt %v, want %v", role, may, decrypt, want)
		}
	}
}

// TestNoSecrets holds that nothing of it is there where no row names one.
func TestNoSecrets(t *testing.T) {
	each(t, func(t *testing.T, resources []infratest.Resource) {
		for _, r := range resources {
			if strings.HasPrefix(r.Type, "aws:secretsmanager/") && r.Parent != databaseKey || r.Type == "slipway:secrets:Secrets" {
				t.Errorf("there is a %s", r.Key())
			}
		}
	})
}

// TestEmptySecret holds that a service whose secret has no value is not touched, that it is said what to type, and that the others
// go on.
func TestEmptySecret(t *testing.T) {
	recorder := &infratest.Recorder{}
	change := rows(`{"backend": {"secrets": {"API_KEY": "api", "SMTP_LOGIN": "smtp"}}, "frontend": {"after": []}}`)
	_, err := releaseOf(t, &bench{empty: []string{"smtp"}}, change, recorder)
	if err == nil {
		t.Fatal("it was released")
	}
	const want = "services.backend: secret smtp has no value, and no task would start without; give it one: make secret STACK=staging SECRET=smtp"
	if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret api") {
		t.Errorf("it does not say %q:\n%v", want, err)
	}
	for _, r := range recorder.Resources() {
		if r.Key() == "aws:ecs/taskDefinition:TaskDefinition backend" || r.Key() == "aws:ecs/service:Service backend" {
			t.Errorf("%s was touched", r.Key())
		}
	}
	named(t, recorder.Resources(), "aws:ecs/service:Service", "frontend")
	if _, err := releaseOf(t, &bench{}, change, &infratest.Recorder{}); err != nil {
		t.Errorf("with its value: %v", err)
	}
}
