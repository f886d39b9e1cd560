package identity

import (
	"fmt"

	"slipway/infra/policy"
)

// State is where the CLI keeps the stack's state, as far as it is in this cloud.
type State struct {
	Bucket  string // of S3; empty for a state elsewhere, for which the roles need nothing here
	KeyARN  string // KMS key of the bucket or of the state's secrets; empty for none
	Project string // as in Pulumi.yaml
	Stack   string
}

// writeState is what an `up` does with the state: it locks it, reads it, and writes it with a copy of its last one, its history
// and its backups. Another stack's state in the same bucket is out of reach.
func (a Args) writeState() []policy.Statement {
	if a.State.Bucket == "" {
		return nil
	}
	name := a.State.Project + "/" + a.State.Stack
	statements := append(a.findState(), policy.Statement{
		Sid: "State", Effect: policy.Allow,
		// In a bucket that keeps versions a deletion is a mark, which a person can take back.
		Action: []string{"s3:DeleteObject", "s3:GetObject", "s3:PutObject"},
		Resource: []string{
			a.stateFile(),
			a.inState("locks/organization/" + name + "/*"), // the CLI's own word for a bucket's only organization
			a.inState("history/" + name + "/*"),
			a.inState("backups/" + name + "/*"),
			a.bucketARN() + "/.slipway/claims/" + name + "/*", // which run may hold the lock, see ops/locks
		},
	})
	return append(statements, a.stateKey("kms:Decrypt", "kms:GenerateDataKey")...)
}

// readState is what a preview does with the state: it takes no lock and writes nothing.
func (a Args) readState() []policy.Statement {
	if a.State.Bucket == "" {
		return nil
	}
	statements := append(a.findState(), policy.Statement{
		Sid: "State", Effect: policy.Allow, Action: []string{"s3:GetObject"}, Resource: []string{a.stateFile()},
	})
	return append(statements, a.stateKey("kms:Decrypt")...)
}

// findState is what the CLI does before it knows which stack is meant.
func (a Args) findState() []policy.Statement {
	return []policy.Statement{
		{
			Sid: "StateNames", Effect: policy.Allow, Action: []string{"s3:ListBucket"},
			// The whole bucket: with less, S3 answers 403 instead of 404 for what is not there, which the CLI takes for an error.
			Resource: []string{a.bucketARN()},
		},
		{
			Sid: "StateForm", Effect: policy.Allow, Action: []string{"s3:GetObject"},
			Resource: []string{a.inState("meta.yaml")}, // the version of the layout, which all stacks of the bucket share
		},
	}
}

func (a Args) stateKey(actions ...string) []policy.Statement {
	if a.State.KeyARN == "" {
		return nil
	}
	return []policy.Statement{{Sid: "StateKey", Effect: policy.Allow, Action: actions, Resource: []string{a.State.KeyARN}}}
}

func (a Args) bucketARN() string { return fmt.Sprintf("arn:%s:s3:::%s", a.Partition, a.State.Bucket) }

func (a Args) inState(path string) string { return a.bucketARN() + "/.pulumi/" + path }

// stateFile matches the state, packed or not, its last copy and the stack's tags. A stack's name has no dot in it.
func (a Args) stateFile() string {
	return a.inState("stacks/" + a.State.Project + "/" + a.State.Stack + ".*")
}
