package scan

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Finding is one thing that a scanner does not like.
type Finding struct {
	Scanner string
	Rule    string // the scanner's own name for it
	Title   string
	Where   string // a file of the repository, or the Terraform address of a resource
}

// Scanner reads files and finds things.
type Scanner struct {
	Name string
	// Files has it read files of the repository at top; nil where it reads none.
	Files func(ctx context.Context, top string) ([]Finding, error)
	// Plan has it read one stack's plan; nil where it reads no plans.
	Plan func(ctx context.Context, file string) ([]Finding, error)
	// Cloud has it ask AWS's API at endpoint what is there, and keep its report in dir; nil where it asks no API.
	Cloud func(ctx context.Context, endpoint, dir string) ([]Finding, error)
}

// Scanners are those whose programs local/scan.sh makes below dir.
func Scanners(dir string) map[string]Scanner {
	// As modules, since the environment was moved after its scripts had been given their paths.
	python := filepath.Join(dir, "python", "bin", "python")
	trivy := filepath.Join(dir, "go", "trivy")
	return map[string]Scanner{
		"checkov": {
			Name: "checkov",
			Files: func(ctx context.Context, top string) ([]Finding, error) {
				return checkov(ctx, python, "-d", top, "--framework", "dockerfile", "github_actions", "secrets")
			},
			Plan: func(ctx context.Context, file string) ([]Finding, error) {
				return checkov(ctx, python, "-f", file, "--framework", "terraform_plan")
			},
		},
		"hadolint": {
			Name: "hadolint",
			Files: func(ctx context.Context, top string) ([]Finding, error) {
				return hadolint(ctx, filepath.Join(dir, "python", "bin", "hadolint"), top)
			},
		},
		"bandit": {
			Name:  "bandit",
			Files: func(ctx context.Context, top string) ([]Finding, error) { return bandit(ctx, python, top) },
		},
		"trivy": {
			Name: "trivy",
			Files: func(ctx context.Context, top string) ([]Finding, error) {
				return misconfigured(ctx, trivy, top)
			},
			Plan: func(ctx context.Context, file string) ([]Finding, error) { return misconfigured(ctx, trivy, file) },
		},
		"prowler": {
			Name: "prowler",
			Cloud: func(ctx context.Context, endpoint, reports string) ([]Finding, error) {
				return prowler(ctx, filepath.Join(dir, "prowler", "bin", "python"), endpoint, reports)
			},
		},
	}
}

// read runs a scanner and reads the JSON that it prints.
func read(ctx context.Context, into any, program string, args ...string) error {
	var words bytes.Buffer
	command := exec.CommandContext(ctx, program, args...)
	command.Stderr = &words
	out, err := command.Output()
	if err == nil {
		err = json.Unmarshal(out, into)
	}
	if err == nil && strings.Contains(words.String(), "Error parsing file") { // trivy's words for what it then leaves out
		err = errors.New("it could not read everything")
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s%.2000s", filepath.Base(program), strings.Join(args, " "), err, words.String(), out)
	}
	return nil
}

func checkov(ctx context.Context, python string, args ...string) ([]Finding, error) {
	args = append([]string{"-m", "checkov.main", "--skip-download", "--quiet", "--compact", "--soft-fail", "--output", "json"}, args...)
	var raw json.RawMessage
	if err := read(ctx, &raw, python, args...); err != nil {
		return nil, err
	}
	type report struct {
		Results struct {
			Failed []struct {
				Rule     string `json:"check_id"`
				Title    string `json:"check_name"`
				File     string `json:"file_path"`
				Resource string `json:"resource"`
			} `json:"failed_checks"`
			Unreadable []string `json:"parsing_errors"`
		} `json:"results"`
		Summary *struct {
			Failed int `json:"failed"`
		} `json:"summary"`
		Kind string `json:"check_type"`
	}
	var all []report
	if json.Unmarshal(raw, &all) != nil { // of one framework it is no list
		all = make([]report, 1)
		if err := json.Unmarshal(raw, &all[0]); err != nil {
			return nil, fmt.Errorf("read what checkov printed: %w", err)
		}
	}
	var found []Finding
	for _, r := range all {
		if len(r.Results.Unreadable) > 0 {
			return nil, fmt.Errorf("checkov could not read %v", r.Results.Unreadable)
		}
		for _, f := range r.Results.Failed {
			where := strings.TrimPrefix(f.File, "/")
			if r.Kind == "terraform_plan" {
				where = f.Resource
			}
			found = append(found, Finding{Scanner: "checkov", Rule: f.Rule, Title: f.Title, Where: where})
		}
	}
	return found, nil
}

