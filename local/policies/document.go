package policies

import (
	"encoding/xml"
	"fmt"
	"net/url"
)

// Document reads the policy in IAM's answer to GetRolePolicy, where it stands percent-encoded.
func Document(answer []byte) (string, error) {
	var found struct {
		Document string `xml:"GetRolePolicyResult>PolicyDocument"`
	}
	if err := xml.Unmarshal(answer, &found); err != nil {
		return "", fmt.Errorf("understand the answer to GetRolePolicy: %w", err)
	}
	if found.Document == "" {
		return "", fmt.Errorf("the answer to GetRolePolicy holds no policy: %s", answer)
	}
	document, err := url.PathUnescape(found.Document)
	if err != nil {
		return "", fmt.Errorf("decode the policy in the answer to GetRolePolicy: %w", err)
	}
	return document, nil
}
