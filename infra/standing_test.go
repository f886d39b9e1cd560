package infra

import (
	"maps"
	"strings"
	"testing"
)

// TestStandingDatabase holds what the program makes of a database that stands: what its last snapshot is called, and what it cannot become.
func TestStandingDatabase(t *testing.T) {
	const fourth = "myapp-staging-final-sg-0123-4"
	for name, c := range map[string]struct {
		settings       map[string]string
		standing       map[string]any
		final, refusal string // of which one
	}{
		"none":                     {final: "myapp-staging-final-SecurityGroup:database"},
		"unchanged":                {standing: map[string]any{}, final: "myapp-staging-final-SecurityGroup:database"},
		"kept":                     {standing: map[string]any{"finalSnapshotIdentifier": fourth}, final: "myapp-staging-final-SecurityGroup:database-4"},
		"restored":                 {settings: map[string]string{"databaseSnapshot": "by-hand"}, standing: map[string]any{"finalSnapshotIdentifier": fourth}, final: "myapp-staging-final-SecurityGroup:database-5"},
		"no last snapshot":         {settings: map[string]string{"databaseProtected": "false", "databaseFinalSnapshot": "false"}, standing: map[string]any{"finalSnapshotIdentifier": fourth}, final: "myapp-staging-final-SecurityGroup:database-4"},
		"a minor version":          {standing: map[string]any{"engineVersion": "17.9"}, final: "myapp-staging-final-SecurityGroup:database"},
		"an upgrade":               {settings: map[string]string{"databaseVersion": "18"}, standing: map[string]any{}, refusal: "set databaseApplyImmediately to true"},
		"an upgrade at once":       {settings: map[string]string{"databaseVersion": "18", "databaseApplyImmediately": "true"}, standing: map[string]any{}, final: "myapp-staging-final-SecurityGroup:database"},
		"an upgrade by a snapshot": {settings: map[string]string{"databaseVersion": "18", "databaseSnapshot": "by-hand"}, standing: map[string]any{}, final: "myapp-staging-final-SecurityGroup:database-2"},
		"a version back":           {settings: map[string]string{"databaseVersion": "16", "databaseApplyImmediately": "true"}, standing: map[string]any{}, refusal: "takes none back to 16; set 17"},
		"less storage":             {settings: map[string]string{"databaseStorageGb": "30"}, standing: map[string]any{"allocatedStorage": 40.0}, refusal: "has 40 GiB, and RDS takes no storage back; set 40"},
		"growth that is over":      {settings: map[string]string{"databaseMaxStorageGb": "0"}, standing: map[string]any{"allocatedStorage": 25.0}, refusal: "set 25 at least"},
		"growth":                   {settings: map[string]string{"databaseMaxStorageGb": "100"}, standing: map[string]any{"allocatedStorage": 25.0}, final: "myapp-staging-final-SecurityGroup:database"},
	} {
		t.Run(name, func(t *testing.T) {
			held := map[string]any{}
			if c.standing != nil {
				outputs := map[string]any{
					"dbName": "app", "username": "app", "engineVersion": "17", "allocatedStorage": 20.0,
					"finalSnapshotIdentifier": "myapp-staging-final-sg-0123",
				}
				maps.Copy(outputs, c.standing)
				held["urn:pulumi:staging::slipway::slipway:database:Database$aws:rds/instance:Instance::database"] = map[string]any{
					"type": "aws:rds/instance:Instance", "outputs": outputs,
				}
			}
			resources, err := declareOver(t, c.settings, held)
			if c.refusal != "" {
				if err == nil || !strings.Contains(err.Error(), c.refusal) {
					t.Errorf("got %v, want %q", err, c.refusal)
				}
				if len(resources) > 0 {
					t.Errorf("refused when %d resources were declared", len(resources))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := input(of(t, resources, "aws:rds/instance:Instance")[0], "finalSnapshotIdentifier").StringValue(); got != c.final {
				t.Errorf("the last snapshot is %q, want %q", got, c.final)
			}
		})
	}
}
