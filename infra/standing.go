package infra

import (
	"errors"
	"fmt"
	"strconv"

	"slipway/infra/config"
	"slipway/infra/database"
)

// checkDatabase finds what the database that stands cannot become. AWS would refuse it when half the stack has changed.
func checkDatabase(d config.Database, standing database.Standing) error {
	if standing == (database.Standing{}) || standing.ReplacedBy(d.Name, d.User, d.Snapshot) {
		return nil // a new one may be anything
	}
	return errors.Join(checkVersion(d, standing), checkStorage(d, standing))
}

// checkVersion lets a major upgrade happen at once or not at all. Until a maintenance window the instance would stay in the parameter
// group of its old version, whose deletion ends the same run, and RDS refuses to delete a group that is in use.
func checkVersion(d config.Database, standing database.Standing) error {
	now, err := strconv.Atoi(standing.MajorVersion)
	if err != nil {
		return nil //nolint:nilerr // a version that the state does not know is RDS's to judge
	}
	wanted, _ := strconv.Atoi(d.Version) // the configuration's rules allow nothing else
	switch {
	case wanted < now:
		return fmt.Errorf("databaseVersion: the database is PostgreSQL %d, and RDS takes none back to %d; set %d, or databaseSnapshot to a snapshot of the older version",
			now, wanted, now)
	case wanted > now && !d.ApplyImmediately:
		return fmt.Errorf("databaseVersion: an upgrade from PostgreSQL %d to %d cannot wait for the maintenance window, and the database is away for some minutes; "+
			"when that may be, set databaseApplyImmediately to true with it, and take it out when the upgrade is through: see docs/runbook.md, \"A new major version of PostgreSQL\"",
			now, wanted)
	}
	return nil
}

// checkStorage refuses to shrink. Where RDS lets the storage grow the provider asks for no less than there is.
func checkStorage(d config.Database, standing database.Standing) error {
	if d.MaxStorageGb > 0 || d.StorageGb >= standing.StorageGiB {
		return nil
	}
	return fmt.Errorf("databaseStorageGb: the database has %d GiB, and RDS takes no storage back; set %d at least, or let it grow by databaseMaxStorageGb",
		standing.StorageGiB, standing.StorageGiB)
}
