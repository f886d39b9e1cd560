package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
)

// Secrets is about the applications' secrets, which rows name.
type Secrets struct {
	KmsKeyArn    string `key:"secretsKmsKeyArn" default:"" limits:"arn:aws:kms:REGION:ACCOUNT:key/ID, no alias; or empty" cost:"requests to KMS" doc:"ARN of the KMS key that encrypts the secrets of services, and not the database's logins; empty for the account's own of Secrets Manager."`
	RecoveryDays int    `key:"secretsRecoveryDays" unit:"days" default:"7" min:"0" max:"30" limits:"not 1 to 6" doc:"Days in which a deleted secret of services can be had back, and its name is taken: from 7 to 30, or 0 for none."`
}

// leastRecovery is the fewest days that Secrets Manager offers, but for none at all.
const leastRecovery = 7

// databaseSecret is the name that the database's user has among a stack's secrets.
const databaseSecret = "database"

var appSecretName = regexp.MustCompile(`^[a-z]([a-z0-9]|-[a-z0-9]){0,39}$`)

// SecretNames lists the secrets that rows name, retired ones too, each once, sorted.
func (c *Config) SecretNames() []string {
	names := map[string]bool{}
	for _, row := range slices.Concat(c.Services, c.Retired) {
		for _, name := range row.Secrets {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func (s Secrets) validate(p *Problems) {
	if s.KmsKeyArn != "" {
		matches(p, "secretsKmsKeyArn", s.KmsKeyArn, keyARN, "the ARN of a KMS key: arn:aws:kms:REGION:ACCOUNT:key/ID; an alias would not do in a policy")
	}
	if s.RecoveryDays > 0 && s.RecoveryDays < leastRecovery {
		p.add("secretsRecoveryDays", "%d is fewer than the %d that Secrets Manager offers; 0 deletes at once", s.RecoveryDays, leastRecovery)
	}
}

// validateSecrets applies the rules about which variables hold which secrets.
func (s Service) validateSecrets(path string, p *Problems) {
	for _, variable := range slices.Sorted(maps.Keys(s.Secrets)) {
		at := path + ".secrets." + variable
		_, twice := s.Environment[variable]
		switch {
		case !variableName.MatchString(variable):
			p.add(at, "%q is not a variable's name: letters, digits and _, not beginning with a digit", variable)
		case s.setByProgram(variable):
			p.add(at, "is set by the program")
		case s.Secrets[variable] == databaseSecret:
			p.add(at, "the name %s is kept for the database's own secret; choose another", databaseSecret)
		case twice:
			p.add(at, "stands in environment as well; a container has it once")
		default:
			matches(p, at, s.Secrets[variable], appSecretName, fmt.Sprintf(
				"the name of a secret, and never its value, which `make secret` asks for: up to %d lower-case letters, digits and single hyphens that begin with a letter", 40))
		}
	}
}
