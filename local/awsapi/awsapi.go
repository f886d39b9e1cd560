// Package awsapi makes clients of AWS's API for an emulator on this machine.
package awsapi

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// The account and region that the emulator answers for.
const (
	Account = "123456789012"
	Region  = "us-east-1"
)

// Config is what every client is made from. The credentials are the emulator's: it checks none.
func Config(endpoint string) aws.Config {
	return aws.Config{
		Region:       Region,
		BaseEndpoint: aws.String(endpoint),
		Credentials:  credentials.NewStaticCredentialsProvider("test", "test", ""),
	}
}
