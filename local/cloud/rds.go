package cloud

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	rdstypes "github.com/aws/aws-sdk-go-v2/service/rds/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"slipway/local/database"
	"slipway/local/faults"
)

// databases is RDS's data plane as its API shows it. moto keeps instances and their secrets; the servers hold the data.
type databases struct {
	api     *rds.Client            // moto's
	secrets *secretsmanager.Client // moto's
	servers *database.Servers
	faults  *faults.Set
	ctx     context.Context // ends with the cloud
	working sync.WaitGroup  // creations under way

	bringing sync.Mutex // held while faults are carried out, and ended

	mu        sync.Mutex
	creating  map[string]bool              // by instance: until its server answers
	ailing    map[string]condition         // by instance: the faults that were carried out
	insights  map[string]bool              // by instance: Performance Insights, which moto forgets
	snapshots map[string]database.Snapshot // by snapshot
	surplus   map[string]string            // by instance: a secret that moto makes too many
}

const (
	postgresPort    = 5432
	forceTLSSince   = 15 // the major version from which rds.force_ssl is on by default (RDS User Guide, "Requiring an SSL connection")
	dataVolumeMiB   = 512
	forceTLSSetting = "rds.force_ssl"
	slowSetting     = "log_min_duration_statement"
)

// refuse says why a call must not reach moto, which would take it: the server could not follow, and what moto has done is done.
func (d *databases) refuse(operation string, form url.Values) error {
	switch operation {
	case "StopDBInstance", "StartDBInstance", "RebootDBInstance":
		return unable{errors.New(operation + " is not there in the embedded cloud")}
	case "ModifyDBInstance":
		if form.Get("NewDBInstanceIdentifier") != "" {
			return unable{errors.New("an instance cannot be given another name in the embedded cloud")}
		}
		if !setsPassword(form) {
			return nil
		}
	case "DeleteDBInstance":
		if form.Get("FinalDBSnapshotIdentifier") == "" {
			return nil
		}
	case "CreateDBSnapshot":
	default:
		return nil
	}
	id := form.Get("DBInstanceIdentifier")
	if status := d.status(id); !slices.Contains([]string{"", database.Available, database.StorageFull}, status) {
		return refusal{"InvalidDBInstanceState", fmt.Sprintf("Instance %s is not in a state for this: it is %s.", id, status)}
	}
	return nil
}

// amend has the servers follow what a call has asked for, and shows their states.
func (d *databases) amend(ctx context.Context, operation string, form url.Values, body []byte) ([]byte, error) {
	id, snapshot := form.Get("DBInstanceIdentifier"), snapshotName(form.Get("DBSnapshotIdentifier"))
	if on := form.Get("EnablePerformanceInsights"); on != "" {
		d.mu.Lock()
		d.insights[id] = on == "true"
		d.mu.Unlock()
	}
	var err error
	switch operation {
	case "CreateDBInstance":
		err = d.create(ctx, id, nil)
	case "RestoreDBInstanceFromDBSnapshot":
		err = d.restore(ctx, id, snapshot)
	case "ModifyDBInstance":
		if setsPassword(form) {
			err = errors.Join(d.rotate(ctx, id), d.dropSurplus(ctx, id))
		}
	case "DeleteDBInstance":
		if last := form.Get("FinalDBSnapshotIdentifier"); last != "" {
			err = d.take(ctx, id, last)
		}
		err = errors.Join(err, d.delete(ctx, id))
	case "CreateDBSnapshot":
		err = d.take(ctx, id, snapshot)
	case "DeleteDBSnapshot":
		d.forget(snapshot)
	}
	if err != nil {
		return nil, err
	}
	return instance.ReplaceAllFunc(body, d.amendInstance), nil
}

var (
	instance   = regexp.MustCompile(`(?s)<DBInstance>.*?</DBInstance>`)
	instanceID = regexp.MustCompile(`<DBInstanceIdentifier>([^<]+)</DBInstanceIdentifier>`)
)

const (
	availableElement = "<DBInstanceStatus>available</DBInstanceStatus>"
	insightsElements = "<PerformanceInsightsEnabled>true</PerformanceInsightsEnabled>" +
		"<PerformanceInsightsRetentionPeriod>7</PerformanceInsightsRetentionPeriod>"
)

