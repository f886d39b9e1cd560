package cloud

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// snapshotName is the name of a snapshot that a call names, or gives the ARN of.
func snapshotName(given string) string {
	if _, name, isARN := strings.Cut(given, ":snapshot:"); isARN {
		return name
	}
	return given
}

// take copies an instance into a snapshot that moto has taken note of.
func (d *databases) take(ctx context.Context, id, snapshot string) error {
	if !d.servers.Known(id) { // of another engine, say
		return nil
	}
	taken, err := d.servers.Take(ctx, id)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.snapshots[snapshot] = taken
	return nil
}

func (d *databases) forget(snapshot string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.snapshots, snapshot)
}

// restore starts a server for an instance that moto has made from a snapshot, with what that holds.
func (d *databases) restore(ctx context.Context, id, snapshot string) error {
	d.mu.Lock()
	taken, known := d.snapshots[snapshot]
	d.mu.Unlock()
	if !known {
		return fmt.Errorf("snapshot %s holds nothing in the embedded cloud: only those of its own instances can be restored", snapshot)
	}
	found, err := d.describe(ctx, id)
	if err != nil {
		return err
	}
	if secret := found.MasterUserSecret; secret != nil {
		d.mu.Lock()
		d.surplus[id] = aws.ToString(secret.SecretArn)
		d.mu.Unlock()
	}
	return d.create(ctx, id, &taken)
}

// dropSurplus deletes the secret that moto has made for a restored instance at once, as the original had one. RDS makes one when the
// instance is told to have its password managed; moto makes another then, and forgets the first.
func (d *databases) dropSurplus(ctx context.Context, id string) error {
	d.mu.Lock()
	arn := d.surplus[id]
	delete(d.surplus, id)
	d.mu.Unlock()
	if arn == "" {
		return nil
	}
	_, err := d.secrets.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: &arn, ForceDeleteWithoutRecovery: aws.Bool(true)})
	if err != nil {
		return fmt.Errorf("delete a secret of instance %s: %w", id, err)
	}
	return nil
}