func hadolint(ctx context.Context, program, top string) ([]Finding, error) {
	files, err := filepath.Glob(filepath.Join(top, "*", "Dockerfile"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no Dockerfile below %s: %w", top, err)
	}
	var all []struct{ Code, Message, File string }
	if err := read(ctx, &all, program, append([]string{"--no-fail", "--format", "json"}, files...)...); err != nil {
		return nil, err
	}
	var found []Finding
	for _, f := range all {
		found = append(found, Finding{Scanner: "hadolint", Rule: f.Code, Title: f.Message, Where: below(top, f.File)})
	}
	return found, nil
}

func bandit(ctx context.Context, python, top string) ([]Finding, error) {
	var all struct {
		Errors  []any
		Results []struct {
			Rule  string `json:"test_id"`
			Title string `json:"issue_text"`
			File  string `json:"filename"`
		}
	}
	args := []string{"-m", "bandit", "--quiet", "--exit-zero", "--format", "json", "--recursive"}
	for _, folder := range []string{"backend/app", "backend/migrations", "local/tools"} {
		args = append(args, filepath.Join(top, folder))
	}
	if err := read(ctx, &all, python, args...); err != nil {
		return nil, err
	}
	if len(all.Errors) > 0 {
		return nil, fmt.Errorf("bandit could not read everything: %v", all.Errors)
	}
	var found []Finding
	for _, f := range all.Results {
		found = append(found, Finding{Scanner: "bandit", Rule: f.Rule, Title: f.Title, Where: below(top, f.File)})
	}
	return found, nil
}

// misconfigured has trivy look for what is configured badly. Its database of vulnerabilities is not asked for.
func misconfigured(ctx context.Context, program, what string) ([]Finding, error) {
	var report struct {
		Results []struct {
			Target            string
			Misconfigurations []struct {
				ID, Title     string
				CauseMetadata struct{ Resource string }
			}
		}
	}
	cache := filepath.Join(filepath.Dir(program), "cache")
	if err := read(ctx, &report, program, "config", "--skip-check-update", "--cache-dir", cache, "--format", "json", what); err != nil {
		return nil, err
	}
	var found []Finding
	for _, result := range report.Results {
		for _, m := range result.Misconfigurations {
			where := m.CauseMetadata.Resource
			if where == "" {
				where = result.Target
			}
			found = append(found, Finding{Scanner: "trivy", Rule: m.ID, Title: m.Title, Where: where})
		}
	}
	return found, nil
}

// audited are the services of AWS that a stack uses and prowler knows.
var audited = []string{"cloudwatch", "ec2", "ecr", "ecs", "elbv2", "iam", "kms", "rds", "secretsmanager", "vpc"}

// prowler asks the API itself, with credentials that an emulator takes and AWS does not.
func prowler(ctx context.Context, python, endpoint, dir string) ([]Finding, error) {
	args := append([]string{"-m", "prowler", "aws", "--region", "us-east-1", "--service"}, audited...)
	command := exec.CommandContext(ctx, python, append(args, "--ignore-exit-code-3", "--no-banner", "--no-color",
		"--aws-retries-max-attempts", "1", "--output-formats", "json-ocsf", "--output-directory", dir, "--output-filename", "prowler")...)
	// Nothing of the caller's own: a profile or a session would be another account's.
	others := slices.DeleteFunc(os.Environ(), func(variable string) bool { return strings.HasPrefix(variable, "AWS_") })
	command.Env = append(others, "AWS_ENDPOINT_URL="+endpoint, "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test",
		"AWS_DEFAULT_REGION=us-east-1", "AWS_EC2_METADATA_DISABLED=true")
	if words, err := command.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("prowler: %w\n%s", err, words)
	}
	text, err := os.ReadFile(filepath.Join(dir, "prowler.ocsf.json"))
	if err != nil {
		return nil, fmt.Errorf("read prowler's report: %w", err)
	}
	var all []struct {
		Status   string `json:"status_code"`
		Metadata struct {
			Rule string `json:"event_code"`
		}
		Info struct {
			Title string
		} `json:"finding_info"`
		Resources []struct{ Name, UID string }
	}
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("read prowler's report: %w", err)
	}
	var found []Finding
	for _, f := range all {
		if f.Status != "FAIL" {
			continue
		}
		one := Finding{Scanner: "prowler", Rule: f.Metadata.Rule, Title: f.Info.Title}
		for _, r := range f.Resources {
			one.Where = cmp.Or(r.Name, r.UID)
		}
		found = append(found, one)
	}
	return found, nil
}

func below(top, file string) string {
	if relative, err := filepath.Rel(top, file); err == nil {
		return relative
	}
	return file
}
