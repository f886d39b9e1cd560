package balancer_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

func rule(priority string, action types.Action, conditions ...types.RuleCondition) types.Rule {
	return types.Rule{Priority: aws.String(priority), Actions: []types.Action{action}, Conditions: conditions}
}

func path(values ...string) types.RuleCondition {
	return types.RuleCondition{
		Field: aws.String("path-pattern"), PathPatternConfig: &types.PathPatternConditionConfig{Values: values},
	}
}

func host(values ...string) types.RuleCondition {
	return types.RuleCondition{
		Field: aws.String("host-header"), HostHeaderConfig: &types.HostHeaderConditionConfig{Values: values},
	}
}

func header(name string, values ...string) types.RuleCondition {
	return types.RuleCondition{Field: aws.String("http-header"), HttpHeaderConfig: &types.HttpHeaderConditionConfig{
		HttpHeaderName: aws.String(name), Values: values,
	}}
}

func method(values ...string) types.RuleCondition {
	return types.RuleCondition{
		Field:                   aws.String("http-request-method"),
		HttpRequestMethodConfig: &types.HttpRequestMethodConditionConfig{Values: values},
	}
}

func query(pairs ...string) types.RuleCondition {
	var values []types.QueryStringKeyValuePair
	for _, pair := range pairs {
		key, value, both := strings.Cut(pair, "=")
		one := types.QueryStringKeyValuePair{Key: aws.String(key), Value: aws.String(value)}
		if !both {
			one = types.QueryStringKeyValuePair{Value: aws.String(key)}
		}
		values = append(values, one)
	}
	return types.RuleCondition{
		Field: aws.String("query-string"), QueryStringConfig: &types.QueryStringConditionConfig{Values: values},
	}
}

func source(values ...string) types.RuleCondition {
	return types.RuleCondition{
		Field: aws.String("source-ip"), SourceIpConfig: &types.SourceIpConditionConfig{Values: values},
	}
}

// TestRules holds that of the rules whose conditions all hold, the one of the least priority acts, else the default.
func TestRules(t *testing.T) {
	t.Parallel()
	b := start(t)
	apply(t, b, listening(listener(port, saying("default"),
		rule("100", saying("api"), path("/api/*")),
		rule("20", saying("v?"), path("/api/v?/x", "/other")),
		rule("3", saying("post"), method("POST"), path("/api/*")),
		rule("4", saying("host"), host("*.example.com")),
		rule("5", saying("header"), header("X-Kind", "*Blue*", "re?d")),
		rule("6", saying("query"), query("version=v1", "any")),
		rule("7", saying("literal"), query(`q=\*?`)),
		rule("8", saying("nowhere"), source("192.0.2.0/24")),
		rule("9", saying("here"), source("10.0.0.0/8", "127.0.0.0/8"), path("/source")),
		types.Rule{Priority: aws.String("10"), Actions: []types.Action{saying("legacy")}, Conditions: []types.RuleCondition{
			{Field: aws.String("path-pattern"), Values: []string{"/legacy"}},
		}},
		types.Rule{
			Priority: aws.String("default"), IsDefault: aws.Bool(true), Actions: []types.Action{saying("not this one")},
		},
	)))
	from := client(t)
	for _, test := range []struct{ method, path, host, header, want string }{
		{path: "/", want: "default"},
		{path: "/api", want: "default"},
		{path: "/api/", want: "api"},
		{path: "/api/a/b?c", want: "api"},
		{path: "/API/a", want: "default"},
		{path: "/?x=/api/a", want: "default"},
		{path: "/api/v2/x", want: "v?"},
		{path: "/api/v22/x", want: "api"},
		{path: "/other", want: "v?"},
		{path: "/api/v2/x", method: "POST", want: "post"},
		{path: "/other", method: "POST", want: "v?"},
		{path: "/api/a", method: "post", want: "api"},
		{path: "/api/a", host: "www.Example.COM", want: "host"},
		{path: "/api/a", host: "www.example.com:80", want: "host"},
		{path: "/api/a", host: "example.com", want: "api"},
		{path: "/", host: "www.example.com.net", want: "default"},
		{path: "/", header: "navyBLUEish", want: "header"},
		{path: "/", header: "reed", want: "header"},
		{path: "/", header: "red", want: "default"},
		{path: "/?a=b&VERSION=V1", want: "query"},
		{path: "/?version=v12", want: "default"},
		{path: "/?whatever=any", want: "query"},
		{path: "/?q=*1", want: "literal"},
		{path: "/?q=x1", want: "default"},
		{path: "/source", want: "here"},
		{path: "/legacy", want: "legacy"},
	} {
		request := newRequest(t, b, cmpOr(test.method, "GET"), test.path, "")
		request.Host = test.host
		if test.header != "" {
			request.Header["X-Kind"] = []string{"none", test.header}
		}
		if got := send(t, from, request); got.body != test.want {
			t.Errorf("%+v: answered by %q", test, got.body)
		}
	}
}

