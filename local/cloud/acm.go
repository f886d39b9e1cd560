package cloud

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// certificates has ACM issue a certificate when the records that prove its names are in Route 53. moto would do so by the clock.
type certificates struct {
	api    client // moto's
	mu     sync.Mutex
	issued map[string]bool // by ARN: once valid, a certificate stays so until it would be renewed
}

const (
	acmTarget = "CertificateManager"
	pending   = "PENDING_VALIDATION"
)

// proof is a record that ACM asks for.
type proof struct{ Name, Type, Value string }

// certificate is what we read of one; all else in moto's answer stays as it is.
type certificate struct {
	ARN     string   `json:"CertificateArn"`
	Names   []string `json:"SubjectAlternativeNames"`
	Type    string
	Options []struct {
		DomainName     string
		ResourceRecord proof
	} `json:"DomainValidationOptions"`
}

// namesOf tells the names of a certificate, and none of one that is gone: so is its listener, by the next reading.
func (c *certificates) namesOf(ctx context.Context, arn string) ([]string, error) {
	var found struct{ Certificate certificate }
	err := c.api.json(ctx, "acm", acmTarget+".DescribeCertificate", map[string]string{"CertificateArn": arn}, &found)
	if err != nil && strings.Contains(err.Error(), "ResourceNotFoundException") {
		return nil, nil
	}
	slices.Sort(found.Certificate.Names) // moto's order changes
	return found.Certificate.Names, err
}

// amend says of a certificate that it waits until all its names are proved.
func (c *certificates) amend(ctx context.Context, operation string, body []byte) ([]byte, error) {
	if operation != "DescribeCertificate" {
		return body, nil
	}
	var found struct{ Certificate certificate }
	if err := json.Unmarshal(body, &found); err != nil {
		return nil, fmt.Errorf("understand moto's certificate: %w", err)
	}
	missing, err := c.missing(ctx, found.Certificate)
	if err != nil || len(missing) == 0 {
		return body, err
	}
	var whole map[string]map[string]any
	numbers := json.NewDecoder(bytes.NewReader(body))
	numbers.UseNumber()
	if err := numbers.Decode(&whole); err != nil {
		return nil, fmt.Errorf("understand moto's certificate: %w", err)
	}
	told := whole["Certificate"]
	told["Status"] = pending
	maps.DeleteFunc(told, func(key string, _ any) bool {
		return key == "IssuedAt" || key == "NotBefore" || key == "NotAfter" || key == "Serial"
	})
	options, _ := told["DomainValidationOptions"].([]any)
	for _, option := range options {
		if fields, ok := option.(map[string]any); ok && slices.Contains(missing, fmt.Sprint(fields["DomainName"])) {
			fields["ValidationStatus"] = pending
		}
	}
	return json.Marshal(whole)
}

// missing lists the names of a certificate whose proofs are not in Route 53; none of one that is valid already.
func (c *certificates) missing(ctx context.Context, found certificate) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if found.Type != "AMAZON_ISSUED" || c.issued[found.ARN] {
		return nil, nil
	}
	there, err := records(ctx, c.api)
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, option := range found.Options {
		if !slices.Contains(there, option.ResourceRecord) {
			missing = append(missing, option.DomainName)
		}
	}
	c.issued[found.ARN] = len(missing) == 0
	return missing, nil
}

// records are all of all hosted zones, one for each value; of an alias the value is empty.
func records(ctx context.Context, api client) ([]proof, error) {
	answer, err := api.get(ctx, "route53", "/2013-04-01/hostedzone")
	if err != nil {
		return nil, err
	}
	zones, err := elements(answer, "Id")
	if err != nil {
		return nil, fmt.Errorf("understand the hosted zones: %w", err)
	}
	var all []proof
	for _, zone := range zones {
		answer, err := api.get(ctx, "route53", "/2013-04-01"+zone+"/rrset") // an id begins with /hostedzone/
		if err != nil {
			return nil, err
		}
		var found struct {
			Sets []struct {
				Name, Type string
				Values     []string `xml:"ResourceRecords>ResourceRecord>Value"`
			} `xml:"ResourceRecordSets>ResourceRecordSet"`
		}
		if err := xml.Unmarshal(answer, &found); err != nil {
			return nil, fmt.Errorf("understand the records of %s: %w", zone, err)
		}
		for _, set := range found.Sets {
			if len(set.Values) == 0 {
				set.Values = []string{""}
			}
			for _, value := range set.Values {
				all = append(all, proof{set.Name, set.Type, value})
			}
		}
	}
	return all, nil
}
