// Package policies holds the calls of a run against the policies of the roles that a real run would have: what is missing,
// what is too much, and what nobody uses.
package policies

import (
	"errors"
	"fmt"
	"slices"

	"slipway/local/awsapi"
	"slipway/local/calls"
)

// Documents are the policies of the roles of GitHub's jobs. Of the deploy role's there are what every stack needs, and those for
// options, joined.
type Documents struct{ Deploy, Options, Preview string }

// Run says what a record is of.
type Run struct {
	InBucket bool     // whether the policies are of a stack whose state is in a bucket
	Options  []string // that the stack has switched on: Sids of their statements
}

// Faults holds a record of up, down and previews of one stack against the policies, and lists all that is wrong: calls that
// would be refused, actions that nobody needs, what a preview could write, and exceptions that nothing makes use of any more.
func Faults(documents Documents, record []calls.Call, run Run) ([]string, error) {
	needs, err := Needs(record)
	if err != nil {
		return nil, err
	}
	deploys, previews := Of(needs, deployers...), Of(needs, awsapi.RunKey("preview"))
	var faults []string
	for _, operation := range []string{"preview", "up", "down"} { // of nothing, nothing is wrong
		if len(Of(needs, awsapi.RunKey(operation))) == 0 {
			faults = append(faults, "the record holds no call of "+operation)
		}
	}
	for _, n := range needs { // a call that nobody is known to make would be held against no policy
		if !slices.Contains(append([]string{awsapi.Housekeeping, awsapi.RunKey("preview")}, deployers...), n.Caller) {
			faults = append(faults, fmt.Sprintf("nobody is known by the access key %q, which needs %s", n.Caller, n))
		}
	}
	deploy, err := Join(documents.Deploy, documents.Options)
	if err != nil {
		return nil, err
	}
	deployUnused, previewUnused := deployUnused, previewUnused
	if run.InBucket {
		deployUnused, previewUnused = slices.Concat(deployUnused, deployState), slices.Concat(previewUnused, previewState)
	}
	var failed error
	note := func(what string) func(found []string, stale []Exception, err error) {
		return func(found []string, stale []Exception, err error) {
			for _, one := range found {
				faults = append(faults, what+" "+one)
			}
			for _, one := range stale {
				faults = append(faults, fmt.Sprintf("%s: the exception %+v is not needed any more", what, one))
			}
			failed = errors.Join(failed, err)
		}
	}
	persons := slices.Clone(persons)
	for _, sid := range run.Options {
		persons = append(persons, optionPersons[sid]...)
	}
	note("the deploy role needs and lacks")(Missing(deploy, deploys, persons))
	note("the preview role needs and lacks")(Missing(documents.Preview, previews, nil))
	if len(run.Options) == 0 { // the run of an option shows what that one uses, and this the rest
		note("the deploy role has no use for")(Unused(documents.Deploy, deploys, deployUnused))
		note("the preview role has no use for")(Unused(documents.Preview, previews, previewUnused))
	}
	for _, sid := range run.Options {
		option, err := only(documents.Options, sid)
		if err != nil {
			return nil, err
		}
		note("with " + sid + " on, the deploy role has no use for")(Unused(option, deploys, optionUnused[sid]))
	}
	note("the preview role may change something by")(Writes(documents.Preview, previewWrites(run.InBucket)))
	return faults, failed
}

// deployers are the access keys of what is done with the deploy role.
var deployers = []string{awsapi.RunKey("up"), awsapi.RunKey("down"), awsapi.RunKey("refresh"), awsapi.RunKey("releases")}

// Lacks lists what a record needs of the deploy role and the role lacks. It is for a record of a part of a stack's life, which makes
// use of a part of the role: a release that fails, or the way back.
func Lacks(documents Documents, record []calls.Call) ([]string, error) {
	needs, err := Needs(record)
	if err != nil {
		return nil, err
	}
	if needs = Of(needs, deployers...); len(needs) == 0 { // of nothing, nothing is wrong
		return []string{"a record: it holds no call of the deploy role"}, nil
	}
	deploy, err := Join(documents.Deploy, documents.Options)
	if err != nil {
		return nil, err
	}
	missing, _, err := Missing(deploy, needs, persons)
	return missing, err
}
