package policies

import (
	"encoding/xml"
	"fmt"
	"net/url"
	"slices"

	"slipway/infra/policy"
	"slipway/infra/policy/policytest"
)

// Document reads the policy in IAM's answer to GetRolePolicy or GetPolicyVersion, where it stands percent-encoded.
func Document(answer []byte) (string, error) {
	var found struct {
		OfRole string `xml:"GetRolePolicyResult>PolicyDocument"`
		Own    string `xml:"GetPolicyVersionResult>PolicyVersion>Document"`
	}
	if err := xml.Unmarshal(answer, &found); err != nil {
		return "", fmt.Errorf("understand IAM's answer with a policy: %w", err)
	}
	if found.OfRole+found.Own == "" {
		return "", fmt.Errorf("IAM's answer holds no policy: %s", answer)
	}
	document, err := url.PathUnescape(found.OfRole + found.Own)
	if err != nil {
		return "", fmt.Errorf("decode the policy in IAM's answer: %w", err)
	}
	return document, nil
}

// Join puts the statements of documents into one, as IAM does with all policies of a role.
func Join(documents ...string) (string, error) {
	var all []policy.Statement
	for _, document := range documents {
		statements, err := policytest.Parse(document)
		if err != nil {
			return "", err
		}
		all = append(all, statements...)
	}
	return policy.JSON(all...)
}

// only is the document of one of a document's statements.
func only(document, sid string) (string, error) {
	statements, err := policytest.Parse(document)
	if err != nil {
		return "", err
	}
	for _, s := range statements {
		if s.Sid == sid {
			return policy.JSON(s)
		}
	}
	return "", fmt.Errorf("the policy has no statement %s: %s", sid, document)
}

// allowed lists the actions of all statements that allow, families as they are spelt.
func allowed(document string) ([]string, error) {
	statements, err := policytest.Parse(document)
	if err != nil {
		return nil, err
	}
	var actions []string
	for _, s := range statements {
		if s.Effect == policy.Allow {
			actions = append(actions, s.Action...)
		}
	}
	slices.Sort(actions)
	return slices.Compact(actions), nil
}
