package cost

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"slipway/ops/enginejson"
)

// rules price resources, by type.
var rules = map[string]func(*pricing, enginejson.Resource){
	"aws:lb/loadBalancer:LoadBalancer":             (*pricing).loadBalancer,
	"aws:alb/loadBalancer:LoadBalancer":            (*pricing).loadBalancer,
	"aws:ec2/natGateway:NatGateway":                (*pricing).natGateway,
	"aws:ec2/eip:Eip":                              (*pricing).address,
	"aws:ec2/vpcEndpoint:VpcEndpoint":              (*pricing).endpoint,
	"aws:ec2/flowLog:FlowLog":                      (*pricing).flowLog,
	"aws:ecs/cluster:Cluster":                      (*pricing).cluster,
	"aws:ecs/service:Service":                      (*pricing).service,
	"aws:rds/instance:Instance":                    (*pricing).database,
	"aws:secretsmanager/secret:Secret":             (*pricing).secret,
	"aws:kms/key:Key":                              (*pricing).key,
	"aws:cloudwatch/logGroup:LogGroup":             (*pricing).logGroup,
	"aws:cloudwatch/metricAlarm:MetricAlarm":       (*pricing).alarm,
	"aws:cloudwatch/compositeAlarm:CompositeAlarm": (*pricing).compositeAlarm,
	"aws:cloudwatch/dashboard:Dashboard":           (*pricing).dashboard,
	"aws:ecr/repository:Repository":                (*pricing).repository,
	"aws:route53/zone:Zone":                        (*pricing).zone,
	"aws:s3/bucket:Bucket":                         (*pricing).bucket,
	"aws:s3/bucketV2:BucketV2":                     (*pricing).bucket,
	"aws:sns/topic:Topic":                          (*pricing).topic,
	"aws:scheduler/schedule:Schedule":              (*pricing).schedule,
	"aws:cloudwatch/eventRule:EventRule":           (*pricing).eventRule,
}

func (p *pricing) loadBalancer(r enginejson.Resource) {
	kind := text(r, "loadBalancerType", "application")
	switch kind {
	case "application":
		p.item(r, "", "application load balancer", hours("loadBalancer.application", 1))
		p.depends("load balancer capacity units: connections, bytes and rules", "loadBalancer.applicationUnit", "unit and hour")
	case "network":
		p.item(r, "", "network load balancer", hours("loadBalancer.network", 1))
		p.depends("network load balancer capacity units", "", "")
	default:
		p.gap(r, "the price table does not know this kind of load balancer")
		return
	}
	if yes(r, "internal") {
		return
	}
	subnets, known := list(r, "subnets")
	if mappings, ok := list(r, "subnetMappings"); len(subnets) == 0 {
		subnets, known = mappings, known && ok
	}
	if !known || len(subnets) == 0 {
		p.gapOf(r, "addresses", "public addresses: the number of its subnets is not known before the update")
		return
	}
	count := int64(len(subnets))
	p.item(r, "addresses", plural(count, "public IPv4 address")+" of the load balancer, one a zone", hours("address.ipv4", count))
}

func (p *pricing) natGateway(r enginejson.Resource) {
	p.item(r, "", "NAT gateway", hours("nat.gateway", 1))
	p.depends("data through NAT gateways, in both directions", "nat.data", "GB")
}

// address prices an Elastic IP: a NAT gateway's public address is one, so the gateway itself has none.
func (p *pricing) address(r enginejson.Resource) {
	p.item(r, "", "public IPv4 address", hours("address.ipv4", 1))
}

func (p *pricing) endpoint(r enginejson.Resource) {
	switch text(r, "vpcEndpointType", "Gateway") {
	case "Gateway": // of S3 and DynamoDB, which costs nothing
	case "Interface":
		subnets, known := list(r, "subnetIds")
		if !known || len(subnets) == 0 {
			p.gap(r, "the number of its subnets is not known before the update")
			return
		}
		count := int64(len(subnets))
		p.item(r, "", "interface endpoint in "+plural(count, "zone"), hours("endpoint.interface", count))
		p.depends("data through interface endpoints", "endpoint.data", "GB")
	default:
		p.gap(r, "the price table does not know this kind of endpoint")
	}
}

func (p *pricing) flowLog(enginejson.Resource) {
	p.depends("flow logs", "logs.ingestion", "GB taken in")
}

func (p *pricing) logGroup(enginejson.Resource) {
	p.depends("logs taken in", "logs.ingestion", "GB")
	p.depends("logs kept", "logs.storage", "GB and month")
}

func (p *pricing) cluster(r enginejson.Resource) {
	settings, _ := list(r, "settings")
	for _, setting := range settings {
		s, _ := setting.(map[string]any)
		if s["name"] == "containerInsights" && (s["value"] == "enabled" || s["value"] == "enhanced") {
			p.depends("Container Insights: metrics, whose number follows from the services and tasks", "metric.custom", "metric and month")
		}
	}
}

func (p *pricing) repository(enginejson.Resource) {
	p.depends("images kept", "ecr.storage", "GB and month")
}

