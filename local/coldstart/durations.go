package coldstart

import "time"

// infraPrefix begins the types of the program's own components.
const infraPrefix = "slipway:"

// Level says which of the published durations is taken, for all types at once.
type Level int

// The lowest, the median and the highest of the samples of a type.
const (
	Low Level = iota
	Median
	High
)

func (l Level) String() string { return [...]string{"low", "median", "high"}[l] }

// duration is how long a resource of one type takes to create, as Terraform's log or the like tells it, in whole
// seconds that are rounded down.
type duration struct {
	at      [3]time.Duration // by Level
	from    []int            // indexes of sources, where it is published
	assumed string           // else the reason for a default of ours
	note    string
}

// seconds makes a duration of its samples' lowest, median and highest.
func seconds(low, median, high float64, note string, from ...int) duration {
	return duration{
		at:   [3]time.Duration{inSeconds(low), inSeconds(median), inSeconds(high)},
		from: from, note: note,
	}
}

func inSeconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

// assumed is a default for a type of which nothing published was found.
func assumed(second float64, why string) duration {
	return duration{at: [3]time.Duration{inSeconds(second), inSeconds(second), inSeconds(second)}, assumed: why}
}

// Indexes of sources.
const (
	bshehramNetwork = iota
	bshehramService
	vpcModule999
	steampipe792
	steampipe906
	steampipe555
	steampipe710
	steampipe131
	steampipe540
	steampipe31
	devopsArt5
	devopsArt22
	devopsArt36
	jina277
	learn6
	jimmyXu
	provider44194
	provider46800
	provider24223
	turnerFargate34
	provider23560
	dlavric
	timeTracker
	testManagement
	jeeEun
	klifehack
	steampipe62
	steampipe197
	steampipe489
)

// sources are where durations were read, in November 2026, from stored copies. Logs are of `terraform apply`, whose AWS
// provider is the one inside Pulumi's.
var sources = [...]string{
	bshehramNetwork: "Log of an apply of 255 resources: github.com/bshehram/devops-aws-tf, SAMPLE_TF_APPLY.md",
	bshehramService: "Log of an apply of 30 resources: github.com/bshehram/myservice-devops-aws-tf, SAMPLE_TF_APPLY.md",
	vpcModule999:    "Log of an apply: github.com/terraform-aws-modules/terraform-aws-vpc/issues/999",
	steampipe792:    "Log of a test: github.com/turbot/steampipe-plugin-aws/pull/792",
	steampipe906:    "Log of a test: github.com/turbot/steampipe-plugin-aws/pull/906",
	steampipe555:    "Log of a test: github.com/turbot/steampipe-plugin-aws/pull/555",
	steampipe710:    "Log of a test: github.com/turbot/steampipe-plugin-aws/pull/710",
	steampipe131:    "Log of a test: github.com/turbot/steampipe-plugin-aws/pull/131",
	steampipe540:    "Log of a test: github.com/turbot/steampipe-plugin-aws/pull/540",
	steampipe31:     "Log of a test: github.com/turbot/steampipe-plugin-aws/pull/31",
	devopsArt5:      "Log of Atlantis: github.com/DevopsArtFactory/terraform-provisioning/pull/5",
	devopsArt22:     "Log of Atlantis: github.com/DevopsArtFactory/terraform-provisioning/pull/22",
	devopsArt36:     "Log of Atlantis: github.com/DevopsArtFactory/terraform-provisioning/pull/36",
	jina277:         "Log of an apply: github.com/jina-ai/examples/pull/277",
	learn6:          "Log of an apply: github.com/hashicorp-education/learn-terraform-variables/pull/6",
	jimmyXu: "Log of an apply: github.com/Jimmy-Xu/learn-terraform, " +
		"aws/a-complete-aws-environment-with-terraform/README.md",
	provider44194:   "Acceptance tests: github.com/hashicorp/terraform-provider-aws/pull/44194",
	provider46800:   "Acceptance tests: github.com/hashicorp/terraform-provider-aws/pull/46800",
	provider24223:   "Acceptance tests: github.com/hashicorp/terraform-provider-aws/pull/24223",
	turnerFargate34: "Events of a Fargate service with times: github.com/turnerlabs/fargate/issues/34",
	provider23560:   "Acceptance tests: github.com/hashicorp/terraform-provider-aws/pull/23560",
	dlavric:         "Log of an apply: github.com/dlavric/aws-db-instance-import, README.md (MySQL, db.t3.micro)",
	timeTracker: "Log of an apply in a public DEVLOG.md, 8 November 2024, known by its text alone " +
		"(db-ONSYUMTQRPMNGTLJGHQUA4DW7E)",
	testManagement: "A public guide, known by its text alone (AWS環境構築ガイド：RDSデータベースのデプロイ; " +
		"development-postgres)",
	jeeEun:       "Jee-eun Kang, From 8 Minutes to 90 Seconds: www.jee-eun-k.dev/writing/post_20260427",
	klifehack:    "klifehack.com/en/p/nextjs-buildkit-registry-cache-optimization",
	steampipe62:  "Log of a test: github.com/turbot/steampipe-plugin-aws/pull/62",
	steampipe197: "Log of a test: github.com/turbot/steampipe-plugin-aws/pull/197",
	steampipe489: "Log of a test: github.com/turbot/steampipe-plugin-aws/pull/489",
}

