package config

import (
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strings"
)

var (
	slackWorkspace = regexp.MustCompile(`^T[0-9A-Z]{8,15}$`)
	slackChannel   = regexp.MustCompile(`^[CG][0-9A-Z]{8,15}$`)
)

// leastWatch is how long a release takes at least that alarms watch: some minutes to go out, and those that ECS looks on after.
const leastWatch = 10 // minutes

func (a Alarms) validate(class string, deployMinutes int, services []Service, p *Problems) {
	for i, address := range a.Email {
		path := fmt.Sprintf("alarmsEmail[%d]", i)
		if parsed, err := mail.ParseAddress(address); err != nil || parsed.Address != address {
			p.add(path, "%q is not an e-mail address such as ops@example.com, with no name before it", address)
		} else if slices.Contains(a.Email[:i], address) {
			p.add(path, "%s stands there twice", address)
		}
	}
	if a.SlackWorkspace != "" {
		matches(p, "alarmsSlackWorkspace", a.SlackWorkspace, slackWorkspace, "the id of a Slack workspace: T and capital letters and digits, as its address in a browser shows")
	}
	if a.SlackChannel != "" {
		matches(p, "alarmsSlackChannel", a.SlackChannel, slackChannel, "the id of a Slack channel: C or G and capital letters and digits, from the end of its link; its name would not do")
	}
	if (a.SlackWorkspace == "") != (a.SlackChannel == "") {
		p.add("alarmsSlackChannel", "goes with alarmsSlackWorkspace: set both, or neither to tell nobody in Slack")
	}
	if a.KmsKeyArn != "" {
		matches(p, "alarmsKmsKeyArn", a.KmsKeyArn, keyARN, "the ARN of a KMS key: arn:aws:kms:REGION:ACCOUNT:key/ID")
	}
	if !a.On {
		a.validateOff(p)
		return
	}
	if a.Rollback && deployMinutes < leastWatch {
		p.add("clusterDeployMinutes", "%d is too short where alarms take releases back: ECS looks on for some minutes after the last task has changed; "+
			"set at least %d, or alarmsRollback to false", deployMinutes, leastWatch)
	} else if a.Rollback {
		validateGrace(services, deployMinutes, p)
	}
	if _, known := connectionsOf(class); !known && a.Connections == 0 && instanceClass.MatchString(class) {
		p.add("alarmsConnections", "must be set: how many connections %s allows is not known here; ask the database by `SHOW max_connections`, and leave some room", class)
	}
}

// validateGrace finds services that could not be released in time: a task that fails its checks is let be for so long, and then ECS looks on for as
// long again, since the alarm on such tasks waits as well.
func validateGrace(services []Service, deployMinutes int, p *Problems) {
	for _, service := range services {
		// The first minute is in leastWatch.
		least := leastWatch + 2*((service.HealthGraceSeconds+59)/60-1)
		if service.Kind() == Public && deployMinutes < least {
			p.add("services."+service.Name+".healthGraceSeconds", "%d is too long where alarms take releases back, and a release may take %d minutes: ECS looks on for as "+
				"long again; set clusterDeployMinutes to at least %d, less here, or alarmsRollback to false", service.HealthGraceSeconds, deployMinutes, least)
		}
	}
}

// validateOff finds what says nothing while alarms are off.
func (a Alarms) validateOff(p *Problems) {
	for path, set := range map[string]bool{
		"alarmsEmail": len(a.Email) > 0, "alarmsSlackWorkspace": a.SlackWorkspace != "", "alarmsKmsKeyArn": a.KmsKeyArn != "",
	} {
		if set {
			p.add(path, "goes with alarms, which is false: nobody would be told of anything")
		}
	}
}

// MostConnections is from how many connections to the database on something is wrong: as configured, or by the class.
func (c *Config) MostConnections() int {
	if c.Alarms.Connections > 0 {
		return c.Alarms.Connections
	}
	connections, _ := connectionsOf(c.Database.InstanceClass)
	return connections
}

// gibibytes are the sizes of memory of RDS's classes: of the burstable and general ones (t, m). Those for memory (r) have twice as
// much. They are AWS's, from the table of hardware in the RDS User Guide.
var gibibytes = map[string]int{
	"micro": 1, "small": 2, "medium": 4, "large": 8, "xlarge": 16, "2xlarge": 32, "4xlarge": 64, "8xlarge": 128, "12xlarge": 192,
	"16xlarge": 256, "24xlarge": 384,
}

// connectionsOf is three fifths of the connections that PostgreSQL on RDS allows by default: one for 9,531,392 bytes of memory, and
// 5,000 at most. What RDS takes of the memory for itself makes them fewer, in the smallest class by a quarter: three fifths are there in every class.
func connectionsOf(class string) (connections int, known bool) {
	const bytesPerConnection, most = 9_531_392, 5_000
	family, size, _ := strings.Cut(strings.TrimPrefix(class, "db."), ".")
	memory, known := gibibytes[size]
	if family == "" || !known {
		return 0, false
	}
	switch family[0] {
	case 't', 'm':
	case 'r':
		memory *= 2
	default:
		return 0, false
	}
	return min(memory<<30/bytesPerConnection, most) * 3 / 5, true
}
