package cloud_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsecs "github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	awsrds "github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/smithy-go"

	"slipway/local/awsapi"
	"slipway/local/cloud"
	"slipway/local/faults"
)

// inject puts a fault in force until the returned function, or the end of the test, ends all faults.
func (f *fixture) inject(fault faults.Fault) (end func()) {
	f.t.Helper()
	if err := cloud.AddFault(f.t.Context(), f.state.Endpoint, fault); err != nil {
		f.t.Fatal(err)
	}
	return func() {
		f.t.Helper()
		f.ok(cloud.ClearFaults(f.t.Context(), f.state.Endpoint))
		if left, err := cloud.Faults(f.t.Context(), f.state.Endpoint); err != nil || len(left) > 0 {
			f.t.Errorf("after all faults have ended: %v, %v", left, err)
		}
	}
}

// TestFaults holds that each fault on demand is met at the cloud's endpoint by real clients, is listed while it is in force,
// and is over when it is cleared.
func TestFaults(t *testing.T) {
	f := own(t)
	for _, one := range []struct {
		name string
		test func(*testing.T, *fixture)
	}{{"calls", faultsOfCalls}, {"tasks", faultsOfTasks}, {"databases", faultsOfDatabases}} {
		t.Run(one.name, func(t *testing.T) {
			here := *f
			here.t = t
			one.test(t, &here)
		})
	}
}

// codeOf is the code of an error of the API.
func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

func faultsOfCalls(t *testing.T, f *fixture) {
	describe := func() error {
		_, err := f.ecs.DescribeClusters(t.Context(), &awsecs.DescribeClustersInput{})
		return err
	}
	groups := func() error {
		_, err := f.elb.DescribeTargetGroups(t.Context(), &elb.DescribeTargetGroupsInput{})
		return err
	}
	for _, one := range []struct {
		fault faults.Fault
		call  func() error
		code  string
	}{
		{faults.Fault{Kind: faults.Throttle, Service: "ecs", Operation: "DescribeClusters"}, describe, "ThrottlingException"},
		{faults.Fault{Kind: faults.Throttle, Service: "elasticloadbalancing"}, groups, "Throttling"},
		{faults.Fault{Kind: faults.Error, Service: "ecs"}, describe, "InternalServerError"},
		{faults.Fault{Kind: faults.Error, Operation: "DescribeTargetGroups"}, groups, "InternalFailure"},
	} {
		end := f.inject(one.fault)
		if listed, err := cloud.Faults(t.Context(), f.state.Endpoint); err != nil || !slices.Equal(listed, []faults.Fault{one.fault}) {
			t.Errorf("in force are %v, %v", listed, err)
		}
		if err := one.call(); codeOf(err) != one.code {
			t.Errorf("%s: %v", one.fault, err)
		}
		end()
		if err := one.call(); err != nil {
			t.Errorf("after %s: %v", one.fault, err)
		}
		one.fault.Times = 2 // of the three attempts that the SDK makes
		f.inject(one.fault)
		if err := one.call(); err != nil {
			t.Errorf("%s: %v", one.fault, err)
		}
		if listed, err := cloud.Faults(t.Context(), f.state.Endpoint); err != nil || len(listed) > 0 {
			t.Errorf("after its calls a fault is still in force: %v, %v", listed, err)
		}
	}

	end := f.inject(faults.Fault{Kind: faults.Slow, Service: "ecs", Delay: 700 * time.Millisecond})
	begin := time.Now()
	if err := describe(); err != nil || time.Since(begin) < 700*time.Millisecond {
		t.Errorf("a slow call took %s: %v", time.Since(begin), err)
	}
	end()

	// The call is carried out, the SDK hears nothing of it, and asks again.
	first := f.define("REVISION=lost")
	f.inject(faults.Fault{Kind: faults.Lost, Service: "ecs", Operation: "RegisterTaskDefinition", Times: 1})
	second := f.define("REVISION=lost")
	if !strings.HasSuffix(first, ":1") || !strings.HasSuffix(second, ":3") {
		t.Errorf("one lost answer between makes of %s %s", first, second)
	}
	if words := lastWords(f.state); !strings.Contains(words, "ecs RegisterTaskDefinition of "+awsapi.Housekeeping+" is made again (attempt=2") {
		t.Errorf("the log does not tell of a call that was made again:\n%s", words)
	}
	err := cloud.AddFault(t.Context(), f.state.Endpoint, faults.Fault{Kind: "flood"})
	if err == nil || !strings.Contains(err.Error(), `no fault "flood"`) {
		t.Errorf("an unknown fault: %v", err)
	}
}