func cmpOr(value, standard string) string {
	if value == "" {
		return standard
	}
	return value
}

// TestRedirect holds that a redirect's URL is made of the parts given, and of the request's for those not given.
func TestRedirect(t *testing.T) {
	t.Parallel()
	b := start(t)
	at := func(priority, at string, config types.RedirectActionConfig) types.Rule {
		return rule(priority, types.Action{Type: types.ActionTypeEnumRedirect, RedirectConfig: &config}, path(at))
	}
	apply(t, b, listening(listener(8081, saying("default"),
		at("1", "/tls/*", types.RedirectActionConfig{
			StatusCode: types.RedirectActionStatusCodeEnumHttp301, Protocol: aws.String("HTTPS"), Port: aws.String("443"),
			Host: aws.String("#{host}"), Path: aws.String("/#{path}"), Query: aws.String("#{query}"),
		}),
		at("2", "/same/*", types.RedirectActionConfig{
			StatusCode: types.RedirectActionStatusCodeEnumHttp302, Path: aws.String("/new/#{path}"),
		}),
		at("3", "/parts", types.RedirectActionConfig{
			StatusCode: types.RedirectActionStatusCodeEnumHttp302, Host: aws.String("example.#{host}"),
			Port: aws.String("#{port}"),
			Path: aws.String("/#{host}/#{port}"), Query: aws.String("#{query}&from=#{protocol}"),
		}),
		at("4", "/bare", types.RedirectActionConfig{
			StatusCode: types.RedirectActionStatusCodeEnumHttp302, Path: aws.String("/"), Query: aws.String(""),
		}),
	)))
	ip, _, _ := strings.Cut(socket(t, b), ":")
	for _, test := range []struct {
		path string
		code int
		want string
	}{
		{"/tls/a%2Fb?c=d", 301, "https://app.test:443/tls/a%2Fb?c=d"},
		{"/tls/a", 301, "https://app.test:443/tls/a"},
		{"/same/a?b", 302, "http://app.test:8081/new/same/a?b"},
		{"/parts?a=b", 302, "http://example.app.test:8081/app.test/8081?a=b&from=http"},
		{"/bare?a=b", 302, "http://app.test:8081/"},
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+ip+":8081"+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = "app.test:8081"
		got := send(t, client(t), request)
		if got.code != test.code || got.header.Get("Location") != test.want {
			t.Errorf("%s: %d to %s, not %d to %s", test.path, got.code, got.header.Get("Location"), test.code, test.want)
		}
	}
}

