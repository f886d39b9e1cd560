package calls

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// identifyREST names what a call takes of a service whose calls are methods and paths. Where it is not known the operation stays as it
// is, and whoever holds the record against policies stumbles over it.
func (c *Call) identifyREST(r *http.Request) error {
	switch c.Service {
	case "s3":
		return c.identifyS3(r)
	case "route53":
		return c.identifyRoute53(r)
	case "scheduler":
		return c.identifyScheduler(r)
	}
	return nil
}

// actionsOnBuckets are by the method and the key of the query that says which part of the bucket is meant. Taking a setting away needs
// the right to set it.
var actionsOnBuckets = map[string]string{
	"DELETE":                   "DeleteBucket",
	"DELETE encryption":        "PutEncryptionConfiguration",
	"DELETE lifecycle":         "PutLifecycleConfiguration",
	"DELETE policy":            "DeleteBucketPolicy",
	"DELETE publicAccessBlock": "PutBucketPublicAccessBlock",
	"DELETE tagging":           "PutBucketTagging",
	"GET":                      "ListBucket",
	"GET accelerate":           "GetAccelerateConfiguration",
	"GET acl":                  "GetBucketAcl",
	"GET cors":                 "GetBucketCORS",
	"GET encryption":           "GetEncryptionConfiguration",
	"GET lifecycle":            "GetLifecycleConfiguration",
	"GET location":             "GetBucketLocation",
	"GET logging":              "GetBucketLogging",
	"GET object-lock":          "GetBucketObjectLockConfiguration",
	"GET policy":               "GetBucketPolicy",
	"GET publicAccessBlock":    "GetBucketPublicAccessBlock",
	"GET replication":          "GetReplicationConfiguration",
	"GET requestPayment":       "GetBucketRequestPayment",
	"GET tagging":              "GetBucketTagging",
	"GET versioning":           "GetBucketVersioning",
	"GET versions":             "ListBucketVersions",
	"GET website":              "GetBucketWebsite",
	"HEAD":                     "ListBucket",
	"PUT":                      "CreateBucket",
	"PUT encryption":           "PutEncryptionConfiguration",
	"PUT lifecycle":            "PutLifecycleConfiguration",
	"PUT policy":               "PutBucketPolicy",
	"PUT publicAccessBlock":    "PutBucketPublicAccessBlock",
	"PUT tagging":              "PutBucketTagging",
}

var actionsOnObjects = map[string]string{"DELETE": "DeleteObject", "GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject"}

// identifyS3 names the action, which in S3 is often not called as its operation is.
func (c *Call) identifyS3(r *http.Request) error {
	bucket, object, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	arn, query := "arn:aws:s3:::"+bucket, r.URL.Query()
	action := ""
	switch {
	case bucket == "" && r.Method == http.MethodGet:
		c.Operation = "ListAllMyBuckets"
		return nil
	case object != "":
		action, arn = actionsOnObjects[r.Method], arn+"/"+object
	case r.Method == http.MethodPost && query.Has("delete"):
		body, err := keep(r)
		if err != nil {
			return err
		}
		action, arn = "DeleteObject", arn+"/*"
		if bytes.Contains(body, []byte("<VersionId>")) {
			action = "DeleteObjectVersion"
		}
	default:
		action = actionsOnBuckets[r.Method]
		for key := range query {
			if of, known := actionsOnBuckets[r.Method+" "+key]; known {
				action = of
			}
		}
	}
	if action != "" {
		c.Operation, c.Resources = action, []string{arn}
	}
	return nil
}

var (
	underZones = regexp.MustCompile(`^/2013-04-01/(hostedzone|change)(?:/([A-Z0-9]+))?(/rrset)?/?$`)
	onZones    = map[string]string{
		"DELETE hostedzone/ID": "DeleteHostedZone", "GET change/ID": "GetChange", "GET hostedzone": "ListHostedZones",
		"GET hostedzone/ID": "GetHostedZone", "GET hostedzone/ID/rrset": "ListResourceRecordSets",
		"POST hostedzone": "CreateHostedZone", "POST hostedzone/ID/rrset": "ChangeResourceRecordSets",
	}
)

func (c *Call) identifyRoute53(r *http.Request) error {
	match := underZones.FindStringSubmatch(r.URL.Path)
	if match == nil {
		return nil
	}
	kind, id, records := match[1], match[2], match[3]
	form := kind
	if id != "" {
		form += "/ID" + records
	}
	operation, known := onZones[r.Method+" "+form]
	if !known {
		return nil
	}
	c.Operation = operation
	if id != "" {
		c.Resources = []string{"arn:aws:route53:::" + kind + "/" + id}
	}
	if operation != "ChangeResourceRecordSets" {
		return nil
	}
	body, err := keep(r)
	if err != nil {
		return err
	}
	var batch struct {
		Names []string `xml:"ChangeBatch>Changes>Change>ResourceRecordSet>Name"`
	}
	_ = xml.Unmarshal(body, &batch) // what is no batch moto refuses
	for _, name := range batch.Names {
		c.Records = append(c.Records, strings.ToLower(strings.TrimSuffix(name, ".")))
	}
	slices.Sort(c.Records)
	return nil
}

// keep reads a request's body, which can be read again.
func keep(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("read the call: %w", err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return body, nil
}
