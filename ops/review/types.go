package review

// stateful says of types that hold something which a replacement or a deletion loses, and why.
var stateful = map[string]string{
	"aws:backup/vault:Vault":                            "holds backups",
	"aws:cloudwatch/logGroup:LogGroup":                  "holds logs, which go with it",
	"aws:dynamodb/table:Table":                          "holds data",
	"aws:ebs/volume:Volume":                             "holds data",
	"aws:ecr/repository:Repository":                     "holds the images that stacks run and go back to",
	"aws:efs/fileSystem:FileSystem":                     "holds files",
	"aws:elasticache/cluster:Cluster":                   "holds data",
	"aws:elasticache/replicationGroup:ReplicationGroup": "holds data",
	"aws:kms/key:Key":                                   "what it encrypts cannot be read without it",
	"aws:rds/cluster:Cluster":                           "holds the database",
	"aws:rds/instance:Instance":                         "holds the database; its automatic backups go with it",
	"aws:rds/parameterGroup:ParameterGroup":             "the database runs on it",
	"aws:rds/snapshot:Snapshot":                         "holds a copy of the database",
	"aws:rds/subnetGroup:SubnetGroup":                   "the database stands in it, and does not move by itself",
	"aws:route53/zone:Zone":                             "the registrar names its name servers, and a new zone has others",
	"aws:s3/bucket:Bucket":                              "holds objects",
	"aws:s3/bucketV2:BucketV2":                          "holds objects",
	"aws:secretsmanager/secret:Secret":                  "holds a secret that may stand nowhere else",
	"aws:secretsmanager/secretVersion:SecretVersion":    "holds a secret that may stand nowhere else",
	"aws:sqs/queue:Queue":                               "holds messages",
	"aws:ssm/parameter:Parameter":                       "holds a value that may stand nowhere else",
}

// serving says of types whose replacement or deletion is felt by whoever uses the service, and how.
var serving = map[string]string{
	"aws:alb/listener:Listener":                                 "nothing listens on its port for a while",
	"aws:alb/loadBalancer:LoadBalancer":                         "the load balancer's name changes, and nothing answers for minutes",
	"aws:alb/targetGroup:TargetGroup":                           "its targets must become healthy again",
	"aws:ec2/eip:Eip":                                           "the outgoing address changes; others may know the old one",
	"aws:ec2/internetGateway:InternetGateway":                   "the network is cut off from the internet for a while",
	"aws:ec2/natGateway:NatGateway":                             "tasks cannot reach the internet for a while",
	"aws:ec2/route:Route":                                       "a way out of the network is missing for a while",
	"aws:ec2/routeTable:RouteTable":                             "subnets are without their routes for a while",
	"aws:ec2/routeTableAssociation:RouteTableAssociation":       "a subnet is without its routes for a while",
	"aws:ec2/securityGroup:SecurityGroup":                       "connections may be refused for a while",
	"aws:ec2/subnet:Subnet":                                     "what stands in it must move",
	"aws:ec2/vpc:Vpc":                                           "everything in the network is made again",
	"aws:ec2/vpcEndpoint:VpcEndpoint":                           "tasks cannot reach an API of AWS for a while",
	"aws:ecs/cluster:Cluster":                                   "all its tasks end, and services start anew",
	"aws:ecs/service:Service":                                   "all its tasks end before new ones serve",
	"aws:iam/role:Role":                                         "tasks or jobs may be without its permissions for a while",
	"aws:lb/listener:Listener":                                  "nothing listens on its port for a while",
	"aws:lb/listenerRule:ListenerRule":                          "its paths lead elsewhere for a while",
	"aws:lb/loadBalancer:LoadBalancer":                          "the load balancer's name changes, and nothing answers for minutes",
	"aws:lb/targetGroup:TargetGroup":                            "its targets must become healthy again",
	"aws:route53/record:Record":                                 "the name leads nowhere until the new record has spread",
	"aws:scheduler/schedule:Schedule":                           "its task does not start while it is away",
	"aws:scheduler/scheduleGroup:ScheduleGroup":                 "no scheduled task starts while it is away",
	"aws:servicediscovery/httpNamespace:HttpNamespace":          "internal calls by name fail for a while",
	"aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule":   "connections may be refused for a while",
	"aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": "connections may be refused for a while",
}

// restarting says which inputs of a type restart it when they change in place.
var restarting = map[string][]string{
	"aws:rds/instance:Instance": {"engineVersion", "instanceClass", "parameterGroupName"},
}

// guard is an input that protects something, and what it means when it no longer does.
type guard struct {
	input string
	off   func(before, after any) bool // whether the change takes the protection off
	means string
}

var guards = map[string][]guard{
	"aws:rds/instance:Instance": {
		{"deletionProtection", becomes(false), "RDS no longer refuses to delete the database"},
		{"skipFinalSnapshot", becomes(true), "a deletion no longer leaves a snapshot"},
		{"backupRetentionPeriod", shrinks, "older automatic backups are deleted"},
		{"maxAllocatedStorage", goes, "the storage no longer grows when it runs full"},
	},
	"aws:ecr/repository:Repository": {
		{"forceDelete", becomes(true), "a deletion also deletes the images in it"},
	},
	"aws:lb/loadBalancer:LoadBalancer": {
		{"enableDeletionProtection", becomes(false), "AWS no longer refuses to delete the load balancer"},
	},
	"aws:cloudwatch/logGroup:LogGroup": {
		{"retentionInDays", shrinks, "older logs are deleted"},
	},
	"aws:scheduler/schedule:Schedule": {
		{"state", becomes("DISABLED"), "its task does not start any more"},
	},
	"aws:s3/bucket:Bucket":     {{"forceDestroy", becomes(true), "a deletion also deletes the objects in it"}},
	"aws:s3/bucketV2:BucketV2": {{"forceDestroy", becomes(true), "a deletion also deletes the objects in it"}},
}

func becomes(want any) func(before, after any) bool {
	return func(before, after any) bool { return before != want && after == want }
}

func goes(before, after any) bool { return before != nil && after == nil }

func shrinks(before, after any) bool {
	old, isNumber := before.(float64)
	now, stays := after.(float64)
	return isNumber && stays && now < old
}

// shown are the inputs whose values a comment may quote: sizes, counts, classes, versions and switches. Everything else may be
// secret, or become so, and is named only.
var shown = map[string]bool{
	"allocatedStorage": true, "backupRetentionPeriod": true, "cpu": true, "deletionProtection": true, "desiredCount": true,
	"enableDeletionProtection": true, "engine": true, "engineVersion": true, "family": true, "forceDelete": true,
	"forceDestroy": true, "instanceClass": true, "iops": true, "maxAllocatedStorage": true, "maxCapacity": true, "memory": true,
	"minCapacity": true, "multiAz": true, "port": true, "retentionInDays": true, "skipFinalSnapshot": true,
	"storageEncrypted": true, "storageType": true,
}