func (p *pricing) secret(r enginejson.Resource) {
	p.item(r, "", "secret", monthly("secret", 1))
}

func (p *pricing) key(r enginejson.Resource) {
	p.item(r, "", "customer key", monthly("kms.key", 1))
	p.depends("each of the first two rotations of a customer key", "kms.key", "month")
}

func (p *pricing) alarm(r enginejson.Resource) {
	key, kind, metrics := "alarm.standard", "alarm", int64(1)
	if period, ok := whole(r, "period", 60); ok && period < 60 {
		key, kind = "alarm.highResolution", "high-resolution alarm"
	}
	if queries, known := list(r, "metricQueries"); !known {
		p.gap(r, "the number of its metrics is not known before the update")
		return
	} else if len(queries) > 0 {
		// A query is a metric, which is paid for, or an expression over others, which is not.
		metrics = 0
		for _, query := range queries {
			q, _ := query.(map[string]any)
			if expression, _ := q["expression"].(string); strings.Contains(expression, "ANOMALY_DETECTION_BAND") {
				p.gap(r, "the price table does not know anomaly detection")
				return
			}
			if q["metric"] != nil {
				metrics++
			}
		}
	}
	p.item(r, "", kind+" on "+plural(max(metrics, 1), "metric"), monthly(key, max(metrics, 1)))
}

func (p *pricing) compositeAlarm(r enginejson.Resource) {
	p.item(r, "", "composite alarm", monthly("alarm.composite", 1))
}

func (p *pricing) dashboard(r enginejson.Resource) {
	p.item(r, "", "dashboard", monthly("dashboard", 1))
}

func (p *pricing) zone(r enginejson.Resource) {
	p.item(r, "", "hosted zone", monthly("dns.zone", 1))
	p.depends("DNS queries for names that are no aliases", "", "")
}

func (p *pricing) bucket(enginejson.Resource) {
	p.depends("objects in S3, and requests for them", "", "")
}

func (p *pricing) topic(enginejson.Resource) {
	p.depends("notifications", "", "")
}

func (p *pricing) schedule(enginejson.Resource) {
	p.depends("scheduled tasks, for the time that they run", "", "")
}

// eventRule prices a rule that starts something at times. One that goes by events of AWS's own costs nothing.
func (p *pricing) eventRule(r enginejson.Resource) {
	if text(r, "scheduleExpression", "") != "" {
		p.schedule(r)
	}
}

var instanceClass = regexp.MustCompile(`^db\.[a-z0-9]{2,8}\.[a-z0-9]{4,12}$`)

// database prices an RDS instance. RDS has a price of its own for two zones, which is not always twice that for one.
func (p *pricing) database(r enginejson.Resource) {
	if engine := text(r, "engine", "postgres"); engine != "postgres" {
		p.gap(r, "the price table has PostgreSQL alone")
		return
	}
	zones, words := "single", "in one zone"
	if yes(r, "multiAz") {
		zones, words = "multi", "with a standby in another zone"
	}
	// A class is quoted, so it must look like one.
	if class := text(r, "instanceClass", ""); !instanceClass.MatchString(class) {
		p.gap(r, "its class is not known before the update, or none of RDS's")
	} else {
		p.item(r, "", class+" "+words, hours("rds.postgres."+class+"."+zones, 1))
		if strings.HasPrefix(class, "db.t4g.") {
			p.depends("CPU of the database beyond its credits", "rds.credits.t4g", "virtual CPU and hour")
		}
	}
	p.storage(r, zones)
	if days, ok := whole(r, "backupRetentionPeriod", 0); !ok || days > 0 {
		p.depends("backups beyond the size of the database", "rds.backup", "GB and month")
	}
	if yes(r, "manageMasterUserPassword") {
		p.item(r, "secret", "secret with the master password", monthly("secret", 1))
	}
	if days, ok := whole(r, "performanceInsightsRetentionPeriod", 7); !ok || days > 7 {
		p.gapOf(r, "insights", "Performance Insights for more than the 7 days that cost nothing")
	}
}

func (p *pricing) storage(r enginejson.Resource, zones string) {
	size, known := whole(r, "allocatedStorage", 0)
	if !known || size == 0 {
		p.gapOf(r, "storage", "storage: its size is not known before the update")
		return
	}
	kind := text(r, "storageType", "gp2")
	if !slices.Contains([]string{"gp2", "gp3", "io1", "io2", "standard"}, kind) {
		p.gapOf(r, "storage", "storage: its type is none of RDS's")
		return
	}
	what := fmt.Sprintf("%d GiB of %s storage", size, kind)
	if limit, ok := whole(r, "maxAllocatedStorage", 0); ok && limit > size {
		what += fmt.Sprintf(", which may grow to %d", limit)
	}
	p.item(r, "storage", what, monthly("rds.storage."+kind+"."+zones, size))
	if _, set := r.Inputs["iops"]; set {
		p.gapOf(r, "iops", "provisioned IOPS")
	}
}
