package optionstest

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway/infra/config"
	"slipway/infra/edge"
	"slipway/infra/secrets"
	"slipway/infra/workload"

	"slipway/local/awsapi"
	"slipway/local/mototest"
)

// switches are what a run of the program has on.
type switches struct {
	row   config.Service
	sleep workload.Sleep
}

// program declares one service with what it needs around it.
func program(s switches) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		vpc, err := ec2.NewVpc(ctx, "vpc", &ec2.VpcArgs{CidrBlock: pulumi.String("10.0.0.0/16")})
		if err != nil {
			return err
		}
		subnets := pulumi.StringArray{}
		for i, zone := range []string{"a", "b"} {
			subnet, err := ec2.NewSubnet(ctx, "subnet-"+zone, &ec2.SubnetArgs{
				VpcId: vpc.ID(), CidrBlock: pulumi.Sprintf("10.0.%d.0/24", i), AvailabilityZone: pulumi.String(awsapi.Region + zone),
			})
			if err != nil {
				return err
			}
			subnets = append(subnets, subnet.ID())
		}
		front, err := edge.New(ctx, "edge", edge.Args{
			Name: "app-test", VPCID: vpc.ID(), SubnetIDs: subnets, IngressCIDRs: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}, IdleSeconds: 60,
		})
		if err != nil {
			return err
		}
		cluster, err := workload.NewCluster(ctx, "cluster", workload.ClusterArgs{Name: "app-test", ContainerInsights: "disabled"})
		if err != nil {
			return err
		}
		given := pulumi.StringMap{}
		if len(s.row.Secrets) > 0 {
			declared, err := secrets.New(ctx, "secrets", secrets.Args{Prefix: "app-test", Names: []string{"api"}})
			if err != nil {
				return err
			}
			given["API_KEY"] = declared.ARNs["api"]
		}
		_, err = workload.NewService(ctx, "web", workload.ServiceArgs{
			Row: s.row,
			Stack: workload.Surroundings{
				Prefix: "app-test", Partition: "aws", Account: awsapi.Account, Region: awsapi.Region, RegistryAccount: awsapi.Account,
				RepositoryPrefix: "app", LogRoot: "/app-test", LogRetentionDays: 7, DeployMinutes: 5, DrainSeconds: 5, IdleSeconds: 60, Sleep: s.sleep,
			},
			Image: pulumi.String("example.com/app/web@sha256:" + strings.Repeat("1", 64)), Revision: "1", Platform: "linux/arm64",
			Cluster: cluster, VPCID: vpc.ID(), SubnetIDs: subnets,
			Edge: workload.EdgeAccess{
				ListenerARN: front.ListenerARN, LoadBalancerSuffix: front.LoadBalancerSuffix, SecurityGroupID: front.SecurityGroupID,
			},
			Secrets:     workload.SecretInputs{ARNs: given},
			BoundaryARN: pulumi.String("arn:aws:iam::aws:policy/ReadOnlyAccess"),
		})
		return err
	}
}

func plain() switches {
	return switches{row: config.Service{
		Name: "web", Default: true, Port: 3000, CPU: 256, Memory: 512, Count: 1, SpotBase: 1, User: "1:1", HealthPath: "/",
		HealthCommand: []string{"true"}, HealthGraceSeconds: 60, StopSeconds: 30,
	}}
}

// TestOptions switches all on and off again, which AWS's API shows and another run leaves alone, after a refresh too. What moto does not give back of a service shows as changed on each run, so the service
// itself is left out where nothing may change.
func TestOptions(t *testing.T) {
	stack := mototest.Stack(t, "test", program(plain()), nil)
	off, on := plain(), plain()
	on.row.MaxCount, on.row.ScaleCPUPercent, on.row.ScaleMemoryPercent, on.row.ScaleRequests = 4, 60, 70, 600
	on.row.SpotPercent, on.row.Secrets = 70, map[string]string{"API_KEY": "api"}
	on.sleep = workload.Sleep{At: "cron(0 20 ? * MON-FRI *)", Until: "cron(0 6 ? * MON-FRI *)", TimeZone: "Europe/Berlin"}

	up(t, stack, off)
	log := up(t, stack, on)
	for _, want := range []string{"web-cpu created", "web-memory created", "web-requests created", "web-sleep created", "web-wake created", "api created"} {
		if !strings.Contains(log, want) {
			t.Errorf("no %q:\n%s", want, log)
		}
	}
	if !strings.Contains(log, "aws:ecs:Service web updated") {
		t.Errorf("the service has not changed its capacity in place:\n%s", log)
	}
	if touched := options(up(t, stack, on)); len(touched) > 0 {
		t.Errorf("another run changes %v", touched)
	}
	if _, err := stack.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if touched := options(up(t, stack, on)); len(touched) > 0 {
		t.Errorf("after a refresh another run changes %v", touched)
	}
	log = up(t, stack, off)
	for _, want := range []string{"web-cpu deleted", "web-sleep deleted", "web-wake deleted", "api deleted", "appautoscaling:Target web deleted", "aws:ecs:Service web updated"} {
		if !strings.Contains(log, want) {
			t.Errorf("no %q:\n%s", want, log)
		}
	}
	if _, err := stack.Destroy(t.Context()); err != nil {
		t.Error(err)
	}
}

// up runs the program and returns what the CLI printed.
func up(t *testing.T, stack auto.Stack, s switches) string {
	t.Helper()
	stack.Workspace().SetProgram(program(s))
	result, err := stack.Up(t.Context(), optup.SuppressProgress())
	if err != nil {
		t.Fatalf("%v\n%s", err, result.StdOut)
	}
	t.Log(result.StdOut)
	return result.StdOut
}

// options are the lines of a log that say that something of an option has changed.
func options(log string) []string {
	return slices.DeleteFunc(strings.Split(log, "\n"), func(line string) bool {
		changed := strings.Contains(line, " created") || strings.Contains(line, " updated") || strings.Contains(line, " deleted") || strings.Contains(line, " replaced")
		return !changed || !strings.Contains(line, "appautoscaling") && !strings.Contains(line, "secretsmanager") && !strings.Contains(line, "CapacityProviders")
	})
}
