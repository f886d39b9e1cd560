package identity

import (
	"fmt"

	"slipway/infra/policy"
)

const (
	issuer   = "token.actions.githubusercontent.com"
	audience = "sts.amazonaws.com"
)

// Repository names the GitHub repository that may deploy, and the environment its job must name.
type Repository struct {
	Owner       string
	Name        string
	OwnerID     string // decimal; empty where the repository sends the classic subject
	ID          string // decimal; empty likewise
	Environment string
}

// DeployTrust is the deploy role's trust policy: only a job that names the environment fits. No branch, tag or pull request
// does.
func DeployTrust(providerARN string, repository Repository) (string, error) {
	return trust(providerARN, repository.subjects("environment:"+repository.Environment))
}

// PreviewTrust is the preview role's trust policy: only a job of a pull request fits, whatever its branch. GitHub gives a
// pull request from a fork no token at all, so these are of people who may push to the repository.
func PreviewTrust(providerARN string, repository Repository) (string, error) {
	return trust(providerARN, repository.subjects("pull_request"))
}

// trust lets GitHub's tokens of these subjects in. They are matched whole: no wildcard, so no longer name and no namesake
// fits.
func trust(providerARN string, subjects []string) (string, error) {
	return policy.JSON(policy.Statement{
		Sid:       "GitHub",
		Effect:    policy.Allow,
		Principal: &policy.Principal{Federated: []string{providerARN}},
		Action:    []string{"sts:AssumeRoleWithWebIdentity"},
		Condition: policy.Condition{"StringEquals": {
			issuer + ":aud": {audience},
			issuer + ":sub": subjects,
		}},
	})
}

// subjects lists the subject claims to accept of a kind of job. GitHub sends one of two: the classic form names owner and
// repository; the immutable form, of repositories made or renamed since 15 July 2026, adds their ids. The latter is listed
// where the ids are known, and the former always, because the configuration cannot tell which of the two an older
// repository sends. Accepting the classic form beside the other opens no door to whoever takes over a name: a repository
// made today sends its ids.
func (r Repository) subjects(job string) []string {
	subjects := []string{fmt.Sprintf("repo:%s/%s:%s", r.Owner, r.Name, job)}
	if r.OwnerID != "" {
		subjects = append(subjects, fmt.Sprintf("repo:%s@%s/%s@%s:%s", r.Owner, r.OwnerID, r.Name, r.ID, job))
	}
	return subjects
}

func (a Args) providerARN() string {
	return fmt.Sprintf("arn:%s:iam::%s:oidc-provider/%s", a.Partition, a.Account, issuer)
}
