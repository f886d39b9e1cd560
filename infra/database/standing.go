package database

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway/infra/held"
)

// Standing is the instance that the last run left, as its state has it. The zero value is none.
type Standing struct {
	Database, User string
	Snapshot       string // that it was made from
	MajorVersion   string
	StorageGiB     int
	FinalSnapshot  string // that its deletion leaves, unless that is switched off
}

// Stands finds which instance stands under the name of a component.
func Stands(stood held.State, name string) Standing {
	outputs := stood.Of("aws:rds/instance:Instance")[name]
	text := func(output string) string {
		value, _ := outputs[output].(string)
		return value
	}
	storage, _ := outputs["allocatedStorage"].(float64)
	major, _, _ := strings.Cut(text("engineVersion"), ".")
	return Standing{
		Database: text("dbName"), User: text("username"), Snapshot: text("snapshotIdentifier"), MajorVersion: major,
		StorageGiB: int(storage), FinalSnapshot: text("finalSnapshotIdentifier"),
	}
}

// ReplacedBy says whether these ask for another instance in the place of this one: RDS sets them once. The provider asks the same.
func (s Standing) ReplacedBy(database, user, snapshot string) bool {
	return s != Standing{} && (database != s.Database || user != s.User || snapshot != "" && snapshot != s.Snapshot)
}

// numbered finds the number that a final snapshot's name ends in, behind the id of a security group.
var numbered = regexp.MustCompile(`-final-sg-[0-9a-z]+-([0-9]+)$`)

// number counts the instances that one life of the stack has had, with the one that is asked for.
func (s Standing) number(args Args) int {
	number := 1
	if found := numbered.FindStringSubmatch(s.FinalSnapshot); found != nil {
		number, _ = strconv.Atoi(found[1])
	}
	if s.ReplacedBy(args.Database, args.User, args.Snapshot) {
		number++
	}
	return number
}

// finalSnapshot names the snapshot that the instance's deletion leaves. RDS takes no name twice, and a snapshot outlives what it was
// made of: the security group's id is new for each life of the stack, the number for each instance in it.
func (args Args) finalSnapshot(group pulumi.IDOutput) pulumi.StringOutput {
	if number := args.Standing.number(args); number > 1 {
		return pulumi.Sprintf("%s-final-%s-%d", args.Name, group, number)
	}
	return pulumi.Sprintf("%s-final-%s", args.Name, group)
}
