package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// Outcome is what became of one thing.
type Outcome string

// What can become of a thing.
const (
	Created Outcome = "created"
	Mended  Outcome = "mended"
	Kept    Outcome = "as it should be"
)

// Result is one thing that was looked at.
type Result struct {
	Thing   string
	Outcome Outcome
	Detail  string // how it is now, or how it differed
}

// Report is what a run found and did.
type Report struct {
	Account  string // 12 digits
	Bucket   string // empty with Pulumi Cloud
	KeyARN   string // empty with Pulumi Cloud, and where a dry run would make one
	KeyAlias string
	DryRun   bool
	Results  []Result
	Next     []Step
}

// Changed says whether the run changed anything, or would have.
func (r *Report) Changed() bool {
	for _, result := range r.Results {
		if result.Outcome != Kept {
			return true
		}
	}
	return false
}

// runner is a run under way.
type runner struct {
	options   Options
	report    *Report
	out       io.Writer
	partition string
	s3        *s3.Client
	kms       *kms.Client
}

// Run prepares the account that cfg has credentials for, and tells each step to out as it is done. The region of cfg is not
// looked at: that of the options counts. An error says what happened, where and what to do; what was done until then stays, and
// the next run goes on from there.
func Run(ctx context.Context, cfg aws.Config, o Options, out io.Writer) (*Report, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	cfg = cfg.Copy()
	cfg.Region = o.Region
	r := &runner{
		options: o, out: out, report: &Report{DryRun: o.DryRun},
		s3: s3.NewFromConfig(cfg), kms: kms.NewFromConfig(cfg),
	}
	if err := r.identify(ctx, sts.NewFromConfig(cfg)); err != nil {
		return r.report, err
	}
	if !o.PulumiCloud {
		if err := r.bucket(ctx); err != nil {
			return r.report, err
		}
		if err := r.key(ctx); err != nil {
			return r.report, err
		}
	}
	r.report.Next = Next(o, r.report)
	return r.report, nil
}

// identify learns whose credentials these are, and refuses a wrong account before anything is made in it.
func (r *runner) identify(ctx context.Context, client *sts.Client) error {
	caller, err := client.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return failed(err, "ask AWS whose credentials these are")
	}
	r.report.Account = aws.ToString(caller.Account)
	r.partition = "aws"
	if parts := strings.SplitN(aws.ToString(caller.Arn), ":", 3); len(parts) == 3 && parts[1] != "" {
		r.partition = parts[1]
	}
	if want := r.options.Account; want != "" && want != r.report.Account {
		return fmt.Errorf("the credentials are for account %s (%s), and the stack %s belongs to %s; nothing was done: log in to %s, or mend the option account",
			r.report.Account, aws.ToString(caller.Arn), r.options.Stack, want, want)
	}
	return nil
}

// setting is one property of a thing that exists.
type setting struct {
	thing string
	// read says how it is now, and whether that is right.
	read func(ctx context.Context) (is string, right bool, err error)
	mend func(ctx context.Context) error
}

// settle reads a setting, and mends it where it differs. Of something new the settings are told as part of it.
func (r *runner) settle(ctx context.Context, s setting, isNew bool) error {
	is, right, err := s.read(ctx)
	if err != nil {
		return err
	}
	if right {
		r.tell(Result{Thing: s.thing, Outcome: Kept, Detail: is})
		return nil
	}
	if !r.options.DryRun {
		if err := s.mend(ctx); err != nil {
			return err
		}
	}
	outcome, detail := Mended, "it was: "+is
	if isNew {
		outcome, detail = Created, ""
	}
	r.tell(Result{Thing: s.thing, Outcome: outcome, Detail: detail})
	return nil
}

// tell records a result and prints it.
func (r *runner) tell(result Result) {
	r.report.Results = append(r.report.Results, result)
	outcome := string(result.Outcome)
	if r.options.DryRun && result.Outcome != Kept {
		outcome = "would be " + outcome
	}
	line := result.Thing + ": " + outcome
	if result.Detail != "" {
		line += " (" + result.Detail + ")"
	}
	_, _ = fmt.Fprintln(r.out, line)
}

// failed wraps an error of AWS with what was tried, and with what to do about it.
func failed(err error, format string, args ...any) error {
	advice := "run it again: it goes on where it stopped"
	switch code := errorCode(err); code {
	case "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "Forbidden":
		advice = "these credentials may not do that: use some that administer the account"
	case "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException", "InvalidToken":
		advice = "the credentials are not valid, or no longer: log in again, for example by `aws sso login`"
	case "":
		advice = "is AWS reachable, and are there credentials? `aws sts get-caller-identity` shows them"
	}
	return fmt.Errorf("%s: %w; %s", fmt.Sprintf(format, args...), err, advice)
}

// errorCode is AWS's code of an error, or empty where AWS did not answer.
func errorCode(err error) string {
	var answer smithy.APIError
	if errors.As(err, &answer) {
		return answer.ErrorCode()
	}
	return ""
}