func (d *databases) amendInstance(element []byte) []byte {
	match := instanceID.FindSubmatch(element)
	if match == nil {
		return element
	}
	d.mu.Lock()
	if d.insights[string(match[1])] {
		element = bytes.Replace(element, []byte("</DBInstance>"), []byte(insightsElements+"</DBInstance>"), 1)
	}
	d.mu.Unlock()
	status := d.status(string(match[1]))
	if status == "" { // moto's word holds for what has no server, such as another engine
		return element
	}
	// Where moto says anything else, it knows better: the instance is being deleted, say.
	return bytes.ReplaceAll(element, []byte(availableElement), []byte("<DBInstanceStatus>"+status+"</DBInstanceStatus>"))
}

func (d *databases) status(id string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.creating[id] {
		return database.Creating
	}
	return d.servers.Status(id)
}

// create starts a server for an instance that moto has taken, with a password of its own in the secret, and with what a snapshot
// holds, unless it is nil. It goes on by itself; the API shows the instance as creating.
func (d *databases) create(ctx context.Context, id string, from *database.Snapshot) error {
	found, err := d.describe(ctx, id)
	if err != nil {
		return err
	}
	if aws.ToString(found.Engine) != "postgres" {
		return nil
	}
	if found.MasterUserSecret == nil {
		return errors.New("only instances with ManageMasterUserPassword have a server in the embedded cloud")
	}
	password, err := random()
	if err != nil {
		return err
	}
	if err := d.keepPassword(ctx, found, password); err != nil {
		return err
	}
	parameters, err := d.parameters(ctx, found)
	if err != nil {
		return err
	}
	slow, _ := strconv.Atoi(parameters[slowSetting]) // -1 and nothing are none
	wanted := database.Instance{
		ID: id, Host: aws.ToString(found.Endpoint.Address), Port: port(found), Database: aws.ToString(found.DBName),
		User: aws.ToString(found.MasterUsername), Major: major(found), StorageMiB: dataVolumeMiB,
		ForceTLS: forcesTLS(parameters, major(found)), SlowMillis: max(slow, 0),
	}
	d.setCreating(id, true)
	d.working.Go(func() {
		err := d.servers.Create(d.ctx, wanted, password) // told in the log, and the API shows the instance as failed
		if err == nil && from != nil {
			err = d.servers.Restore(d.ctx, id, *from, password)
		}
		d.setCreating(id, false)
		if err == nil {
			err = d.bring(d.ctx, id, d.wanted()) // a fault may be older than the instance
		}
		if err != nil && d.ctx.Err() == nil {
			log.Printf("database %s: %v", id, err)
		}
	})
	return nil
}

// delete ends the server of an instance that moto has deleted. The id can be used again once the call is answered.
func (d *databases) delete(ctx context.Context, id string) error {
	d.mu.Lock()
	delete(d.ailing, id)
	d.mu.Unlock()
	if !d.servers.Known(id) { // of another engine, say
		return nil
	}
	return d.servers.Delete(ctx, id)
}

func (d *databases) setCreating(id string, creating bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.creating[id] = creating
}

func port(found rdstypes.DBInstance) int {
	return int(cmp.Or(aws.ToInt32(found.Endpoint.Port), postgresPort))
}

func major(found rdstypes.DBInstance) string {
	version, _, _ := strings.Cut(aws.ToString(found.EngineVersion), ".")
	return version
}

func (d *databases) describe(ctx context.Context, id string) (rdstypes.DBInstance, error) {
	found, err := d.api.DescribeDBInstances(ctx, &rds.DescribeDBInstancesInput{DBInstanceIdentifier: &id})
	if err != nil {
		return rdstypes.DBInstance{}, fmt.Errorf("read instance %s: %w", id, err)
	}
	return found.DBInstances[0], nil
}

// parameters are those of an instance's parameter group that somebody has set.
func (d *databases) parameters(ctx context.Context, found rdstypes.DBInstance) (map[string]string, error) {
	values := map[string]string{}
	for _, group := range found.DBParameterGroups {
		pages := rds.NewDescribeDBParametersPaginator(d.api, &rds.DescribeDBParametersInput{DBParameterGroupName: group.DBParameterGroupName})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, fmt.Errorf("read parameter group %s: %w", aws.ToString(group.DBParameterGroupName), err)
			}
			for _, parameter := range page.Parameters {
				if parameter.ParameterValue != nil {
					values[aws.ToString(parameter.ParameterName)] = *parameter.ParameterValue
				}
			}
		}
	}
	return values, nil
}

// forcesTLS says whether an instance refuses connections without TLS: by its parameters, else by its version.
func forcesTLS(parameters map[string]string, major string) bool {
	if value, set := parameters[forceTLSSetting]; set {
		return value == "1"
	}
	version, err := strconv.Atoi(major)
	return err == nil && version >= forceTLSSince
}
