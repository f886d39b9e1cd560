package calls

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"slipway/local/awsapi"
)

// parameters are those of a call at its top level: the values of one, or nothing. A value that is no text is an empty one.
type parameters func(name string) []string

func jsonParameters(fields map[string]any) parameters {
	return func(name string) []string {
		switch value := fields[name].(type) {
		case string:
			return []string{value}
		case []any:
			var texts []string
			for _, entry := range value {
				text, _ := entry.(string) // what is no text is there, and no name
				texts = append(texts, text)
			}
			return texts
		case map[string]any:
			return make([]string, len(value))
		}
		return nil
	}
}

// formParameters reads lists as the query protocol spells them: NAME.member.1, in EC2 NAME.1, and of tags in RDS NAME.Tag.1.
func formParameters(form url.Values) parameters {
	return func(name string) []string {
		if value := form.Get(name); value != "" {
			return []string{value}
		}
		var texts []string
		for i := 1; ; i++ {
			value, found := entry(form, name, strconv.Itoa(i))
			if !found {
				return texts
			}
			texts = append(texts, value)
		}
	}
}

// entry is one of a list's, which may be an object.
func entry(form url.Values, list, number string) (value string, found bool) {
	for _, between := range []string{".member.", ".", ".Tag."} {
		name := list + between + number
		for key := range form {
			if key == name || strings.HasPrefix(key, name+".") {
				return form.Get(name), true
			}
		}
	}
	return "", false
}

// describe notes what a call is for.
func (c *Call) describe(get parameters) {
	for _, list := range []string{"tags", "Tags", "TagSpecification"} {
		c.Tagged = c.Tagged || len(get(list)) > 0
	}
	c.Tagged = c.Tagged && !strings.Contains(c.Operation, "Tag") // such as TagRole, which needs no other permission
	for _, role := range []string{"executionRoleArn", "taskRoleArn"} {
		c.Passed = append(c.Passed, get(role)...)
	}
	c.Boundary = strings.Join(get("PermissionsBoundary"), "")
	for _, n := range names {
		if !n.isFor(*c) {
			continue
		}
		for _, name := range get(n.parameter) {
			if name != "" {
				c.Resources = append(c.Resources, n.arn(name, get))
			}
		}
	}
}

// named is a parameter that names a resource.
type named struct {
	service, parameter string
	before, after      string   // what the ARN has around the name
	global             bool     // whether the ARN has no region
	operations         []string // that it is for; all if empty
	not                []string
}

func (n named) isFor(c Call) bool {
	return n.service == c.Service && !slices.Contains(n.not, c.Operation) &&
		(len(n.operations) == 0 || slices.Contains(n.operations, c.Operation))
}

