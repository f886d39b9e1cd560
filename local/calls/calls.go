// Package calls is the record of the calls that reach the embedded cloud's API: who made them, and what they were for. Tests
// hold it against what a role may do.
package calls

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Call is one call of AWS's API.
type Call struct {
	Time      time.Time `json:"time"`
	Service   string    `json:"service"`   // as in the scope of its signature, such as elasticloadbalancing
	Operation string    `json:"operation"` // the action, of a service that names none; or method and path
	Caller    string    `json:"caller"`    // access key
	// Resources are the ARNs of what it is for, as far as it names it; of what it makes, with an id that nothing has.
	Resources []string `json:"resources,omitempty"`
	Tagged    bool     `json:"tagged,omitempty"`   // whether it carries tags, which takes another permission
	Passed    []string `json:"passed,omitempty"`   // ARNs of roles that it hands to a service
	Boundary  string   `json:"boundary,omitempty"` // ARN of the permissions boundary that it sets
	Records   []string `json:"records,omitempty"`  // names of the DNS records that it changes, sorted
}

var credential = regexp.MustCompile(`Credential=([^/]+)/[0-9]+/[^/]+/([^/]+)/`)

// Identify says what a request calls, at a time. In the JSON protocol a header names the operation, in the query protocol a
// form field, whose form is returned; else it follows from method and path. The request's body can be read again.
func Identify(r *http.Request, now time.Time) (Call, url.Values, error) {
	c := Call{Time: now.UTC()}
	if match := credential.FindStringSubmatch(r.Header.Get("Authorization")); match != nil {
		c.Caller, c.Service = match[1], match[2]
	}
	if c.Service == "monitoring" { // as CloudWatch was once to be called; its permissions have its name
		c.Service = "cloudwatch"
	}
	_, operation, isJSON := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	isForm := strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
	if !isJSON && !isForm {
		c.Operation = r.Method + " " + r.URL.RequestURI()
		return c, nil, c.identifyREST(r)
	}
	body, err := keep(r)
	if err != nil {
		return c, nil, err
	}
	if isJSON {
		c.Operation = operation
		var fields map[string]any
		if json.Unmarshal(body, &fields) == nil { // else moto will say what is wrong with it
			c.describe(jsonParameters(fields))
		}
		return c, nil, nil
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return c, nil, fmt.Errorf("understand the call: %w", err)
	}
	c.Operation = form.Get("Action")
	c.describe(formParameters(form))
	return c, form, nil
}

// Read returns the calls of a record, in their order. A last line that is only half written is left out.
func Read(record io.Reader) ([]Call, error) {
	var all []Call
	lines := bufio.NewReader(record)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the record of calls: %w", err)
		}
		var c Call
		if err := json.Unmarshal(line, &c); err != nil {
			return nil, fmt.Errorf("understand line %d of the record of calls: %w", len(all)+1, err)
		}
		all = append(all, c)
	}
}
