// Package naming makes the physical names of resources. They are chosen by us, not generated, so that a person finds a
// resource by looking at its stack, and so that a run after an interrupted one meets "already exists" instead of making a
// second one.
package naming

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// LoadBalancerLimit is the longest name, in characters, of a load balancer and of a target group.
const LoadBalancerLimit = 32

const hashLength = 6

// Join joins parts by hyphens. A result longer than limit characters is cut, and ends in a hyphen and six hexadecimal
// digits that keep two long names apart. limit must be more than 7.
func Join(limit int, parts ...string) string {
	name := strings.Join(parts, "-")
	if len(name) <= limit {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	kept := strings.TrimRight(name[:Uncut(limit)], "-")
	return kept + "-" + hex.EncodeToString(sum[:])[:hashLength]
}

// Uncut is how many characters of a name Join keeps at least, whatever its length, but for hyphens at their end.
func Uncut(limit int) int { return limit - hashLength - 1 }