func faultsOfTasks(t *testing.T, f *fixture) {
	w := f.serve(f.define("REVISION=one"), 1)
	w.settle()
	before := f.list(ecstypes.DesiredStatusRunning)

	definition := f.define("EXIT_AFTER=0.1", "EXIT_CODE=0")
	for _, one := range []struct {
		kind  faults.Kind
		words string
	}{{faults.Registry, "failed to resolve ref"}, {faults.DiskFull, "no space left on device"}} {
		end := f.inject(faults.Fault{Kind: one.kind})
		task := f.becomes(f.run(definition), "STOPPED")
		if reason := aws.ToString(task.StoppedReason); task.StopCode != ecstypes.TaskStopCodeTaskFailedToStart ||
			!strings.HasPrefix(reason, "CannotPullContainerError: ") || !strings.Contains(reason, one.words) {
			t.Errorf("%s: %s, %s", one.kind, task.StopCode, reason)
		}
		if body, code := w.answer("/app"); body != "one" || code != http.StatusOK {
			t.Errorf("%s: what runs already answers %d %s", one.kind, code, body)
		}
		end()
		if task := f.becomes(f.run(definition), "STOPPED"); task.StopCode != ecstypes.TaskStopCodeEssentialContainerExited {
			t.Errorf("after %s: %s, %s", one.kind, task.StopCode, aws.ToString(task.StoppedReason))
		}
	}

	f.inject(faults.Fault{Kind: faults.TasksLost, Times: 1})
	lost := f.becomes(aws.ToString(before[0].TaskArn), "STOPPED")
	if lost.StopCode != ecstypes.TaskStopCodeTerminationNotice || lost.Containers[0].ExitCode != nil {
		t.Errorf("a lost task: %s, %s, code %v", lost.StopCode, aws.ToString(lost.StoppedReason), lost.Containers[0].ExitCode)
	}
	await(t, "another task has taken the lost one's place", func() bool {
		running := f.list(ecstypes.DesiredStatusRunning)
		if len(running) != 1 || aws.ToString(running[0].TaskArn) == aws.ToString(lost.TaskArn) {
			return false
		}
		health, err := f.elb.DescribeTargetHealth(t.Context(), &elb.DescribeTargetHealthInput{TargetGroupArn: &w.group})
		f.ok(err)
		targets := health.TargetHealthDescriptions
		return len(targets) == 1 && targets[0].TargetHealth.State == elbtypes.TargetHealthStateEnumHealthy
	})
	if body, code := w.answer("/app"); body != "one" || code != http.StatusOK {
		t.Errorf("after the loss it answers %d %s", code, body)
	}
	if s := w.service(); s.Deployments[0].RolloutState != ecstypes.DeploymentRolloutStateCompleted || len(w.deployments()) != 1 {
		t.Errorf("a lost task has begun a deployment: %+v", s.Deployments)
	}
}

func faultsOfDatabases(t *testing.T, f *fixture) {
	d := f.createDatabase("faulty")
	secret := d.secret()
	status := func() string {
		found, err := f.rds.DescribeDBInstances(t.Context(), &awsrds.DescribeDBInstancesInput{DBInstanceIdentifier: &d.id})
		f.ok(err)
		return aws.ToString(found.DBInstances[0].DBInstanceStatus)
	}
	// A slow server stands still for most of each half second, so within a second some answer comes late, however fast
	// the machine is.
	standsStill := func() bool {
		late := false
		for begin := time.Now(); time.Since(begin) < time.Second; {
			asked := time.Now()
			_, err := d.ask(secret, "SELECT 1")
			f.ok(err)
			late = late || time.Since(asked) > 300*time.Millisecond
		}
		return late
	}
	if _, err := d.ask(secret, "CREATE TABLE kept AS SELECT 1 AS n"); err != nil {
		t.Fatal(err)
	}

	end := f.inject(faults.Fault{Kind: faults.DatabaseDown})
	if _, err := d.ask(secret, "SELECT 1"); !errors.Is(err, syscall.ECONNREFUSED) || status() != "stopped" {
		t.Errorf("a server that is down is %s: %v", status(), err)
	}
	// What needs the server is refused before anything has happened.
	for what, err := range map[string]error{
		"a snapshot": second(f.rds.CreateDBSnapshot(t.Context(), &awsrds.CreateDBSnapshotInput{
			DBInstanceIdentifier: &d.id, DBSnapshotIdentifier: aws.String("of-nothing"),
		})),
		"a last snapshot": second(f.rds.DeleteDBInstance(t.Context(), &awsrds.DeleteDBInstanceInput{
			DBInstanceIdentifier: &d.id, FinalDBSnapshotIdentifier: aws.String("of-nothing"),
		})),
		"a rotation": second(f.rds.ModifyDBInstance(t.Context(), &awsrds.ModifyDBInstanceInput{
			DBInstanceIdentifier: &d.id, RotateMasterUserPassword: aws.Bool(true), ApplyImmediately: aws.Bool(true),
		})),
	} {
		if codeOf(err) != "InvalidDBInstanceState" || !strings.Contains(err.Error(), "stopped") {
			t.Errorf("%s of a server that is down: %v", what, err)
		}
	}
	if d.secret() != secret || status() != "stopped" {
		t.Errorf("after refusals the instance is %s, and its secret another: %v", status(), d.secret() != secret)
	}
	// An end that fails is tried again.
	d.paused(func() {
		if err := cloud.ClearFaults(t.Context(), f.state.Endpoint); err == nil {
			t.Error("a server that cannot start has ended its fault")
		}
	})
	end()
	if answer, err := d.ask(secret, "SELECT n FROM kept"); answer != "1" || err != nil || status() != "available" {
		t.Errorf("after it was down it is %s: %s, %v", status(), answer, err)
	}

	end = f.inject(faults.Fault{Kind: faults.DatabaseSlow})
	for range 3 {
		if !standsStill() {
			t.Error("a slow server answers within 300 ms for a whole second")
		}
	}
	end()
	await(t, "a server that was slow answers at once again", func() bool { return !standsStill() })

	end = f.inject(faults.Fault{Kind: faults.DatabaseFull})
	const grow = "INSERT INTO kept SELECT n FROM generate_series(1, 100000) AS n"
	if _, err := d.ask(secret, grow); stateOf(err) != "53100" || status() != "storage-full" {
		t.Errorf("a full server is %s: %v", status(), err)
	}
	if answer, err := d.ask(secret, "SELECT max(n) FROM kept"); answer != "1" || err != nil {
		t.Errorf("a full server reads %s, %v", answer, err)
	}
	end()
	if _, err := d.ask(secret, grow); err != nil || status() != "available" {
		t.Errorf("after it was full it is %s: %v", status(), err)
	}
}

