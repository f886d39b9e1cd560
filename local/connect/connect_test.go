package connect

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

const pricing = "arn:aws:ecs:us-east-1:1:service/app/pricing"

func definition(port int32, name string) ecstypes.TaskDefinition {
	return ecstypes.TaskDefinition{ContainerDefinitions: []ecstypes.ContainerDefinition{
		{PortMappings: []ecstypes.PortMapping{{ContainerPort: aws.Int32(port), Name: aws.String(name)}}},
	}}
}

func configuration(change func(*ecstypes.ServiceConnectConfiguration)) *ecstypes.ServiceConnectConfiguration {
	c := &ecstypes.ServiceConnectConfiguration{Enabled: true, Services: []ecstypes.ServiceConnectService{{
		PortName: aws.String("pricing"), ClientAliases: []ecstypes.ServiceConnectClientAlias{{DnsName: aws.String("pricing"), Port: aws.Int32(80)}},
	}}}
	change(c)
	return c
}

// TestEndpoints holds what a service offers, by its configuration and the ports of its task definition.
func TestEndpoints(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*ecstypes.ServiceConnectConfiguration)
		want   string
	}{
		{"an alias", func(*ecstypes.ServiceConnectConfiguration) {}, "[{pricing 80 pricing 15s}]"},
		{"its own timeout", func(c *ecstypes.ServiceConnectConfiguration) {
			c.Services[0].Timeout = &ecstypes.TimeoutConfiguration{PerRequestTimeoutSeconds: aws.Int32(60)}
		}, "[{pricing 80 pricing 1m0s}]"},
		{"a client alone", func(c *ecstypes.ServiceConnectConfiguration) { c.Services = nil }, "[]"},
		{"switched off", func(c *ecstypes.ServiceConnectConfiguration) { c.Enabled = false }, "[]"},
		{"a port of no name", func(c *ecstypes.ServiceConnectConfiguration) { c.Services[0].PortName = aws.String("other") }, `no port named "other"`},
		{"an alias of no name", func(c *ecstypes.ServiceConnectConfiguration) { c.Services[0].ClientAliases[0].DnsName = nil }, "without dnsName"},
	} {
		endpoints, err := Endpoints(pricing, configuration(c.change), definition(8001, "pricing"))
		got := []string{}
		for _, e := range endpoints {
			got = append(got, fmt.Sprintf("{%s %d %s %s}", e.Name, e.Port, e.Target, e.Timeout))
		}
		if text := fmt.Sprint(got, err); !strings.Contains(text, c.want) {
			t.Errorf("%s: got %s, want %s", c.name, text, c.want)
		}
	}
	if endpoints, err := Endpoints(pricing, nil, definition(8001, "pricing")); len(endpoints) > 0 || err != nil {
		t.Errorf("no configuration: %v, %v", endpoints, err)
	}
}

// TestMesh holds that a namespace knows its own services, and each as it was put last.
func TestMesh(t *testing.T) {
	m := New(nil)
	names := func(namespace string) string {
		var all []string
		for _, e := range m.Known(namespace) {
			all = append(all, e.Name)
		}
		return strings.Join(all, " ")
	}
	m.Put("one", "b", []Endpoint{{Name: "b"}})
	m.Put("one", "a", []Endpoint{{Name: "a"}})
	m.Put("two", "c", []Endpoint{{Name: "c"}})
	if names("one") != "a b" || names("two") != "c" || names("three") != "" {
		t.Errorf("one: %q, two: %q, three: %q", names("one"), names("two"), names("three"))
	}
	m.Put("two", "a", []Endpoint{{Name: "a2"}})
	m.Put("one", "b", nil)
	m.Remove("c")
	if names("one") != "" || names("two") != "a2" {
		t.Errorf("one: %q, two: %q", names("one"), names("two"))
	}
}

// tasksOf are servers, each on an address and a port of its own, and answering with the address; and where they listen, IP:PORT.
func tasksOf(t *testing.T, handler func(address string) http.HandlerFunc, addresses ...string) (targets []string) {
	t.Helper()
	for _, address := range addresses {
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", net.JoinHostPort(address, "0"))
		if err != nil {
			t.Fatal(err)
		}
		server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: handler(address), ReadHeaderTimeout: time.Second}}
		server.Start()
		t.Cleanup(server.Close)
		targets = append(targets, listener.Addr().String())
	}
	return targets
}

func ask(t *testing.T, proxy http.Handler, body io.Reader) (int, string) {
	t.Helper()
	answer := httptest.NewRecorder()
	proxy.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "http://pricing/items?a=b", body))
	return answer.Code, strings.TrimSpace(answer.Body.String())
}

// TestProxy holds that requests go to the tasks in turn, as they came, and to those alone that may be called now.
func TestProxy(t *testing.T) {
	running := tasksOf(t, func(address string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			_, _ = fmt.Fprintf(w, "%s %s %s %s", address, r.Host, r.URL, body)
		}
	}, "127.0.0.2", "127.0.0.3")
	proxy := New(func(service, port string) []string {
		if service != pricing || port != "http" {
			t.Errorf("asked for port %s of %s", port, service)
		}
		return running
	}).Proxy(Endpoint{Service: pricing, Name: "pricing", Port: 80, Target: "http", Timeout: time.Second})
	var answers []string
	for range 4 {
		_, text := ask(t, proxy, strings.NewReader("hello"))
		answers = append(answers, text)
	}
	slices.Sort(answers)
	const rest = " pricing /items?a=b hello"
	if want := []string{"127.0.0.2" + rest, "127.0.0.2" + rest, "127.0.0.3" + rest, "127.0.0.3" + rest}; !slices.Equal(answers, want) {
		t.Errorf("got %q", answers)
	}
	gone := net.JoinHostPort("127.0.0.4", running[1][len("127.0.0.3:"):])
	running = running[1:]
	for range 3 {
		if _, text := ask(t, proxy, nil); !strings.HasPrefix(text, "127.0.0.3") {
			t.Errorf("got %q", text)
		}
	}
	running = nil
	if code, text := ask(t, proxy, nil); code != http.StatusServiceUnavailable || text != "no healthy upstream" {
		t.Errorf("with no task: %d %q", code, text)
	}
	running = []string{gone}
	if code, _ := ask(t, proxy, nil); code != http.StatusServiceUnavailable {
		t.Errorf("with a task that is gone: %d", code)
	}
}

// TestTimeout holds that an answer is not waited for any longer than the endpoint says.
func TestTimeout(t *testing.T) {
	targets := tasksOf(t, func(string) http.HandlerFunc {
		return func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	}, "127.0.0.2")
	proxy := New(func(string, string) []string { return targets }).Proxy(Endpoint{Timeout: 50 * time.Millisecond})
	if code, text := ask(t, proxy, nil); code != http.StatusGatewayTimeout || text != "upstream request timeout" {
		t.Errorf("got %d %q", code, text)
	}
}
