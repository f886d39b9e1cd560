package cloud

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"

	"slipway/local/awsapi"
)

// xmlLists are the lists of services that answer in XML: what to call, and which element of the answer names a thing.
var xmlLists = []struct {
	service, version, action, element, form string // form: what else to say, such as a filter against what is deleted and still shown
}{
	{"ec2", ec2Version, "DescribeVpcs", "vpcId", ""},
	{"ec2", ec2Version, "DescribeSubnets", "subnetId", ""},
	{"ec2", ec2Version, "DescribeRouteTables", "routeTableId", ""},
	{"ec2", ec2Version, "DescribeInternetGateways", "internetGatewayId", ""},
	{"ec2", ec2Version, "DescribeNatGateways", "natGatewayId", "Filter.1.Name=state&Filter.1.Value.1=available"},
	{"ec2", ec2Version, "DescribeAddresses", "allocationId", ""},
	{"ec2", ec2Version, "DescribeVpcEndpoints", "vpcEndpointId", "Filter.1.Name=vpc-endpoint-state&Filter.1.Value.1=available"},
	{"ec2", ec2Version, "DescribeNetworkInterfaces", "networkInterfaceId", ""},
	{"ec2", ec2Version, "DescribeSecurityGroups", "groupId", ""},
	{"iam", "2010-05-08", "ListRoles", "RoleName", ""},
	{"iam", "2010-05-08", "ListPolicies", "Arn", "Scope=Local"},
	{"iam", "2010-05-08", "ListOpenIDConnectProviders", "Arn", ""},
	{"elasticloadbalancing", "2015-12-01", "DescribeLoadBalancers", "LoadBalancerArn", ""},
	{"elasticloadbalancing", "2015-12-01", "DescribeTargetGroups", "TargetGroupArn", ""},
	{"rds", "2014-10-31", "DescribeDBInstances", "DBInstanceIdentifier", ""},
	{"rds", "2014-10-31", "DescribeDBSubnetGroups", "DBSubnetGroupName", ""},
	{"rds", "2014-10-31", "DescribeDBParameterGroups", "DBParameterGroupName", ""},
	{"rds", "2014-10-31", "DescribeDBSnapshots", "DBSnapshotIdentifier", ""},
	{cloudWatchService, cloudWatchVersion, "DescribeAlarms", "AlarmName", ""},
	{cloudWatchService, cloudWatchVersion, "ListDashboards", "DashboardName", ""},
	{"sns", "2010-03-31", "ListTopics", "TopicArn", ""},
	{"sns", "2010-03-31", "ListSubscriptions", "SubscriptionArn", ""},
}

// jsonLists are those of services that answer in JSON: the list's key, and the key of an entry's name where entries are
// objects.
var jsonLists = []struct {
	service, target, list, name string
}{
	{"acm", acmTarget + ".ListCertificates", "CertificateSummaryList", "CertificateArn"},
	{"ecr", ecrTarget + ".DescribeRepositories", "repositories", "repositoryName"},
	{"ecs", ecsTarget + ".ListTaskDefinitions", "taskDefinitionArns", ""},
	{"secretsmanager", "secretsmanager.ListSecrets", "SecretList", "Name"},
	{"logs", "Logs_20140328.DescribeLogGroups", "logGroups", "logGroupName"},
	{"events", "AWSEvents.ListRules", "Rules", "Name"},
	{"servicediscovery", "Route53AutoNaming_v20170314.ListNamespaces", "Namespaces", "Name"},
}

