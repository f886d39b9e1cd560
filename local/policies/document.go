package policies

import (
	"encoding/xml"
	"fmt"
	"net/url"
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