// The service's own words for its resources, as the Service Authorization Reference has them. Services whose resources have
// generated ids, such as EC2, are not here: the policies cannot name them.
var names = []named{
	// A target's ARN ends in an id; whatever is given here fits what a policy can say of it.
	{service: "application-autoscaling", parameter: "ResourceId", before: "scalable-target/"},
	{service: "application-autoscaling", parameter: "ResourceARN"},

	{service: "acm", parameter: "CertificateArn"},
	{service: "acm", parameter: "DomainName", before: "certificate/"},

	{service: "cloudwatch", parameter: "AlarmName", before: "alarm:"},
	{service: "cloudwatch", parameter: "AlarmNames", before: "alarm:"},
	{service: "cloudwatch", parameter: "DashboardName", before: "dashboard/", global: true},
	{service: "cloudwatch", parameter: "DashboardNames", before: "dashboard/", global: true},
	{service: "cloudwatch", parameter: "ResourceARN"},

	{service: "ecr", parameter: "repositoryName", before: "repository/"},
	{service: "ecr", parameter: "repositoryNames", before: "repository/"},
	{service: "ecr", parameter: "resourceArn"},

	{service: "ecs", parameter: "clusterName", before: "cluster/"},
	{service: "ecs", parameter: "clusters", before: "cluster/"},
	{service: "ecs", parameter: "cluster", before: "cluster/", operations: []string{"DeleteCluster", "PutClusterCapacityProviders", "UpdateCluster"}},
	{service: "ecs", parameter: "serviceName", before: "service/CLUSTER/"},
	{service: "ecs", parameter: "services", before: "service/CLUSTER/"},
	{service: "ecs", parameter: "service", before: "service/CLUSTER/"},
	{service: "ecs", parameter: "serviceDeploymentArns"},
	{service: "ecs", parameter: "tasks", before: "task/CLUSTER/"},
	{service: "ecs", parameter: "family", before: "task-definition/", after: ":new", operations: []string{"RegisterTaskDefinition"}},
	{service: "ecs", parameter: "resourceArn"},

	{
		service: "elasticloadbalancing", parameter: "Name", before: "loadbalancer/app/", after: "/new",
		operations: []string{"CreateLoadBalancer"},
	},
	{
		service: "elasticloadbalancing", parameter: "Name", before: "targetgroup/", after: "/new",
		operations: []string{"CreateTargetGroup"},
	},
	{service: "elasticloadbalancing", parameter: "LoadBalancerArn"},
	{service: "elasticloadbalancing", parameter: "ListenerArn"},
	{service: "elasticloadbalancing", parameter: "RuleArn"},
	{service: "elasticloadbalancing", parameter: "TargetGroupArn"},
	{service: "elasticloadbalancing", parameter: "ResourceArns"},

	{service: "events", parameter: "Name", before: "rule/"},
	{service: "events", parameter: "Rule", before: "rule/"},
	{service: "events", parameter: "ResourceARN"},

	{service: "iam", parameter: "RoleName", before: "role/"},
	{service: "iam", parameter: "PolicyName", before: "policy/", operations: []string{"CreatePolicy"}},
	{service: "iam", parameter: "PolicyArn", not: []string{"AttachRolePolicy", "DetachRolePolicy"}}, // which are of the role
	{service: "iam", parameter: "OpenIDConnectProviderArn"},
	{service: "iam", parameter: "Url", before: "oidc-provider/"},

	{service: "logs", parameter: "logGroupName", before: "log-group:", not: []string{"GetLogEvents"}},
	{service: "logs", parameter: "logStreamName", before: "log-group:GROUP:log-stream:", operations: []string{"GetLogEvents"}},
	{service: "logs", parameter: "resourceArn"},

	{service: "rds", parameter: "DBInstanceIdentifier", before: "db:"},
	{service: "rds", parameter: "DBParameterGroupName", before: "pg:"},
	{service: "rds", parameter: "DBSubnetGroupName", before: "subgrp:"},
	{service: "rds", parameter: "DBSnapshotIdentifier", before: "snapshot:"},
	{service: "rds", parameter: "ResourceName"},

	{service: "secretsmanager", parameter: "Name", before: "secret:", after: "-123456", operations: []string{"CreateSecret"}},
	{service: "secretsmanager", parameter: "SecretId", before: "secret:"},

	{service: "servicediscovery", parameter: "Id", before: "namespace/", operations: []string{"DeleteNamespace", "GetNamespace"}},
	{service: "servicediscovery", parameter: "ResourceARN"},

	{service: "sns", parameter: "Name", operations: []string{"CreateTopic"}},
	{service: "sns", parameter: "TopicArn"},
	{service: "sns", parameter: "SubscriptionArn"},
	{service: "sns", parameter: "ResourceArn"},
	{service: "secretsmanager", parameter: "Name", before: "secret:", after: "-newone"}, // characters of Secrets Manager's own
	{service: "secretsmanager", parameter: "SecretId"},
}

// arn is the ARN of what is named, which may be one already.
func (n named) arn(name string, get parameters) string {
	if at := strings.LastIndex(name, ":"); n.parameter == "SubscriptionArn" && at > 0 {
		return name[:at] // SNS holds what is done with a subscription against its topic
	}
	if strings.HasPrefix(name, "arn:") {
		return name
	}
	region := awsapi.Region
	if n.service == "iam" || n.global {
		region = ""
	}
	cluster := strings.Join(get("cluster"), "")
	before := strings.NewReplacer(
		"CLUSTER", cluster[strings.LastIndex(cluster, "/")+1:],
		"GROUP", strings.Join(get("logGroupName"), ""),
	).Replace(n.before)
	name = before + strings.TrimPrefix(name, "https://") + n.after
	return strings.Join([]string{"arn:aws", n.service, region, awsapi.Account, name}, ":")
}
