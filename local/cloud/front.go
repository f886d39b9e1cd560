package cloud

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

type frontOptions struct {
	moto     string
	state    State
	password string // of the registry
	calls    string // file that every call is written to
}

// front is AWS's endpoint: moto's answers, amended where moto cannot know better.
type front struct {
	opts  frontOptions
	moto  *httputil.ReverseProxy
	tasks *tasks
	mu    sync.Mutex
	calls *os.File
}

// The first parts of X-Amz-Target headers.
const (
	ecrTarget = "AmazonEC2ContainerRegistry_V20150921"
	ecsTarget = "AmazonEC2ContainerServiceV20141113"
)

func newFront(opts frontOptions) (*front, error) {
	target, err := url.Parse(opts.moto)
	if err != nil {
		return nil, fmt.Errorf("understand moto's address: %w", err)
	}
	calls, err := os.OpenFile(opts.calls, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the record of calls: %w", err)
	}
	f := &front{opts: opts, calls: calls, tasks: newTasks()}
	f.moto = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host              // moto tells some services apart by it
			r.Out.Header.Del("Accept-Encoding") // amended answers must come in clear
		},
		ModifyResponse: f.amend,
	}
	return f, nil
}

// ServeHTTP implements http.Handler.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == healthPath {
		_, _ = io.WriteString(w, f.opts.state.ID)
		return
	}
	service, operation, form, err := f.identify(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f.record(service, operation)
	if service == "ecr" && operation == "GetAuthorizationToken" {
		f.authorize(w)
		return
	}
	if service == "ec2" && operation == "DeleteNatGateway" {
		defer f.removeInterface(r.Context(), form.Get("NatGatewayId"))
	}
	if service == "ecs" {
		if err := f.tasks.note(operation, r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	f.moto.ServeHTTP(w, r)
}

var credentialScope = regexp.MustCompile(`Credential=[^/]+/[0-9]+/[^/]+/([^/]+)/`)

// removeInterface removes the network interface of a NAT gateway after the gateway itself: moto leaves it behind, and AWS
// does not.
func (f *front) removeInterface(ctx context.Context, gateway string) {
	api := emulatorOf(f.opts.moto)
	answer, err := api.query(ctx, "ec2", url.Values{
		"Action": {"DescribeNatGateways"}, "Version": {ec2Version}, "NatGatewayId.1": {gateway},
	})
	if err != nil {
		return // it was never there, and moto has said so
	}
	interfaces, err := elements(answer, "networkInterfaceId")
	if err != nil {
		return
	}
	for _, id := range interfaces {
		_, _ = api.query(ctx, "ec2", url.Values{
			"Action": {"DeleteNetworkInterface"}, "Version": {ec2Version}, "NetworkInterfaceId": {id},
		})
	}
}

const ec2Version = "2016-11-15"

// identify names the service and operation of a call: in the JSON protocol by a header, in the query protocol by a form
// field, else by method and path.
func (f *front) identify(r *http.Request) (service, operation string, form url.Values, err error) {
	if match := credentialScope.FindStringSubmatch(r.Header.Get("Authorization")); match != nil {
		service = match[1]
	}
	if _, operation, ok := strings.Cut(r.Header.Get("X-Amz-Target"), "."); ok {
		return service, operation, nil, nil
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return "", "", nil, fmt.Errorf("read the call: %w", err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		form, err = url.ParseQuery(string(body))
		if err != nil {
			return "", "", nil, fmt.Errorf("understand the call: %w", err)
		}
		return service, form.Get("Action"), form, nil
	}
	return service, r.Method + " " + r.URL.Path, nil, nil
}

// record writes down a call, so that tests can hold the calls of a run against what its role may do.
func (f *front) record(service, operation string) {
	line, err := json.Marshal(map[string]string{
		"time": time.Now().UTC().Format(time.RFC3339Nano), "service": service, "operation": operation,
	})
	if err != nil {
		return // strings always render
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	_, _ = f.calls.Write(append(line, '\n'))
}

// authorize answers GetAuthorizationToken with what the registry accepts.
func (f *front) authorize(w http.ResponseWriter) {
	token := base64.StdEncoding.EncodeToString([]byte(registryUser + ":" + f.opts.password))
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_ = json.NewEncoder(w).Encode(map[string]any{"authorizationData": []map[string]any{{
		"authorizationToken": token,
		"proxyEndpoint":      "http://" + f.opts.state.Registry,
		"expiresAt":          time.Now().Add(12 * time.Hour).Unix(),
	}}})
}

// amend changes answers of ECR, which name a registry on the internet, and of ECS, whose tasks nobody runs.
func (f *front) amend(r *http.Response) error {
	target, operation, _ := strings.Cut(r.Request.Header.Get("X-Amz-Target"), ".")
	if r.StatusCode != http.StatusOK || target != ecrTarget && target != ecsTarget {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return fmt.Errorf("read moto's answer to %s: %w", operation, err)
	}
	_ = r.Body.Close()
	if target == ecrTarget {
		host := fmt.Sprintf("%s.dkr.ecr.%s.amazonaws.com", Account, Region)
		body = bytes.ReplaceAll(body, []byte(host), []byte(f.opts.state.Registry))
	} else if body, err = f.tasks.play(operation, body); err != nil {
		return err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.ContentLength = int64(len(body))
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return nil
}
