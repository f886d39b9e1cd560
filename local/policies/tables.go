package policies

import "slipway/infra/policy/policytest"

// free are calls that everybody may make, whatever his policies say.
var free = []string{"sts:GetCallerIdentity"}

// withoutResource are actions that AWS limits to no resource, though their calls may name one: a policy that names one allows
// nothing.
var withoutResource = []string{
	"acm:RequestCertificate",
	"application-autoscaling:Describe*",
	"ec2:*", // some know resources, all of which have generated ids
	"ecs:DeregisterTaskDefinition", "ecs:DescribeTaskDefinition", "ecs:ListServices", "ecs:ListTaskDefinitions", "ecs:ListTasks",
	"elasticloadbalancing:Describe*", "logs:DescribeLogGroups",
	"servicediscovery:CreateHttpNamespace", "servicediscovery:GetOperation", "servicediscovery:*Tag*",
}

const (
	masterUsers = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-1"
	// A service of staging that scales, what scales it, and the alarms that set it off.
	scaled        = "arn:aws:ecs:us-east-1:123456789012:service/myapp-staging/backend"
	scaler        = "ecs.application-autoscaling.amazonaws.com"
	scalingAlarms = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:TargetTracking-service/myapp-staging/backend-AlarmHigh-1"
)

// besides is what AWS does in the caller's name when it carries out a call, and asks the caller's permissions for.
var besides = map[string][]policytest.Request{
	// RDS makes the master user's secret, under the key of Secrets Manager, and the instance has RDS's own option group.
	"rds:CreateDBInstance": {
		{Action: "secretsmanager:CreateSecret", Resource: masterUsers},
		{Action: "secretsmanager:TagResource", Resource: masterUsers},
		{Action: "kms:DescribeKey", Resource: "arn:aws:kms:us-east-1:123456789012:key/1"},
		{Action: "rds:CreateDBInstance", Resource: "arn:aws:rds:us-east-1:123456789012:og:default:postgres-17"},
	},
	"rds:RestoreDBInstanceFromDBSnapshot": {
		{Action: "rds:RestoreDBInstanceFromDBSnapshot", Resource: "arn:aws:rds:us-east-1:123456789012:og:default:postgres-17"},
	},
	// Application Auto Scaling looks at the service and changes it, and makes its own role with the first target of an account; it
	// names the alarms of its policies after the service.
	"application-autoscaling:RegisterScalableTarget": {
		{Action: "ecs:DescribeServices", Resource: scaled},
		{Action: "ecs:UpdateService", Resource: scaled},
		{
			Action: "iam:CreateServiceLinkedRole", Resource: "arn:aws:iam::123456789012:role/aws-service-role/" + scaler +
				"/AWSServiceRoleForApplicationAutoScaling_ECSService",
			Context: map[string][]string{"iam:AWSServiceName": {scaler}},
		},
	},
	"application-autoscaling:PutScalingPolicy": {
		{Action: "cloudwatch:DescribeAlarms", Resource: scalingAlarms}, {Action: "cloudwatch:PutMetricAlarm", Resource: scalingAlarms},
	},
	"application-autoscaling:DeleteScalingPolicy": {{Action: "cloudwatch:DeleteAlarms", Resource: scalingAlarms}},
}

const (
	first     = "a person makes it with the first up and takes it away with the last down; the deploy role must not touch it"
	change    = "a value of the stack that changes in place"
	replaced  = "a value of the stack that changes, and a part that is replaced"
	tagsGo    = "a default tag goes"
	docker    = "images are pushed to a real ECR by its registry's protocol, which asks for it; here they are pushed past AWS's API"
	inABucket = "a state in a bucket"
	withKey   = "a customer key encrypts the secrets of services: secretsKmsKeyArn"
	named     = "the names of the domain, which the deploy role may not choose, come, change or go"
	emptied   = "a bucket that holds logs goes; here the load balancer writes none"
	noChatbot = "the embedded cloud has no Chatbot: alarmsSlackChannel"
)

