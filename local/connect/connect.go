// Package connect is the data plane of ECS Service Connect: it knows the endpoints of namespaces, and is the proxy that stands in
// each task that calls one. As in AWS, requests and not connections are balanced, among the tasks that run and are not unhealthy,
// in turn; a task knows the endpoints that were there when it started.
//
// Sources: Amazon ECS Developer Guide, "Amazon ECS Service Connect components"; API Reference, ServiceConnectService,
// ServiceConnectClientAlias, TimeoutConfiguration.
package connect

import (
	"context"
	"errors"
	"fmt"
	"log"
	"maps"
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// requestTimeout is how long the proxy waits for an answer unless the endpoint says otherwise.
const requestTimeout = 15 * time.Second

// Endpoint is a service as its callers know it.
type Endpoint struct {
	Service string // ARN of the service
	Name    string // by which tasks call it
	Port    int    // likewise
	Target  string // name of the port in the service's task definitions, each of which says what number it has
	Timeout time.Duration
}

// Endpoints are those of a service, whose tasks are of the definition: one for each alias of each port.
func Endpoints(service string, config *ecstypes.ServiceConnectConfiguration, definition ecstypes.TaskDefinition) ([]Endpoint, error) {
	var all []Endpoint
	if config == nil || !config.Enabled {
		return nil, nil
	}
	for _, offered := range config.Services {
		target := aws.ToString(offered.PortName)
		if _, ok := PortOf(definition, target); !ok {
			return nil, fmt.Errorf("the task definition %s has no port named %q", aws.ToString(definition.TaskDefinitionArn), target)
		}
		timeout := requestTimeout
		if t := offered.Timeout; t != nil && t.PerRequestTimeoutSeconds != nil {
			timeout = time.Duration(*t.PerRequestTimeoutSeconds) * time.Second
		}
		for _, alias := range offered.ClientAliases {
			if alias.DnsName == nil {
				return nil, errors.New("an alias without dnsName gets a name of the namespace, which the embedded cloud does not make up")
			}
			all = append(all, Endpoint{
				Service: service, Name: *alias.DnsName, Port: int(aws.ToInt32(alias.Port)), Target: target, Timeout: timeout,
			})
		}
	}
	return all, nil
}

// PortOf is the number of the port that has a name in a task definition.
func PortOf(definition ecstypes.TaskDefinition, name string) (int, bool) {
	for _, container := range definition.ContainerDefinitions {
		for _, mapping := range container.PortMappings {
			if aws.ToString(mapping.Name) == name {
				return int(aws.ToInt32(mapping.ContainerPort)), true
			}
		}
	}
	return 0, false
}

// Mesh knows the endpoints of all namespaces. Its methods may be called from any goroutine.
type Mesh struct {
	addresses func(service, port string) []string

	mu         sync.Mutex
	namespaces map[string]map[string][]Endpoint // by namespace and service
}

// New makes a Mesh. addresses lists where the tasks of a service, given by its ARN, may be called now: IP:PORT, with the port that has
// a name in the definition that the task is of.
func New(addresses func(service, port string) []string) *Mesh {
	return &Mesh{addresses: addresses, namespaces: map[string]map[string][]Endpoint{}}
}

// Put sets what a service offers in a namespace, which is named by its ARN or its name.
func (m *Mesh) Put(namespace, service string, endpoints []Endpoint) {
	m.Remove(service)
	if len(endpoints) == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.namespaces[namespace] == nil {
		m.namespaces[namespace] = map[string][]Endpoint{}
	}
	m.namespaces[namespace][service] = endpoints
}

// Remove takes a service out of every namespace.
func (m *Mesh) Remove(service string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, services := range m.namespaces {
		delete(services, service)
	}
}

// Known are the endpoints of a namespace now, by name.
func (m *Mesh) Known(namespace string) []Endpoint {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := slices.Concat(slices.Collect(maps.Values(m.namespaces[namespace]))...)
	slices.SortFunc(all, func(a, b Endpoint) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Proxy answers requests to an endpoint, each by the next of its service's tasks. With none it answers 503, after the timeout 504.
func (m *Mesh) Proxy(endpoint Endpoint) http.Handler {
	var turn atomic.Uint64
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.Host = "http", r.In.Host
			r.Out.URL.Host, _ = r.In.Context().Value(targetKey{}).(string)
		},
		Transport:     &http.Transport{MaxIdleConnsPerHost: 8, IdleConnTimeout: 5 * time.Second},
		FlushInterval: -1,
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			status, words := http.StatusServiceUnavailable, "upstream connect error or disconnect/reset before headers"
			if errors.Is(r.Context().Err(), context.DeadlineExceeded) {
				status, words = http.StatusGatewayTimeout, "upstream request timeout"
			}
			log.Printf("service connect: %s: %v", endpoint.Name, err)
			http.Error(w, words, status)
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		addresses := m.addresses(endpoint.Service, endpoint.Target)
		if len(addresses) == 0 {
			http.Error(w, "no healthy upstream", http.StatusServiceUnavailable)
			return
		}
		next := addresses[turn.Add(1)%uint64(len(addresses))]
		ctx := context.WithValue(r.Context(), targetKey{}, next)
		if endpoint.Timeout > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, endpoint.Timeout)
			defer cancel()
		}
		proxy.ServeHTTP(w, r.WithContext(ctx))
	})
}

type targetKey struct{}
