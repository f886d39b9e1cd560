package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	dockercontainer "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/jackc/pgx/v5"

	"slipway/local/awsapi"
	"slipway/local/browser"
	"slipway/local/dockerengine"
)

// checkPage opens the printed address in a real browser, as a new user would: the page lists what PostgreSQL holds, and what
// is added there is in PostgreSQL. The picture of it stays in the test's artifacts.
func (c checkout) checkPage(t *testing.T) {
	t.Helper()
	url := c.outputs(t, "local").URL
	c.answers(t, url+"/")
	db := c.database(t)
	item := fmt.Sprintf("written to PostgreSQL at %s", time.Now().Format(time.RFC3339))
	if _, err := db.Exec(t.Context(), "INSERT INTO items (name) VALUES ($1)", item); err != nil {
		t.Fatal(err)
	}
	b, err := browser.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}()
	const added = "added on the page"
	picture := filepath.Join(t.ArtifactDir(), "page.png")
	for _, step := range []func() error{
		func() error { return b.Goto(url) },
		func() error { return b.WaitText(item) },
		func() error { return b.Fill("New item", added) },
		func() error { return b.Click("Add") },
		func() error { return b.WaitText(added) },
		func() error { return b.WaitText("backend " + c.source(t, "backend")) },
		func() error { return b.Goto(url) }, // from the server, not from the page's memory
		func() error { return b.WaitText(added) },
		func() error { return b.Screenshot(picture) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("the page: %s", picture)
	if problems, err := b.Errors(); err != nil || len(problems) > 0 {
		t.Errorf("the browser complains: %v, %v", problems, err)
	}
	rows, err := db.Query(t.Context(), "SELECT name FROM items")
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || !slices.Contains(names, added) || !slices.Contains(names, item) {
		t.Errorf("PostgreSQL holds %q, %v", names, err)
	}
}

// answers holds that a URL answers well, at once: `up` has ended only when the load balancer found all tasks healthy.
func (c checkout) answers(t *testing.T, url string) {
	t.Helper()
	if got, err := fetch(t.Context(), url, nil); err != nil || got != http.StatusOK {
		t.Fatalf("%s answers %d, %v", url, got, err)
	}
}

// fetch gets a URL and reads its JSON into a value, where one is given.
func fetch(ctx context.Context, url string, into any) (status int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	if into != nil {
		err = json.NewDecoder(response.Body).Decode(into)
	}
	return response.StatusCode, err
}

// database connects to the stack's PostgreSQL with what AWS's API says of it: its secret, its user, its name.
func (c checkout) database(t *testing.T) *pgx.Conn {
	t.Helper()
	config := awsapi.Config(c.state(t).Endpoint)
	instances, err := rds.NewFromConfig(config).DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{})
	if err != nil || len(instances.DBInstances) != 1 {
		t.Fatalf("RDS shows %v, %v", instances, err)
	}
	instance := instances.DBInstances[0]
	secret, err := secretsmanager.NewFromConfig(config).GetSecretValue(t.Context(),
		&secretsmanager.GetSecretValueInput{SecretId: instance.MasterUserSecret.SecretArn})
	if err != nil {
		t.Fatal(err)
	}
	var login struct{ Username, Password string }
	if err := json.Unmarshal([]byte(aws.ToString(secret.SecretString)), &login); err != nil {
		t.Fatal(err)
	}
	connection, err := pgx.Connect(t.Context(), fmt.Sprintf("host=%s port=%d dbname=%s user=%s password=%s sslmode=require",
		c.addressOf(t, aws.ToString(instance.Endpoint.Address)), aws.ToInt32(instance.Endpoint.Port),
		aws.ToString(instance.DBName), login.Username, login.Password))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close(context.Background()) })
	return connection
}

// addressOf looks a name up as the tasks do: among the containers of the cloud's network.
func (c checkout) addressOf(t *testing.T, name string) string {
	t.Helper()
	engine, err := dockerengine.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = engine.Close() }()
	mine := filters.NewArgs(filters.Arg("label", "slipway.cloud="+c.state(t).ID))
	containers, err := engine.ContainerList(t.Context(), dockercontainer.ListOptions{Filters: mine})
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range containers {
		found, err := engine.ContainerInspect(t.Context(), one.ID)
		if err != nil {
			continue // it has ended meanwhile
		}
		for _, network := range found.NetworkSettings.Networks {
			if slices.Contains(network.Aliases, name) {
				return network.IPAddress
			}
		}
	}
	t.Fatalf("no container of the cloud is called %s", name)
	return ""
}