// persons are the calls of `up` and `down` that the deploy role must be refused. They are what makes and takes away the roles
// of GitHub's jobs, the boundary and the provider.
var persons = []Exception{
	{"iam:CreateRole", "*:role/*-deploy", first},
	{"iam:CreateRole", "*:role/*-preview", first},
	{"iam:TagRole", "*:role/*-deploy", first},
	{"iam:TagRole", "*:role/*-preview", first},
	{"iam:PutRolePolicy", "*:role/*-deploy", first},
	{"iam:PutRolePolicy", "*:role/*-preview", first},
	{"iam:DeleteRolePolicy", "*:role/*-deploy", first},
	{"iam:DeleteRolePolicy", "*:role/*-preview", first},
	{"iam:DeleteRole", "*:role/*-deploy", first},
	{"iam:DeleteRole", "*:role/*-preview", first},
	{"iam:CreatePolicy", "*:policy/*-boundary", first},
	{"iam:TagPolicy", "*:policy/*-boundary", first},
	{"iam:ListPolicyVersions", "*:policy/*-boundary", first},
	{"iam:DeletePolicy", "*:policy/*-boundary", first},
	{"iam:CreatePolicy", "*:policy/*-deploy-*", first},
	{"iam:TagPolicy", "*:policy/*-deploy-*", first},
	{"iam:ListPolicyVersions", "*:policy/*-deploy-*", first},
	{"iam:DeletePolicy", "*:policy/*-deploy-*", first},
	{"iam:AttachRolePolicy", "*:role/*-deploy", first},
	{"iam:DetachRolePolicy", "*:role/*-deploy", first},
	{"iam:CreateOpenIDConnectProvider", "", first},
	{"iam:TagOpenIDConnectProvider", "", first},
	{"iam:DeleteOpenIDConnectProvider", "", first},
}

// optionPersons are likewise calls that switching an option on, off or over makes, by the Sid of its statement.
var optionPersons = map[string][]Exception{
	"Dns": {
		{"iam:CreatePolicyVersion", "*:policy/*-deploy-options", named},
		{"iam:DeletePolicyVersion", "*:policy/*-deploy-options", named},
	},
}

// deployUnused are actions of the deploy role that the embedded run does not use, and when a real one does.
var deployUnused = []Exception{
	{"ec2:DeleteTags", "", tagsGo},
	{"ec2:ModifySecurityGroupRules", "", change},
	{"ec2:ModifySubnetAttribute", "", change},
	{"ec2:ModifyVpcEndpoint", "", change},
	{"ec2:ReplaceRoute", "", "another way out: networkNat changes"},
	{"ec2:ReplaceRouteTableAssociation", "", replaced},
	{"route53:AssociateVPCWithHostedZone", "", "endpoints with names of their own: networkNat is none"},

	{"ecr:BatchCheckLayerAvailability", "", docker},
	{"ecr:CompleteLayerUpload", "", docker},
	{"ecr:GetDownloadUrlForLayer", "", docker},
	{"ecr:InitiateLayerUpload", "", docker},
	{"ecr:UploadLayerPart", "", docker},
	{"ecr:PutImageScanningConfiguration", "", change},
	{"ecr:PutImageTagMutability", "", change},
	{"ecr:UntagResource", "", tagsGo},

	{"ecs:UpdateCluster", "", "clusterContainerInsights changes"},
	{"ecs:ListTagsForResource", "", "the provider asks for tags where a description holds none"},
	{"ecs:UntagResource", "", tagsGo},

	{"elasticloadbalancing:ModifyListener", "", change},
	{"elasticloadbalancing:ModifyListenerAttributes", "", change},
	{"elasticloadbalancing:ModifyRule", "", "a path moves to another service"},
	{"elasticloadbalancing:ModifyTargetGroup", "", "a service's health check changes"},
	{"elasticloadbalancing:RemoveTags", "", tagsGo},
	{"elasticloadbalancing:SetRulePriorities", "", change},
	{"elasticloadbalancing:SetSecurityGroups", "", replaced},
	{"elasticloadbalancing:SetSubnets", "", "networkZoneCount changes"},

	{"iam:UntagRole", "", tagsGo},
	{"iam:UpdateAssumeRolePolicy", "", "another release of this program trusts its tasks in other words"},
	{"iam:UpdateRole", "", "another release of this program describes its tasks' roles in other words"},

	{"logs:UntagResource", "", tagsGo},

	{"rds:CreateDBSnapshot", "", "databaseFinalSnapshot is true, and the database goes"},
	{"rds:ModifyDBInstance", "", change},
	{"rds:ModifyDBSubnetGroup", "", "networkZoneCount changes"},
	{"rds:RemoveTagsFromResource", "", tagsGo},
	{"rds:RestoreDBInstanceFromDBSnapshot", "", "databaseSnapshot is set"},
	{"rds:ResetDBParameterGroup", "", "another release of this program sets fewer parameters"},
}

