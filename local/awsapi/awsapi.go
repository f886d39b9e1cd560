// Package awsapi makes clients of AWS's API for an emulator on this machine.
package awsapi

import (
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// The account and region that the emulator answers for.
const (
	Account = "123456789012"
	Region  = "us-east-1"
)

// Housekeeping is the access key of this machine's own calls, so that the record of calls tells them from those of a run.
const Housekeeping = "slipway-housekeeping"

// RunKey is the access key of the calls of one operation: up, preview, down or refresh of the CLI, and releases, which lists them.
func RunKey(operation string) string { return "slipway-" + operation }

// Config is what every client is made from. The credentials are the emulator's: it checks none.
func Config(endpoint string) aws.Config { return ConfigAs(endpoint, Housekeeping) }

// ConfigAs is Config for calls under an access key.
func ConfigAs(endpoint, key string) aws.Config {
	return aws.Config{
		Region:       Region,
		BaseEndpoint: aws.String(endpoint),
		Credentials:  credentials.NewStaticCredentialsProvider(key, "test", ""),
		HTTPClient:   &http.Client{Transport: whole{awshttp.NewBuildableClient().GetTransport()}},
	}
}
