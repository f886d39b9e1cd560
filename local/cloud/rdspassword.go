package cloud

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	rdstypes "github.com/aws/aws-sdk-go-v2/service/rds/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// setsPassword says whether a modification gives an instance another password: with the latter moto has made another secret, which
// has none yet.
func setsPassword(form url.Values) bool {
	return form.Get("RotateMasterUserPassword") == "true" || form.Get("ManageMasterUserPassword") == "true"
}

// keepPassword puts a password into the secret of an instance.
func (d *databases) keepPassword(ctx context.Context, found rdstypes.DBInstance, password string) error {
	secret, err := json.Marshal(map[string]string{"username": aws.ToString(found.MasterUsername), "password": password})
	if err != nil {
		return fmt.Errorf("render a secret: %w", err)
	}
	_, err = d.secrets.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
		SecretId: found.MasterUserSecret.SecretArn, SecretString: aws.String(string(secret)),
	})
	if err != nil {
		return fmt.Errorf("keep the password of instance %s: %w", aws.ToString(found.DBInstanceIdentifier), err)
	}
	return nil
}

// rotate gives an instance another password, as RDS does every seven days, and on demand. The secret follows the server, which may
// refuse.
func (d *databases) rotate(ctx context.Context, id string) error {
	found, err := d.describe(ctx, id)
	if err != nil {
		return err
	}
	password, err := random()
	if err != nil {
		return err
	}
	if err := d.servers.SetPassword(ctx, id, password); err != nil {
		return err
	}
	return d.keepPassword(ctx, found, password)
}
