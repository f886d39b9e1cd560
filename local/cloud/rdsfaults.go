package cloud

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"

	"slipway/local/faults"
)

// condition is what is wrong with a server on demand.
type condition struct{ down, slow, full bool }

// wanted is what is to be wrong with every server, by the faults in force.
func (d *databases) wanted() condition {
	return condition{down: d.faults.Has(faults.DatabaseDown), slow: d.faults.Has(faults.DatabaseSlow), full: d.faults.Has(faults.DatabaseFull)}
}

// follow carries out the faults of databases that are in force, and ends those that no longer are.
func (d *databases) follow(ctx context.Context) error {
	found, err := d.api.DescribeDBInstances(ctx, &rds.DescribeDBInstancesInput{})
	if err != nil {
		return fmt.Errorf("list instances: %w", err)
	}
	var problems []error
	for _, one := range found.DBInstances {
		if id := aws.ToString(one.DBInstanceIdentifier); d.servers.Known(id) {
			problems = append(problems, d.bring(ctx, id, d.wanted()))
		}
	}
	return errors.Join(problems...)
}

// slowDuty is the part of the time that a slow server gets.
const slowDuty = 0.1

// bring changes what is wrong with a server to what is wanted. A change that fails stays due, for the next time.
func (d *databases) bring(ctx context.Context, id string, wanted condition) error {
	d.bringing.Lock()
	defer d.bringing.Unlock()
	d.mu.Lock()
	now := d.ailing[id]
	d.mu.Unlock()
	duty := 1.0
	if wanted.slow {
		duty = slowDuty
	}
	var problems []error
	for _, change := range []struct {
		due bool
		do  func() error
		is  *bool
		now bool
	}{
		// What ends comes first: a server that is down can neither be filled nor freed.
		{now.down && !wanted.down, func() error { return d.servers.Up(ctx, id) }, &now.down, false},
		{now.full && !wanted.full, func() error { return d.servers.FreeDisk(ctx, id) }, &now.full, false},
		{!now.full && wanted.full, func() error { return d.servers.FillDisk(ctx, id) }, &now.full, true},
		{now.slow != wanted.slow, func() error { return d.servers.Slow(ctx, id, duty) }, &now.slow, wanted.slow},
		{!now.down && wanted.down, func() error { return d.servers.Down(ctx, id) }, &now.down, true},
	} {
		if !change.due {
			continue
		}
		if err := change.do(); err != nil {
			problems = append(problems, err)
			continue
		}
		*change.is = change.now
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.servers.Known(id) { // it may have been deleted meanwhile
		d.ailing[id] = now
	}
	return errors.Join(problems...)
}