// TestFixedResponse holds that status, type and text are those of the action, and the server is named as AWS's.
func TestFixedResponse(t *testing.T) {
	t.Parallel()
	b := start(t)
	apply(t, b, listening(listener(port, types.Action{
		Type: types.ActionTypeEnumFixedResponse, FixedResponseConfig: &types.FixedResponseActionConfig{
			StatusCode: aws.String("418"), ContentType: aws.String("application/json"), MessageBody: aws.String("{}"),
		},
	})))
	got := get(t, b, "/")
	if got.code != 418 || got.body != "{}" || got.header.Get("Content-Type") != "application/json" ||
		got.header.Get("Server") != "awselb/2.0" {
		t.Errorf("answered %+v", got)
	}
}

// TestWeights holds that groups get requests by their weights, also when one of them has no targets.
func TestWeights(t *testing.T) {
	t.Parallel()
	b := start(t)
	weighted := types.ForwardActionConfig{TargetGroups: []types.TargetGroupTuple{
		{TargetGroupArn: aws.String(group), Weight: aws.Int32(3)},
		{TargetGroupArn: aws.String("arn:none"), Weight: aws.Int32(0)},
		{TargetGroupArn: aws.String("arn:empty"), Weight: aws.Int32(1)},
	}}
	cfg := listening(listener(port, types.Action{Type: types.ActionTypeEnumForward, ForwardConfig: &weighted}))
	cfg.Groups = append(cfg.Groups, targetGroup("arn:none"), targetGroup("arn:empty"))
	apply(t, b, cfg)
	register(t, b, naming(t, "one"))
	codes := map[int]int{}
	for range 8 {
		codes[get(t, b, "/").code]++
	}
	if codes[200] != 6 || codes[503] != 2 {
		t.Errorf("8 requests were answered with %v", codes)
	}
}

// TestRefusesInWords holds that what is not there is named by Apply, and does not keep the rest from being applied.
func TestRefusesInWords(t *testing.T) {
	t.Parallel()
	b := start(t)
	cfg := listening(
		listener(port, saying("default"),
			rule("1", types.Action{Type: types.ActionTypeEnumAuthenticateOidc}, path("/private")),
			rule("2", saying("rewritten"), path("/rewritten")),
			rule("3", saying("regex"), types.RuleCondition{
				Field:             aws.String("path-pattern"),
				PathPatternConfig: &types.PathPatternConditionConfig{RegexValues: []string{"^/.*$"}},
			}),
		),
		listener(443, saying("tls")),
	)
	cfg.Balancers[0].Listeners[0].Rules[1].Transforms = []types.RuleTransform{{Type: types.TransformTypeEnumUrlRewrite}}
	cfg.Balancers[0].Listeners[1].Protocol = types.ProtocolEnumHttps
	cfg.Balancers[0].Listeners[1].SslPolicy = aws.String("ELBSecurityPolicy-2016-08")
	cfg.Balancers[0].Attributes["access_logs.s3.enabled"] = "true"
	cfg.Groups[0].Attributes["stickiness.enabled"] = "true"
	bad := targetGroup("arn:tls")
	bad.Protocol = types.ProtocolEnumHttps
	cfg.Groups = append(cfg.Groups, bad)
	err := b.Apply(cfg)
	for _, words := range []string{
		"rule of priority 1: action authenticate-oidc is not there", "rule of priority 2: transforms are not there",
		"rule of priority 3: condition path-pattern: regular expressions are not there",
		"listener on port 443: security policy ELBSecurityPolicy-2016-08 is not there", "access_logs.s3.enabled", "stickiness.enabled",
		"target group arn:tls: protocol HTTPS is not there",
	} {
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("Apply does not say %q: %v", words, err)
		}
	}
	if again := b.Apply(cfg); again == nil || again.Error() != err.Error() {
		t.Errorf("applied again, it says %v", again)
	}
	for path, code := range map[string]int{"/private": 501, "/rewritten": 501, "/other": 200} {
		if got := get(t, b, path); got.code != code {
			t.Errorf("%s is answered with %d, not %d", path, got.code, code)
		}
	}
	if err := b.Register("arn:tls", "127.0.0.1", 1); err == nil {
		t.Error("a target is registered with a group that is not there")
	}
}
