// Package policy writes IAM policy documents as typed values.
package policy

import (
	"encoding/json"
	"fmt"
)

// Effects of a Statement.
const (
	Allow = "Allow"
	Deny  = "Deny"
)

// version is the current version of the policy language, which is a date and has been this one since 2012.
const version = "2012-10-17"

// Statement is one rule of a Document, with the fields of the IAM policy grammar.
type Statement struct {
	Sid       string     `json:",omitempty"` // letters and digits only
	Effect    string     // Allow or Deny
	Principal *Principal `json:",omitempty"` // only in trust and resource policies
	Action    []string   `json:",omitempty"`
	Resource  []string   `json:",omitempty"` // ARNs; absent in trust policies
	Condition Condition  `json:",omitempty"`
}

// Principal names who a trust or resource policy speaks of.
type Principal struct {
	Service   []string `json:",omitempty"` // such as ecs-tasks.amazonaws.com
	Federated []string `json:",omitempty"` // ARNs of identity providers
	AWS       []string `json:",omitempty"` // ARNs of accounts and roles
}

// Condition maps an operator such as StringEquals to keys and the values that each may have.
type Condition map[string]map[string][]string

// Document is a whole policy.
type Document struct {
	Version   string
	Statement []Statement
}

// JSON renders statements as a policy document. Equal statements give equal text, so that no run shows a difference that
// is not one.
func JSON(statements ...Statement) (string, error) {
	text, err := json.Marshal(Document{Version: version, Statement: statements})
	if err != nil {
		return "", fmt.Errorf("render a policy: %w", err)
	}
	return string(text), nil
}

// TrustService is the trust policy of a role that one AWS service takes on. The two conditions keep another account from
// using the service as its deputy: account is our id, sourceARN a pattern of the ARNs that may cause the call.
func TrustService(service, account, sourceARN string) (string, error) {
	return JSON(Statement{
		Effect:    Allow,
		Principal: &Principal{Service: []string{service}},
		Action:    []string{"sts:AssumeRole"},
		Condition: Condition{
			"StringEquals": {"aws:SourceAccount": {account}},
			"ArnLike":      {"aws:SourceArn": {sourceARN}},
		},
	})
}
