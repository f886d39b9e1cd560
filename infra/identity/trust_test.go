package identity_test

import (
	"testing"

	"slipway/infra/identity"
	"slipway/infra/policy/policytest"
)

const (
	provider = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
	host     = "token.actions.githubusercontent.com"
	audience = "sts.amazonaws.com"
)

// TestTrust plays tokens of GitHub's, as its jobs get them, against both trust policies, of a repository whose ids are known
// and of one whose are not.
func TestTrust(t *testing.T) {
	type who struct{ deploy, deployIDs, preview, previewIDs bool }
	var (
		nobody     who
		deploys    = who{deploy: true, deployIDs: true}
		previews   = who{preview: true, previewIDs: true}
		deployIDs  = who{deployIDs: true}
		previewIDs = who{previewIDs: true}
	)
	for _, c := range []struct {
		name     string
		aud, sub string
		want     who
	}{
		{"the environment", audience, "repo:me/app:environment:staging", deploys},
		{"the environment, with ids", audience, "repo:me@11/app@22:environment:staging", deployIDs},
		{"a pull request", audience, "repo:me/app:pull_request", previews},
		{"a pull request, with ids", audience, "repo:me@11/app@22:pull_request", previewIDs},

		{"a branch", audience, "repo:me/app:ref:refs/heads/main", nobody},
		{"a branch, with ids", audience, "repo:me@11/app@22:ref:refs/heads/main", nobody},
		{"a branch that is named as an environment", audience, "repo:me/app:ref:refs/heads/environment:staging", nobody},
		{"a branch that is named as a pull request", audience, "repo:me/app:ref:refs/heads/pull_request", nobody},
		{"a tag", audience, "repo:me/app:ref:refs/tags/v1.0.0", nobody},
		{"a tag, with ids", audience, "repo:me@11/app@22:ref:refs/tags/v1.0.0", nobody},
		{"a pull request's merge commit", audience, "repo:me/app:ref:refs/pull/1/merge", nobody},
		{"another environment", audience, "repo:me/app:environment:production", nobody},
		{"another environment, with ids", audience, "repo:me@11/app@22:environment:production", nobody},
		{"an environment with a longer name", audience, "repo:me/app:environment:staging2", nobody},
		{"the environment in another case", audience, "repo:me/app:environment:Staging", nobody},
		{"the environment of a pull request", audience, "repo:me/app:pull_request:environment:staging", nobody},

		{"a fork", audience, "repo:you/app:pull_request", nobody},
		{"a fork, with ids", audience, "repo:you@12/app@23:pull_request", nobody},
		{"a fork's environment", audience, "repo:you/app:environment:staging", nobody},
		{"another repository", audience, "repo:me/other:environment:staging", nobody},
		{"another repository, with ids", audience, "repo:me@11/other@23:environment:staging", nobody},
		{"another repository's pull request", audience, "repo:me/other:pull_request", nobody},
		{"a repository with a longer name", audience, "repo:me/app2:environment:staging", nobody},
		{"an owner with a longer name", audience, "repo:some-me/app:environment:staging", nobody},
		{"a namesake of the owner, with another id", audience, "repo:me@12/app@22:environment:staging", nobody},
		{"a namesake of the repository, with another id", audience, "repo:me@11/app@23:pull_request", nobody},
		{"ids changed round", audience, "repo:me@22/app@11:environment:staging", nobody},
		{"only the owner's id", audience, "repo:me@11/app:environment:staging", nobody},
		{"an id that is a wildcard", audience, "repo:me@*/app@*:environment:staging", nobody},
		{"all that is a wildcard", audience, "*", nobody},
		{"nothing", audience, "", nobody},

		{"a subject made to order, of a reusable workflow", audience, "repo:me/app:job_workflow_ref:me/ci/.github/workflows/a.yml@refs/heads/main", nobody},
		{"a subject made to order, of the actor", audience, "repo:me/app:actor:me", nobody},
		{"a subject made to order, of the owner", audience, "repository_owner:me", nobody},
		{"another audience", "api://elsewhere", "repo:me/app:environment:staging", nobody},
		{"the audience that GitHub gives unasked", "https://github.com/me", "repo:me/app:pull_request", nobody},
	} {
		names := identity.Repository{Owner: "me", Name: "app", Environment: "staging"}
		ids := names
		ids.OwnerID, ids.ID = "11", "22"
		got := who{
			deploy:     assumes(t, identity.DeployTrust, names, c.aud, c.sub),
			deployIDs:  assumes(t, identity.DeployTrust, ids, c.aud, c.sub),
			preview:    assumes(t, identity.PreviewTrust, names, c.aud, c.sub),
			previewIDs: assumes(t, identity.PreviewTrust, ids, c.aud, c.sub),
		}
		if got != c.want {
			t.Errorf("%s: let in %+v, want %+v", c.name, got, c.want)
		}
	}
}

type trust func(providerARN string, repository identity.Repository) (string, error)

func assumes(t *testing.T, trust trust, repository identity.Repository, aud, sub string) bool {
	t.Helper()
	document, err := trust(provider, repository)
	if err != nil {
		t.Fatal(err)
	}
	claims := map[string][]string{host + ":aud": {aud}, host + ":sub": {sub}}
	verdict, err := policytest.Assume(document, provider, claims)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, err := policytest.Assume(document, account+"oidc-provider/gitlab.com", claims)
	if err != nil || elsewhere.Allowed {
		t.Errorf("another provider's token is let in: %v", err)
	}
	// Without one of the two claims nobody comes in, as no statement speaks of one alone.
	for _, claim := range []string{"aud", "sub"} {
		half, err := policytest.Assume(document, provider, map[string][]string{host + ":" + claim: claims[host+":"+claim]})
		if err != nil || half.Allowed {
			t.Errorf("a token with nothing but %s is let in: %v", claim, err)
		}
	}
	return verdict.Allowed
}

// TestTrustOfOtherAccounts holds that the ARN of the provider is of the role's own account and partition.
func TestTrustOfOtherAccounts(t *testing.T) {
	repository := identity.Repository{Owner: "me", Name: "app", Environment: "staging"}
	document, err := identity.DeployTrust("arn:aws-cn:iam::1:oidc-provider/"+host, repository)
	if err != nil {
		t.Fatal(err)
	}
	claims := map[string][]string{host + ":aud": {audience}, host + ":sub": {"repo:me/app:environment:staging"}}
	if verdict, err := policytest.Assume(document, provider, claims); err != nil || verdict.Allowed {
		t.Errorf("the provider of another account is let in: %v", err)
	}
}
