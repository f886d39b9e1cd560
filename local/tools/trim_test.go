package tools

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// provider lays out the parts of the Terraform AWS provider that trimProvider touches: one service in use (ecs), one that
// it imports (autoscaling), and one that nobody needs (zoo).
func provider(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		servicesFile: `package sdkv2

import (
	"context"

	"github.com/hashicorp/terraform-provider-aws/internal/service/ecs"
	"github.com/hashicorp/terraform-provider-aws/internal/service/zoo"
)

func servicePackages(ctx context.Context) []any {
	v := []any{
		ecs.ServicePackage(ctx),
		zoo.ServicePackage(ctx),
	}
	return v
}
`,
		clientsFile: `package conns

import (
	"context"

	"example.com/sdk/autoscaling"
	"example.com/sdk/ecs"
	"example.com/sdk/zoo"
)

func (c *AWSClient) AutoScalingClient(ctx context.Context) *autoscaling.Client { return nil }
func (c *AWSClient) ECSClient(ctx context.Context) *ecs.Client                 { return nil }
func (c *AWSClient) ZooClient(ctx context.Context) *zoo.Client                 { return nil }
func (c *AWSClient) Region(ctx context.Context) string                         { return "" }
`,
		"internal/service/ecs/service.go": `package ecs

import (
	"time"

	"github.com/hashicorp/terraform-provider-aws/internal/service/autoscaling"
)

func f(ctx, c any) { c.ECSClient(ctx); autoscaling.G(ctx, c) }

func stable(createdAtUTC, operationTime time.Time) {
	isNewPrimaryDeployment = createdAtUTC.After(operationTime)
	wait(&retry.StateChangeConf{
		Delay:      10 * time.Second,
		MinTimeout: 1 * time.Minute,
		Timeout:    10 * time.Minute,
	})
}
`,
		"internal/service/s3/bucket.go": "package s3\n\nfunc create() bool {\n\ttagOnCreate := true\n\treturn tagOnCreate\n}\n",
		"internal/service/s3/tags.go": `package s3

func list(ctx, c any) {
	if accountID := c.AccountID(ctx); accountID != "" {
		control(accountID)
	}
}

func update(ctx, c any) {
	if accountID := c.AccountID(ctx); accountID != "" {
		control(accountID)
	}
}
`,
		"internal/service/autoscaling/group.go": "package autoscaling\n\nfunc G(ctx, c any) { c.AutoScalingClient(ctx) }\n",
		"internal/service/zoo/zoo.go":           "package zoo\n\nfunc f(ctx, c any) { c.ZooClient(ctx) }\n",
		"internal/service/ecs/service_test.go":  "package ecs\n",
		"internal/service/ecs/README.md":        "",
		"website/index.go":                      "package website\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o400); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestTrimProvider(t *testing.T) {
	to := filepath.Join(t.TempDir(), "trimmed")
	if err := trimProvider(provider(t), to); err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		t.Helper()
		content, err := os.ReadFile(filepath.Join(to, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	if services := read(servicesFile); !strings.Contains(services, "ecs.ServicePackage") || strings.Contains(services, "zoo") {
		t.Errorf("the list of services:\n%s", services)
	}
	clients := read(clientsFile)
	for _, kept := range []string{"AutoScalingClient", "ECSClient", "Region", "sdk/autoscaling"} {
		if !strings.Contains(clients, kept) {
			t.Errorf("%s is gone:\n%s", kept, clients)
		}
	}
	if strings.Contains(strings.ToLower(clients), "zoo") {
		t.Errorf("what nobody needs is there:\n%s", clients)
	}
	ecs := read("internal/service/ecs/service.go")
	for _, want := range []string{
		"isNewPrimaryDeployment = false && createdAtUTC.After(operationTime)",
		"Delay:      1 * time.Second,", "MinTimeout: 1 * time.Second,", "Timeout:    10 * time.Minute,", "StateChangeConf{\nPollInterval: time.Second,\n",
	} {
		if !strings.Contains(ecs, want) {
			t.Errorf("the service of ECS has no %q:\n%s", want, ecs)
		}
	}
	if tags := read("internal/service/s3/tags.go"); strings.Count(tags, `if accountID := ""; accountID != "" {`) != 2 {
		t.Errorf("the tags of buckets are asked of S3 Control:\n%s", tags)
	}
	if bucket := read("internal/service/s3/bucket.go"); !strings.Contains(bucket, "tagOnCreate := false") {
		t.Errorf("a bucket's tags are not written once it is there:\n%s", bucket)
	}
	for _, gone := range []string{"internal/service/ecs/service_test.go", "internal/service/ecs/README.md", "website"} {
		if _, err := os.Stat(filepath.Join(to, gone)); err == nil {
			t.Errorf("%s was copied", gone)
		}
	}
}

// TestTrimUnknownRule holds that a provider that decides about services elsewhere is refused, and not built with its own rule.
func TestTrimUnknownRule(t *testing.T) {
	dir := provider(t)
	file := filepath.Join(dir, "internal/service/ecs/service.go")
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("package ecs\n\nfunc f(ctx, c any) { c.ECSClient(ctx) }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := trimProvider(dir, filepath.Join(t.TempDir(), "trimmed"))
	if err == nil || !strings.Contains(err.Error(), `"isNewPrimaryDeployment = createdAtUTC.After(operationTime)" at 0 places`) {
		t.Errorf("got %v", err)
	}
}

// TestTrimUnknownLayout holds that a provider of another layout is refused, and not built without clients.
func TestTrimUnknownLayout(t *testing.T) {
	dir := provider(t)
	if err := os.RemoveAll(filepath.Join(dir, "internal", "service")); err != nil {
		t.Fatal(err)
	}
	err := trimProvider(dir, filepath.Join(t.TempDir(), "trimmed"))
	if err == nil || !strings.Contains(err.Error(), "not the one that this was written for") {
		t.Errorf("got %v", err)
	}
}