// TestUnable holds that what the data plane does not do is refused in words, or, where the rest can be carried out without
// it, told in the cloud's log.
func TestUnable(t *testing.T) {
	f := own(t)
	group, url := f.balance()
	_, err := f.elb.ModifyTargetGroupAttributes(t.Context(), &elb.ModifyTargetGroupAttributesInput{
		TargetGroupArn: &group, Attributes: []elbtypes.TargetGroupAttribute{
			{Key: aws.String("stickiness.enabled"), Value: aws.String("true")},
		},
	})
	f.ok(err)
	if words := lastWords(f.state); !strings.Contains(words, `attribute stickiness.enabled is "true"`) {
		t.Errorf("the log does not tell of an attribute that is not carried out:\n%s", words)
	}
	if _, code := (web{f, group, url}).answer("/other"); code != http.StatusNotFound {
		t.Errorf("beside it, the load balancer answers %d", code)
	}
	var notFound *elbtypes.TargetGroupNotFoundException
	if _, err := f.elb.DescribeTargetHealth(t.Context(), &elb.DescribeTargetHealthInput{
		TargetGroupArn: aws.String("arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/none/1"),
	}); !errors.As(err, &notFound) {
		t.Errorf("the health of a group that is not there: %v", err)
	}
	_, err = f.rds.CreateDBInstance(t.Context(), &awsrds.CreateDBInstanceInput{
		DBInstanceIdentifier: aws.String("plain"), DBInstanceClass: aws.String("db.t4g.micro"), Engine: aws.String("postgres"),
		AllocatedStorage: aws.Int32(20), MasterUsername: aws.String("app"), MasterUserPassword: aws.String("password"),
	})
	if codeOf(err) != "UnsupportedOperation" || !strings.Contains(err.Error(), "ManageMasterUserPassword") {
		t.Errorf("an instance with a password of its own: %v", err)
	}
	for what, err := range map[string]error{
		"stopping an instance":  second(f.rds.StopDBInstance(t.Context(), &awsrds.StopDBInstanceInput{DBInstanceIdentifier: aws.String("any")})),
		"starting an instance":  second(f.rds.StartDBInstance(t.Context(), &awsrds.StartDBInstanceInput{DBInstanceIdentifier: aws.String("any")})),
		"rebooting an instance": second(f.rds.RebootDBInstance(t.Context(), &awsrds.RebootDBInstanceInput{DBInstanceIdentifier: aws.String("any")})),
		"another name for it":   second(f.rds.ModifyDBInstance(t.Context(), &awsrds.ModifyDBInstanceInput{DBInstanceIdentifier: aws.String("any"), NewDBInstanceIdentifier: aws.String("other")})),
	} {
		if codeOf(err) != "UnsupportedOperation" || !strings.Contains(err.Error(), "embedded cloud") {
			t.Errorf("%s: %v", what, err)
		}
	}
	for operation, err := range map[string]error{
		"ExecuteCommand": second(f.ecs.ExecuteCommand(t.Context(), &awsecs.ExecuteCommandInput{
			Cluster: &f.cluster, Task: aws.String("none"), Command: aws.String("sh"), Interactive: true,
		})),
		"CreateTaskSet": second(f.ecs.CreateTaskSet(t.Context(), &awsecs.CreateTaskSetInput{
			Cluster: &f.cluster, Service: &f.cluster, TaskDefinition: &f.cluster,
		})),
		"RunTask with overrides": second(f.ecs.RunTask(t.Context(), &awsecs.RunTaskInput{
			Cluster: &f.cluster, TaskDefinition: &f.cluster, Overrides: &ecstypes.TaskOverride{Cpu: aws.String("256")},
		})),
	} {
		if codeOf(err) != "UnsupportedFeatureException" {
			t.Errorf("%s: %v", operation, err)
		}
	}
}
