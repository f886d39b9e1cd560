package cloud

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"slipway/local/awsapi"
	"slipway/local/calls"
	"slipway/local/faults"
)

type frontOptions struct {
	moto     string
	state    State
	password string // of the registry
	calls    string // file that every call is written to
	plane    *plane
	faults   *faults.Set
}

// front is AWS's endpoint: moto's answers, amended where moto cannot know better.
type front struct {
	opts  frontOptions
	moto  *httputil.ReverseProxy
	mu    sync.Mutex
	calls *os.File
}

const faultsPath = "/_slipway/faults"

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
	record, err := os.OpenFile(opts.calls, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the record of calls: %w", err)
	}
	f := &front{opts: opts, calls: record}
	f.moto = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host              // moto tells some services apart by it
			r.Out.Header.Del("Accept-Encoding") // amended answers must come in clear
		},
		ModifyResponse: f.amend,
		ErrorHandler:   fail,
	}
	return f, nil
}

// unable is why the data plane cannot carry out what moto has taken.
type unable struct{ error }

// fail tells a caller in words that its call has failed: moto does not answer, the data plane cannot do what moto took, or the call is
// refused as AWS does. SDKs try the first again, and not the others.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	c, _ := r.Context().Value(callKey{}).(call)
	status, code, message := http.StatusBadGateway, "InternalFailure", err.Error()+"; see docs/fidelity.md"
	refused := refusal{}
	switch {
	case errors.As(err, new(unable)):
		status, code = http.StatusBadRequest, "UnsupportedOperation"
	case errors.As(err, &refused):
		status, code, message = http.StatusBadRequest, refused.code, refused.message
	}
	log.Printf("%s %s: %v", c.service, c.operation, err)
	if c.form == nil {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"__type": code, "message": message})
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	_ = xml.NewEncoder(w).Encode(struct {
		XMLName xml.Name `xml:"ErrorResponse"`
		Code    string   `xml:"Error>Code"`
		Message string   `xml:"Error>Message"`
	}{Code: code, Message: message})
}

// ServeHTTP implements http.Handler.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case healthPath:
		_, _ = io.WriteString(w, f.opts.state.ID)
		return
	case faultsPath:
		f.serveFaults(w, r)
		return
	}
	made, form, err := calls.Identify(r, time.Now())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f.record(made)
	defer watch(r, made)()
	c := call{service: made.Service, operation: made.Operation, form: form}
	r = r.WithContext(context.WithValue(r.Context(), callKey{}, c)) // for amend
	next := func(w http.ResponseWriter, r *http.Request) { f.serve(w, r, c) }
	if fault, ok := f.opts.faults.Meet(c.service, c.operation); ok {
		fault.Serve(w, r, c.service, next)
		return
	}
	next(w, r)
}

// watch tells in the log of a call that is made again, and, when it has been answered, of a caller that did not wait for that: what was
// carried out twice can be explained by it.
func watch(r *http.Request, made calls.Call) (answered func()) {
	attempt := r.Header.Get("Amz-Sdk-Request")
	if attempt != "" && !strings.HasPrefix(attempt, "attempt=1;") && attempt != "attempt=1" {
		log.Printf("%s %s of %s is made again (%s)", made.Service, made.Operation, made.Caller, attempt)
	}
	return func() {
		if err := r.Context().Err(); err != nil {
			log.Printf("%s %s of %s: the caller has gone before it was answered", made.Service, made.Operation, made.Caller)
		}
	}
}

// serve carries a call out: what moto cannot know is answered by the registry and the data plane, all else by moto.
func (f *front) serve(w http.ResponseWriter, r *http.Request, c call) {
	switch {
	case c.service == "ecr" && c.operation == "GetAuthorizationToken":
		f.authorize(w)
		return
	case c.service == "ecs" && f.opts.plane.containers.serve(w, r, c.operation):
		return
	case c.service == "rds":
		if err := f.opts.plane.databases.refuse(c.operation, c.form); err != nil {
			fail(w, r, err)
			return
		}
	case c.service == "ec2" && c.operation == "DeleteNatGateway":
		defer f.freeGateway(r.Context(), c.form.Get("NatGatewayId"))
	}
	f.moto.ServeHTTP(w, r)
}

// call is what the front needs to know of a call.
type call struct {
	service   string // as in the scope of its signature
	operation string
	form      url.Values // of the query protocol
}

type callKey struct{}

// freeGateway takes after a NAT gateway what it held: its address, which another may have then, and its network interface.
// moto leaves both behind, and AWS does not.
func (f *front) freeGateway(ctx context.Context, gateway string) {
	api := emulatorOf(f.opts.moto)
	answer, err := api.query(ctx, "ec2", url.Values{
		"Action": {"DescribeNatGateways"}, "Version": {ec2Version}, "NatGatewayId.1": {gateway},
	})
	if err != nil {
		return // it was never there, and moto has said so
	}
	for _, held := range []struct{ element, action, parameter string }{
		{"publicIp", "DisassociateAddress", "PublicIp"},
		{"networkInterfaceId", "DeleteNetworkInterface", "NetworkInterfaceId"},
	} {
		names, _ := elements(answer, held.element) // none where moto's answer is no XML
		for _, name := range names {
			if name != "" {
				_, _ = api.query(ctx, "ec2", url.Values{"Action": {held.action}, "Version": {ec2Version}, held.parameter: {name}})
			}
		}
	}
}

const ec2Version = "2016-11-15"

// record writes down a call, so that tests can hold the calls of a run against what its role may do.
func (f *front) record(c calls.Call) {
	line, err := json.Marshal(c)
	if err != nil {
		return // texts always render
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

// amend changes moto's answers: of ECR, which name a registry on the internet, and of what the data plane knows better.
func (f *front) amend(r *http.Response) error {
	c, _ := r.Request.Context().Value(callKey{}).(call)
	change := f.opts.plane.amenderOf(c)
	if c.service == "ecr" {
		change = f.nameRegistry
	}
	if r.StatusCode != http.StatusOK || change == nil {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return fmt.Errorf("read moto's answer to %s: %w", c.operation, err)
	}
	_ = r.Body.Close()
	// What moto has done is done: a caller that has gone must not keep the data plane from following.
	if body, err = change(context.WithoutCancel(r.Request.Context()), body); err != nil {
		return unable{err}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.ContentLength = int64(len(body))
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return nil
}

func (f *front) nameRegistry(_ context.Context, body []byte) ([]byte, error) {
	host := fmt.Sprintf("%s.dkr.ecr.%s.amazonaws.com", awsapi.Account, awsapi.Region)
	return bytes.ReplaceAll(body, []byte(host), []byte(f.opts.state.Registry)), nil
}

// serveFaults shows the faults in force, adds one, or ends all.
func (f *front) serveFaults(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodPost:
		var fault faults.Fault
		err := json.NewDecoder(r.Body).Decode(&fault)
		if err == nil {
			err = fault.Validate()
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if fault.Kind == faults.TasksLost { // it happens once, now
			f.opts.plane.containers.lose(fault.Times)
		} else {
			f.opts.faults.Add(fault)
		}
	case http.MethodDelete:
		f.opts.faults.Clear()
	}
	if err := f.opts.plane.databases.follow(context.WithoutCancel(r.Context())); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(f.opts.faults.List())
}
