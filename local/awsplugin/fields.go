package main

import bridge "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"

// fields are those whose shape the bridge would not give as the SDK package has it: what may stand there once, an alias of Service
// Connect or the target of a DNS record, is a list in the SDK; and some have other names there.
var fields = map[string]map[string]*bridge.SchemaInfo{
	"aws_cloudwatch_metric_alarm": {"alarm_name": {Name: "name"}},
	"aws_ecs_service": {"service_connect_configuration": within(
		"service", within("client_alias", &bridge.SchemaInfo{Name: "clientAlias", MaxItemsOne: bridge.False()}),
	)},
	"aws_route53_record":         {"alias": {Name: "aliases", MaxItemsOne: bridge.False()}},
	"aws_sns_topic_subscription": {"topic_arn": {Name: "topic"}},
}

// within describes a field of the objects in a list.
func within(name string, field *bridge.SchemaInfo) *bridge.SchemaInfo {
	return &bridge.SchemaInfo{Elem: &bridge.SchemaInfo{Fields: map[string]*bridge.SchemaInfo{name: field}}}
}
