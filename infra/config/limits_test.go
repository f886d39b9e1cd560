package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// words are the limits of all keys as their tags have them.
func words() map[string]string {
	all := map[string]string{}
	for _, key := range append(Declared(), DeclaredOfService()...) {
		all[key.Key] = key.Limits
	}
	return all
}

// TestLimitsOfLength holds the numbers of characters that limits tell against the expressions that judge.
func TestLimitsOfLength(t *testing.T) {
	for key, c := range map[string]struct {
		form        *regexp.Regexp
		first, each string // a value is the first and some of each
		least, most int    // of each
		words       string // with both numbers
	}{
		"appName":              {appName, "", "a", 2, 20, "%d to %d"},
		"revision":             {commit, "", "a", 40, 40, "%d"},
		"registryAccount":      {accountID, "", "1", 12, 12, "%d digits"},
		"registryAccounts":     {accountID, "", "1", 12, 12, "%d digits"},
		"githubOwner":          {githubName, "", "a", 1, 100, "%d to %d"},
		"githubRepository":     {githubName, "", "a", 1, 100, "%d to %d"},
		"githubOwnerId":        {githubID, "", "1", 1, 19, "%d to %d"},
		"githubRepositoryId":   {githubID, "", "1", 1, 19, "%d to %d"},
		"githubEnvironment":    {environment, "", "a", 1, 100, "%d to %d"},
		"stateBucket":          {bucketName, "", "a", 3, 63, "%d to %d"},
		"databaseName":         {databaseName, "", "a", 1, 63, "%d to %d"},
		"databaseUser":         {databaseName, "", "a", 1, 63, "%d to %d"},
		"databaseAppUser":      {appUserName, "", "a", 1, 61, "%d to %d"},
		"edgeZoneId":           {zoneID, "", "A", 2, 32, "%d to %d"},
		"alarmsSlackWorkspace": {slackWorkspace, "T", "A", 8, 15, "%d to %d"},
		"alarmsSlackChannel":   {slackChannel, "C", "A", 8, 15, "%d to %d"},
		"secrets":              {appSecretName, "", "a", 1, 40, "%d to %d"},
		"user":                 {userAndGroup, "1:", "1", 1, 10, "of %[2]d digits"},
	} {
		for n, want := range map[int]bool{c.least - 1: false, c.least: true, c.most: true, c.most + 1: false} {
			if got := c.form.MatchString(c.first + strings.Repeat(c.each, n)); got != want {
				t.Errorf("%s: with %d characters it is taken: %t, want %t", key, n, got, want)
			}
		}
		said := fmt.Sprintf(c.words, c.least, c.most)
		if c.least == c.most {
			said = fmt.Sprintf(c.words, c.least)
		}
		if !strings.Contains(words()[key], said) {
			t.Errorf("%s: the limits %q do not say %q", key, words()[key], said)
		}
	}
}

// TestLimitsOfRules holds the numbers and names that limits tell against the rules' own.
func TestLimitsOfRules(t *testing.T) {
	var versions []int
	for version := range 100 {
		if majorVersion.MatchString(strconv.Itoa(version)) {
			versions = append(versions, version)
		}
	}
	cpus := append([]int{256}, slices.Sorted(maps.Keys(fargateMemory))...)
	for key, want := range map[string]string{
		"appName":                   fmt.Sprintf("%d with a hyphen and the stack's name", maxResourceName),
		"registryStacks":            fmt.Sprintf("%d at most", maxStacks),
		"networkCidr":               fmt.Sprintf("/%d to /%d", widestVPC, narrowestVPC),
		"networkPublicCidrs":        fmt.Sprintf("/%d or wider", narrowestSubnet),
		"networkPrivateCidrs":       fmt.Sprintf("/%d or wider", narrowestPrivate),
		"networkIsolatedCidrs":      fmt.Sprintf("/%d or wider", narrowestSubnet),
		"databaseName":              "not " + strings.Join(reservedDatabases, ", "),
		"databaseUser":              "not " + strings.Join(reservedUsers, ", ") + ", pg_…",
		"databaseVersion":           fmt.Sprintf("%d to %d", versions[0], versions[len(versions)-1]),
		"databaseBackupWindow":      fmt.Sprintf("%d minutes at least", shortestWindow),
		"databaseMaintenanceWindow": fmt.Sprintf("days %s, %d minutes at least", strings.Join(weekdays, ", "), shortestWindow),
		"edgeDomain":                fmt.Sprintf("%d characters at most", maxName),
		"edgeAliases":               fmt.Sprintf("%d at most", maxNames-1),
		"clusterDeployMinutes":      fmt.Sprintf("at least %d", leastWatch),
		"secretsRecoveryDays":       fmt.Sprintf("not 1 to %d", leastRecovery-1),
		"secrets":                   "not " + databaseSecret,
		"logRetentionDays":          oneOf(retentions),
		"path":                      fmt.Sprintf("%d at most, of %d characters each", maxPatterns, maxPatternLength),
		"port":                      fmt.Sprintf("not 1 to %d", lowestPort-1),
		"cpu":                       oneOf(cpus),
		"memory":                    sizesInWords(cpus),
	} {
		if !strings.Contains(words()[key], want) {
			t.Errorf("%s: the limits %q do not say %q", key, words()[key], want)
		}
	}
}

// oneOf lists numbers, the last after an or.
func oneOf(numbers []int) string {
	last := len(numbers) - 1
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(numbers[:last]), "[]"), " ", ", ") + fmt.Sprintf(" or %d", numbers[last])
}

// sizesInWords says which sizes of memory go with which of CPU.
func sizesInWords(cpus []int) string {
	all := []string{fmt.Sprintf("with cpu %d: %s", cpus[0], oneOf(memorySizes(cpus[0])))}
	for _, cpu := range cpus[1:] {
		r := fargateMemory[cpu]
		all = append(all, fmt.Sprintf("with %d: %d to %d by %d", cpu, r.from, r.to, r.step))
	}
	return strings.Join(all, "; ")
}