// durations by Resource.Kind. A level is the lowest, the median and the highest of all samples in the sources, and the
// median of an even number is the mean of the two in the middle.
var durations = map[string]duration{
	"aws:cloudwatch/eventRule:EventRule":                  seconds(3, 3, 3, "one sample", steampipe62),
	"aws:cloudwatch/eventTarget:EventTarget":              seconds(2, 2, 2, "one sample", steampipe62),
	"aws:cloudwatch/metricAlarm:MetricAlarm":              seconds(4, 4, 4, "two samples", steampipe197, steampipe489),
	"aws:cloudwatch/logGroup:LogGroup":                    seconds(0, 1, 3, "", devopsArt36, steampipe31),
	"aws:ec2/defaultSecurityGroup:DefaultSecurityGroup":   seconds(1, 1, 2, "", bshehramNetwork),
	"aws:ec2/eip:Eip":                                     seconds(0, 1, 3, "", bshehramNetwork, devopsArt5, steampipe540, jimmyXu),
	"aws:ec2/internetGateway:InternetGateway":             seconds(0, 1, 6, "", bshehramNetwork, devopsArt5, steampipe540, jimmyXu),
	"aws:ec2/natGateway:NatGateway":                       seconds(84, 104, 124, "13 samples", bshehramNetwork, vpcModule999),
	"aws:ec2/route:Route":                                 seconds(0, 1, 2, "", bshehramNetwork),
	"aws:ec2/routeTable:RouteTable":                       seconds(0, 0, 2, "", bshehramNetwork, devopsArt5),
	"aws:ec2/routeTableAssociation:RouteTableAssociation": seconds(0, 0, 1, "", bshehramNetwork),
	"aws:ec2/securityGroup:SecurityGroup":                 seconds(2, 2, 12, "", bshehramService, jimmyXu),
	"aws:ec2/subnet:Subnet":                               seconds(0, 1, 11, "", bshehramNetwork, steampipe906, steampipe540, steampipe131, jimmyXu),
	"aws:ec2/vpc:Vpc": seconds(4, 12, 24, "8 samples",
		bshehramNetwork, steampipe906, steampipe540, steampipe131, devopsArt5, jimmyXu),
	"aws:ec2/vpcEndpoint:VpcEndpoint Gateway": seconds(6, 6, 6, "", bshehramNetwork),
	"aws:ec2/vpcEndpoint:VpcEndpoint Interface": seconds(58, 70, 109,
		"whole tests that create an endpoint, and destroy it: too long rather than too short", provider44194, provider46800),
	"aws:ecr/lifecyclePolicy:LifecyclePolicy": assumed(1,
		"one call; the provider waits for nothing (its internal/service/ecr/lifecycle_policy.go)"),
	"aws:ecr/repository:Repository": seconds(3, 3, 3, "one sample", jina277),
	"aws:ecs/clusterCapacityProviders:ClusterCapacityProviders": assumed(11,
		"the provider waits 10 seconds before it looks, as for the cluster (its internal/service/ecs/cluster.go)"),
	"aws:ecs/cluster:Cluster": seconds(14, 14, 14, "of which the provider waits 10 before it looks", steampipe555, steampipe710),
	"aws:ecs/service:Service": seconds(89, 129, 185,
		"low: from the start of tasks until their targets are healthy; median: until the service is steady, with old tasks to drain; "+
			"high: a whole test that waits for a steady state, and destroys it", turnerFargate34, provider24223),
	"aws:ecs/taskDefinition:TaskDefinition":               seconds(0, 2, 3, "", devopsArt36, jina277, steampipe555, steampipe710),
	"aws:iam/openIdConnectProvider:OpenIdConnectProvider": seconds(1, 1, 1, "one sample", devopsArt22),
	"aws:iam/policy:Policy": assumed(1,
		"one call, and one that reads; as a role's policy (the provider's internal/service/iam/policy.go)"),
	"aws:iam/role:Role":             seconds(0, 2.5, 7, "", bshehramService, devopsArt22, jina277, steampipe131),
	"aws:iam/rolePolicy:RolePolicy": seconds(1, 1, 1, "", devopsArt22),
	"aws:iam/rolePolicyAttachment:RolePolicyAttachment": assumed(1,
		"one call, and one that reads; as a role's policy (the provider's internal/service/iam/role_policy_attachment.go)"),
	"aws:lb/listener:Listener":         seconds(0, 0, 0, "", bshehramService),
	"aws:lb/listenerRule:ListenerRule": seconds(0, 0, 0, "one sample", bshehramService),
	"aws:lb/loadBalancer:LoadBalancer": seconds(139, 150.5, 162, "two samples", steampipe792, bshehramService),
	"aws:lb/targetGroup:TargetGroup":   seconds(0, 0, 0, "", bshehramService, devopsArt36),
	"aws:rds/instance:Instance": seconds(246, 390.5, 515,
		"low: MySQL; the two in the middle: PostgreSQL 16.3, and 14.13 on a db.t3.small, encrypted, with backups; high: a whole "+
			"test with PostgreSQL, which destroys it as well; all in one zone", dlavric, timeTracker, testManagement, provider23560),
	"aws:rds/parameterGroup:ParameterGroup": seconds(0, 0, 0, "one sample", bshehramService),
	"aws:rds/subnetGroup:SubnetGroup":       seconds(1, 1.5, 2, "", bshehramService, steampipe906),
	"aws:secretsmanager/secret:Secret": assumed(1,
		"one call, and two that read; the provider waits for nothing that concerns it (its internal/service/secretsmanager/secret.go)"),
	"aws:sns/topic:Topic":             seconds(3, 3, 3, "one sample", steampipe62),
	"aws:sns/topicPolicy:TopicPolicy": seconds(2, 2, 2, "one sample", steampipe62),
	"aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": seconds(2, 3, 5,
		"of aws_security_group_rule, which makes the same call", learn6),
	"aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": seconds(2, 3, 5,
		"of aws_security_group_rule, which makes the same call", learn6),
	"docker:index/image:Image": seconds(42, 263.5, 480,
		"builds and pushes of larger Next.js apps in CI: everything cached, tuned with nothing cached, and untuned", jeeEun, klifehack),
}
