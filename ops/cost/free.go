package cost

import "strings"

// free says that AWS charges nothing for a type by itself: what others pay for, or what nobody pays for.
func free(token string) bool {
	if !strings.HasPrefix(token, "aws:") {
		return true // components, images, the providers: nothing of AWS's
	}
	if strings.HasPrefix(token, "aws:iam/") || strings.HasPrefix(token, "aws:vpc/") || strings.HasPrefix(token, "aws:appautoscaling/") {
		return true
	}
	if strings.HasPrefix(token, "aws:s3/bucket") && rules[token] == nil {
		return true // settings of a bucket
	}
	_, listed := freeTypes[token]
	return listed
}

var freeTypes = map[string]struct{}{
	"aws:acm/certificate:Certificate":                                 {},
	"aws:acm/certificateValidation:CertificateValidation":             {},
	"aws:chatbot/slackChannelConfiguration:SlackChannelConfiguration": {},
	"aws:cloudwatch/eventTarget:EventTarget":                          {},
	"aws:cloudwatch/logResourcePolicy:LogResourcePolicy":              {},
	"aws:ec2/defaultSecurityGroup:DefaultSecurityGroup":               {},
	"aws:ec2/internetGateway:InternetGateway":                         {},
	"aws:ec2/route:Route":                                             {},
	"aws:ec2/routeTable:RouteTable":                                   {},
	"aws:ec2/routeTableAssociation:RouteTableAssociation":             {},
	"aws:ec2/securityGroup:SecurityGroup":                             {},
	"aws:ec2/securityGroupRule:SecurityGroupRule":                     {},
	"aws:ec2/subnet:Subnet":                                           {},
	"aws:ec2/vpc:Vpc":                                                 {},
	"aws:ecr/lifecyclePolicy:LifecyclePolicy":                         {},
	"aws:ecr/repositoryPolicy:RepositoryPolicy":                       {},
	"aws:ecs/clusterCapacityProviders:ClusterCapacityProviders":       {},
	"aws:ecs/taskDefinition:TaskDefinition":                           {}, // its tasks are paid for
	"aws:kms/alias:Alias":                                             {},
	"aws:kms/keyPolicy:KeyPolicy":                                     {},
	"aws:lb/listener:Listener":                                        {},
	"aws:lb/listenerCertificate:ListenerCertificate":                  {},
	"aws:lb/listenerRule:ListenerRule":                                {},
	"aws:lb/targetGroup:TargetGroup":                                  {},
	"aws:rds/parameterGroup:ParameterGroup":                           {},
	"aws:rds/subnetGroup:SubnetGroup":                                 {},
	"aws:route53/record:Record":                                       {}, // queries of aliases to AWS cost nothing
	"aws:scheduler/scheduleGroup:ScheduleGroup":                       {},
	"aws:secretsmanager/secretPolicy:SecretPolicy":                    {},
	"aws:secretsmanager/secretVersion:SecretVersion":                  {},
	"aws:servicediscovery/httpNamespace:HttpNamespace":                {}, // Service Connect
	"aws:sns/topicPolicy:TopicPolicy":                                 {},
	"aws:sns/topicSubscription:TopicSubscription":                     {},
}
