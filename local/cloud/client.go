package cloud

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"slipway/local/awsapi"
	"slipway/local/faults"
)

// client calls AWS's API as an emulator takes it: the service is named, but nothing is signed.
type client struct{ endpoint string }

func (c client) send(ctx context.Context, service, contentType, target string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint+"/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", contentType)
	if target != "" {
		request.Header.Set("X-Amz-Target", target)
	}
	return c.answer(request, service)
}

// get asks a service whose calls are methods and paths.
func (c client) get(ctx context.Context, service, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.endpoint+path, nil)
	if err != nil {
		return nil, err
	}
	answer, err := c.answer(request, service)
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", path, err)
	}
	return answer, nil
}

func (c client) answer(request *http.Request, service string) ([]byte, error) {
	request.Header.Set("Authorization", fmt.Sprintf(
		"AWS4-HMAC-SHA256 Credential=%s/20260101/%s/%s/aws4_request, SignedHeaders=host, Signature=none", awsapi.Housekeeping, awsapi.Region, service))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s: %s", service, response.Status, answer)
	}
	return answer, nil
}

// json calls an operation of a service that speaks JSON; target is as X-Amz-Target.
func (c client) json(ctx context.Context, service, target string, input, output any) error {
	body, err := json.Marshal(input)
	if err != nil {
		return fmt.Errorf("render %s: %w", target, err)
	}
	answer, err := c.send(ctx, service, "application/x-amz-json-1.1", target, body)
	if err != nil {
		return fmt.Errorf("call %s: %w", target, err)
	}
	return json.Unmarshal(answer, output)
}

// query calls an operation of a service that speaks the query protocol and answers in XML.
func (c client) query(ctx context.Context, service string, form url.Values) ([]byte, error) {
	answer, err := c.send(ctx, service, "application/x-www-form-urlencoded; charset=utf-8", "", []byte(form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", form.Get("Action"), err)
	}
	return answer, nil
}

func (c client) tagMutability(ctx context.Context, repository string) (string, error) {
	var found struct {
		Repositories []struct{ ImageTagMutability string }
	}
	err := c.json(ctx, "ecr", ecrTarget+".DescribeRepositories", map[string]any{"repositoryNames": []string{repository}}, &found)
	if err != nil {
		return "", err
	}
	if len(found.Repositories) != 1 {
		return "", fmt.Errorf("ECR has %d repositories named %s", len(found.Repositories), repository)
	}
	return found.Repositories[0].ImageTagMutability, nil
}

func (c client) hasTag(ctx context.Context, repository, tag string) bool {
	var found struct {
		ImageDetails []struct{ ImageDigest string }
	}
	err := c.json(ctx, "ecr", ecrTarget+".DescribeImages", map[string]any{
		"repositoryName": repository, "imageIds": []map[string]string{{"imageTag": tag}},
	}, &found)
	return err == nil && len(found.ImageDetails) > 0
}

func (c client) putImage(ctx context.Context, repository, tag, mediaType string, manifest []byte) error {
	var ignored map[string]any
	return c.json(ctx, "ecr", ecrTarget+".PutImage", map[string]any{
		"repositoryName": repository, "imageTag": tag, "imageManifest": string(manifest),
		"imageManifestMediaType": mediaType, "imageDigest": digestOf(manifest),
	}, &ignored)
}

// emulatorOf turns an endpoint into a client.
func emulatorOf(endpoint string) client { return client{endpoint: strings.TrimSuffix(endpoint, "/")} }

// AddFault puts a fault in force in the cloud at an endpoint.
func AddFault(ctx context.Context, endpoint string, fault faults.Fault) error {
	body, err := json.Marshal(fault)
	if err != nil {
		return fmt.Errorf("render a fault: %w", err)
	}
	_, err = askFaults(ctx, http.MethodPost, endpoint, body)
	return err
}

// ClearFaults ends all faults.
func ClearFaults(ctx context.Context, endpoint string) error {
	_, err := askFaults(ctx, http.MethodDelete, endpoint, nil)
	return err
}

// Faults lists the faults in force.
func Faults(ctx context.Context, endpoint string) ([]faults.Fault, error) {
	return askFaults(ctx, http.MethodGet, endpoint, nil)
}

func askFaults(ctx context.Context, method, endpoint string, body []byte) ([]faults.Fault, error) {
	request, err := http.NewRequestWithContext(ctx, method, endpoint+faultsPath, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("reach the embedded cloud: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("read the faults in force: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the embedded cloud could not change its faults: %s", bytes.TrimSpace(answer))
	}
	var inForce []faults.Fault
	return inForce, json.Unmarshal(answer, &inForce)
}