// optionUnused are likewise actions of the deploy role for one option, by the Sid of its statement: what a run that has the option
// switched on does not use. Every option has its entry and its run in e2e.
var optionUnused = map[string][]Exception{
	"AccessLogFiles": {
		{"s3:DeleteObject", "", emptied},
		{"s3:DeleteObjectVersion", "", emptied},
	},
	"AccessLogs":         nil,
	"CertificateRequest": nil,
	"Certificates":       {{"acm:RemoveTagsFromCertificate", "", tagsGo}},
	"Dns":                nil,
	"DnsLook":            nil,

	"DatabaseUser": {
		{"secretsmanager:UntagResource", "", tagsGo},
		{"secretsmanager:UpdateSecret", "", change},
	},

	"HandRolesToSchedules": nil,
	"Namespaces":           {{"servicediscovery:UntagResource", "", tagsGo}},
	"NamespacesThere":      nil,
	"Schedules":            {{"scheduler:UntagResource", "", tagsGo}},

	"Scaling":       nil,
	"ScalingAlarms": nil,
	"ScalingLook":   nil,
	"ScalingRole":   nil,
	"ScalingTags":   {{"application-autoscaling:UntagResource", "", tagsGo}},

	"Alarms": {
		{"cloudwatch:UntagResource", "", tagsGo},
	},
	"Topics": {
		{"sns:UntagResource", "", tagsGo},
	},
	"StoppedTasks": {
		{"events:UntagResource", "", tagsGo},
	},
	"Dashboard": nil,
	"Slack": {
		{"chatbot:DeleteSlackChannelConfiguration", "", noChatbot},
		{"chatbot:ListTagsForResource", "", noChatbot},
		{"chatbot:TagResource", "", noChatbot},
		{"chatbot:UntagResource", "", noChatbot},
		{"chatbot:UpdateSlackChannelConfiguration", "", noChatbot},
	},
	"SlackMake": {
		{"chatbot:CreateSlackChannelConfiguration", "", noChatbot},
		{"chatbot:DescribeSlackChannelConfigurations", "", noChatbot},
	},
	"SlackRole": {
		{"iam:PassRole", "", noChatbot},
	},
	"Secrets": {
		{"secretsmanager:UntagResource", "", tagsGo},
		{"secretsmanager:UpdateSecret", "", "secretsKmsKeyArn changes"},
	},
	"SecretsKey": {
		{"kms:Decrypt", "", withKey},
		{"kms:GenerateDataKey", "", withKey},
	},
}

// previewUnused are likewise of the preview role.
var previewUnused []Exception

// Further ones in a stack whose state is in a bucket: the embedded cloud keeps its states in files.
var (
	deployState = []Exception{
		{"kms:Decrypt", "", inABucket},
		{"kms:GenerateDataKey", "", inABucket},
		{"s3:DeleteObject", "", inABucket},
		{"s3:GetObject", "", inABucket},
		{"s3:ListBucket", "", inABucket},
		{"s3:PutObject", "", inABucket},
	}
	previewState = []Exception{{"kms:Decrypt", "", inABucket}, {"s3:GetObject", "", inABucket}, {"s3:ListBucket", "", inABucket}}
)

// previewWrites are actions of the preview role that do not look by their names, and why they change nothing.
func previewWrites(inBucket bool) []Exception {
	if !inBucket {
		return nil
	}
	return []Exception{{"kms:Decrypt", "", "it reads the state's secrets, with the state's key; AWS counts it as a write"}}
}
