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
)

// xmlLists are the lists of services that answer in XML: what to call, and which element of the answer names a thing.
var xmlLists = []struct {
	service, version, action, element, filter string
}{
	{"ec2", "2016-11-15", "DescribeVpcs", "vpcId", ""},
	{"ec2", "2016-11-15", "DescribeSubnets", "subnetId", ""},
	{"ec2", "2016-11-15", "DescribeRouteTables", "routeTableId", ""},
	{"ec2", "2016-11-15", "DescribeInternetGateways", "internetGatewayId", ""},
	{"ec2", "2016-11-15", "DescribeNatGateways", "natGatewayId", "available"}, // deleted ones are shown for an hour
	{"ec2", "2016-11-15", "DescribeAddresses", "allocationId", ""},
	{"ec2", "2016-11-15", "DescribeVpcEndpoints", "vpcEndpointId", ""},
	{"ec2", "2016-11-15", "DescribeNetworkInterfaces", "networkInterfaceId", ""},
	{"ec2", "2016-11-15", "DescribeSecurityGroups", "groupId", ""},
	{"ec2", "2016-11-15", "DescribeSecurityGroupRules", "securityGroupRuleId", ""},
	{"iam", "2010-05-08", "ListRoles", "RoleName", ""},
	{"iam", "2010-05-08", "ListOpenIDConnectProviders", "Arn", ""},
	{"elasticloadbalancing", "2015-12-01", "DescribeLoadBalancers", "LoadBalancerArn", ""},
	{"elasticloadbalancing", "2015-12-01", "DescribeTargetGroups", "TargetGroupArn", ""},
	{"rds", "2014-10-31", "DescribeDBInstances", "DBInstanceIdentifier", ""},
	{"rds", "2014-10-31", "DescribeDBSubnetGroups", "DBSubnetGroupName", ""},
	{"rds", "2014-10-31", "DescribeDBParameterGroups", "DBParameterGroupName", ""},
	{"rds", "2014-10-31", "DescribeDBSnapshots", "DBSnapshotIdentifier", ""},
}

// jsonLists are those of services that answer in JSON: the list's key, and the key of an entry's name where entries are
// objects.
var jsonLists = []struct {
	service, target, list, name string
}{
	{"ecr", ecrTarget + ".DescribeRepositories", "repositories", "repositoryName"},
	{"ecs", ecsTarget + ".ListClusters", "clusterArns", ""},
	{"ecs", ecsTarget + ".ListTaskDefinitions", "taskDefinitionArns", ""},
	{"secretsmanager", "secretsmanager.ListSecrets", "SecretList", "Name"},
	{"logs", "Logs_20140328.DescribeLogGroups", "logGroups", "logGroupName"},
	{"kms", "TrentService.ListKeys", "Keys", "KeyId"},
}

// Inventory asks the API what exists and returns a sorted line for each thing: service, list and name.
func Inventory(ctx context.Context, endpoint string) ([]string, error) {
	api := emulatorOf(endpoint)
	var all []string
	for _, list := range xmlLists {
		form := url.Values{"Action": {list.action}, "Version": {list.version}}
		if list.filter != "" {
			form.Set("Filter.1.Name", "state")
			form.Set("Filter.1.Value.1", list.filter)
		}
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
	slices.Sort(all)
	return slices.Compact(all), nil
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