// Inventory asks the API what exists and returns a sorted line for each thing: service, list and name.
func Inventory(ctx context.Context, endpoint string) ([]string, error) {
	api := emulatorOf(endpoint)
	var all []string
	for _, list := range xmlLists {
		form, err := url.ParseQuery(list.form)
		if err != nil {
			return nil, fmt.Errorf("understand the form of %s: %w", list.action, err)
		}
		form.Set("Action", list.action)
		form.Set("Version", list.version)
		answer, err := api.query(ctx, list.service, form)
		if err != nil {
			return nil, err
		}
		names, err := elements(answer, list.element)
		if err != nil {
			return nil, fmt.Errorf("understand the answer to %s: %w", list.action, err)
		}
		for _, name := range names {
			all = append(all, list.service+" "+list.action+" "+name)
		}
	}
	for _, list := range jsonLists {
		answer := map[string]json.RawMessage{}
		if err := api.json(ctx, list.service, list.target, map[string]any{}, &answer); err != nil {
			return nil, err
		}
		var entries []any
		if err := json.Unmarshal(answer[list.list], &entries); err != nil {
			return nil, fmt.Errorf("understand the answer to %s: %w", list.target, err)
		}
		for _, entry := range entries {
			if object, ok := entry.(map[string]any); ok {
				entry = object[list.name]
			}
			all = append(all, fmt.Sprintf("%s %s %v", list.service, list.list, entry))
		}
	}
	for _, more := range []func(context.Context, client) ([]string, error){activeClusters, allSchedules, buckets, customerKeys, dnsRecords, groupRules, routes} {
		names, err := more(ctx, api)
		if err != nil {
			return nil, err
		}
		all = append(all, names...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// activeClusters leaves out deleted clusters, which ECS shows as inactive for a while, and lists the services of the others.
func activeClusters(ctx context.Context, api client) ([]string, error) {
	var list struct{ ClusterArns []string }
	if err := api.json(ctx, "ecs", ecsTarget+".ListClusters", map[string]any{}, &list); err != nil {
		return nil, err
	}
	var found struct {
		Clusters []struct{ ClusterArn, Status string }
	}
	if err := api.json(ctx, "ecs", ecsTarget+".DescribeClusters", map[string]any{"clusters": list.ClusterArns}, &found); err != nil {
		return nil, err
	}
	var names []string
	for _, cluster := range found.Clusters {
		if cluster.Status != "ACTIVE" || !slices.Contains(list.ClusterArns, cluster.ClusterArn) {
			continue
		}
		names = append(names, "ecs clusters "+cluster.ClusterArn)
		services, err := servicesOf(ctx, api, cluster.ClusterArn)
		if err != nil {
			return nil, err
		}
		names = append(names, services...)
	}
	return names, nil
}

// servicesOf leaves out deleted services, which ECS shows as inactive for a while.
func servicesOf(ctx context.Context, api client, cluster string) ([]string, error) {
	var list struct{ ServiceArns []string }
	if err := api.json(ctx, "ecs", ecsTarget+".ListServices", map[string]any{"cluster": cluster, "maxResults": 100}, &list); err != nil {
		return nil, err
	}
	var names []string
	for page := range slices.Chunk(list.ServiceArns, 10) { // DescribeServices takes no more
		var found struct {
			Services []struct{ ServiceArn, Status string }
		}
		if err := api.json(ctx, "ecs", ecsTarget+".DescribeServices", map[string]any{"cluster": cluster, "services": page}, &found); err != nil {
			return nil, err
		}
		for _, service := range found.Services {
			if service.Status != "INACTIVE" {
				names = append(names, "ecs services "+service.ServiceArn)
			}
		}
	}
	return names, nil
}

func buckets(ctx context.Context, api client) ([]string, error) {
	answer, err := api.get(ctx, "s3", "/")
	if err != nil {
		return nil, err
	}
	var found struct {
		Names []string `xml:"Buckets>Bucket>Name"`
	}
	if err := xml.Unmarshal(answer, &found); err != nil {
		return nil, fmt.Errorf("understand the list of buckets: %w", err)
	}
	for i, name := range found.Names {
		found.Names[i] = "s3 ListBuckets " + name
	}
	return found.Names, nil
}

// dnsRecords leaves out what each hosted zone begins with. The zones are nobody's that the cloud knows.
func dnsRecords(ctx context.Context, api client) ([]string, error) {
	all, err := records(ctx, api)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, record := range all {
		if record.Type != "NS" && record.Type != "SOA" {
			names = append(names, "route53 ListResourceRecordSets "+record.Type+" "+record.Name)
		}
	}
	return names, nil
}

// allSchedules lists the schedules, and their groups but the one that every account has.
func allSchedules(ctx context.Context, api client) ([]string, error) {
	client := scheduler.NewFromConfig(awsapi.Config(api.endpoint))
	groups, err := client.ListScheduleGroups(ctx, &scheduler.ListScheduleGroupsInput{})
	if err != nil {
		return nil, fmt.Errorf("list the groups of schedules: %w", err)
	}
	var names []string
	for _, group := range groups.ScheduleGroups {
		if name := aws.ToString(group.Name); name != "default" {
			names = append(names, "scheduler groups "+name)
		}
	}
	schedules, err := client.ListSchedules(ctx, &scheduler.ListSchedulesInput{})
	if err != nil {
		return nil, fmt.Errorf("list the schedules: %w", err)
	}
	for _, schedule := range schedules.Schedules {
		names = append(names, "scheduler schedules "+aws.ToString(schedule.GroupName)+"/"+aws.ToString(schedule.Name))
	}
	return names, nil
}

// customerKeys leaves out the keys that AWS makes for its own services, which cost nothing and cannot be deleted. They are
// told by their aliases: moto says of every key that a customer manages it.
func customerKeys(ctx context.Context, api client) ([]string, error) {
	var aliases struct {
		Aliases []struct{ AliasName, TargetKeyID string }
	}
	if err := api.json(ctx, "kms", "TrentService.ListAliases", map[string]any{}, &aliases); err != nil {
		return nil, err
	}
	var list struct{ Keys []struct{ KeyID string } }
	if err := api.json(ctx, "kms", "TrentService.ListKeys", map[string]any{}, &list); err != nil {
		return nil, err
	}
	owned := map[string]bool{}
	for _, alias := range aliases.Aliases {
		owned[alias.TargetKeyID] = owned[alias.TargetKeyID] || strings.HasPrefix(alias.AliasName, "alias/aws/")
	}
	var names []string
	for _, key := range list.Keys {
		if !owned[key.KeyID] {
			names = append(names, "kms keys "+key.KeyID)
		}
	}
	return names, nil
}

// groupRules name the rules of security groups, with their groups.
func groupRules(ctx context.Context, api client) ([]string, error) {
	answer, err := api.query(ctx, "ec2", url.Values{"Action": {"DescribeSecurityGroupRules"}, "Version": {ec2Version}})
	if err != nil {
		return nil, err
	}
	var found struct {
		Rules []struct {
			ID    string `xml:"securityGroupRuleId"`
			Group string `xml:"groupId"`
		} `xml:"securityGroupRuleSet>item"`
	}
	if err := xml.Unmarshal(answer, &found); err != nil {
		return nil, fmt.Errorf("understand the answer to DescribeSecurityGroupRules: %w", err)
	}
	var names []string
	for _, rule := range found.Rules {
		names = append(names, "ec2 DescribeSecurityGroupRules "+rule.ID+" of "+rule.Group)
	}
	return names, nil
}

// routes are the listeners of load balancers and the rules that were made for them.
func routes(ctx context.Context, api client) ([]string, error) {
	var found struct {
		Balancers []string `xml:"DescribeLoadBalancersResult>LoadBalancers>member>LoadBalancerArn"`
		Listeners []string `xml:"DescribeListenersResult>Listeners>member>ListenerArn"`
		Rules     []struct {
			RuleArn   string
			IsDefault bool // made with its listener
		} `xml:"DescribeRulesResult>Rules>member"`
	}
	ask := func(action, key, value string) error {
		answer, err := api.query(ctx, "elasticloadbalancing", url.Values{"Action": {action}, "Version": {"2015-12-01"}, key: {value}})
		if err != nil {
			return err
		}
		return xml.Unmarshal(answer, &found) // which adds to the lists
	}
	if err := ask("DescribeLoadBalancers", "PageSize", "400"); err != nil {
		return nil, err
	}
	for _, balancer := range found.Balancers {
		if err := ask("DescribeListeners", "LoadBalancerArn", balancer); err != nil {
			return nil, err
		}
	}
	for _, listener := range found.Listeners {
		if err := ask("DescribeRules", "ListenerArn", listener); err != nil {
			return nil, err
		}
	}
	var names []string
	for _, listener := range found.Listeners {
		names = append(names, "elasticloadbalancing DescribeListeners "+listener)
	}
	for _, rule := range found.Rules {
		if !rule.IsDefault {
			names = append(names, "elasticloadbalancing DescribeRules "+rule.RuleArn)
		}
	}
	return names, nil
}

// elements collects the texts of all elements of a name.
func elements(document []byte, name string) ([]string, error) {
	decoder := xml.NewDecoder(bytes.NewReader(document))
	var texts []string
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return texts, nil
		}
		if err != nil {
			return nil, err
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != name {
			continue
		}
		var text string
		if err := decoder.DecodeElement(&text, &start); err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
}

// digestOf names content as registries do.
func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}
