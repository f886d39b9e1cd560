package balancer

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// place is where an action is carried out.
type place struct {
	balancer *Balancer
	port     int    // as bound
	scheme   string // http or https
	hsts     string
	options
}

// action makes the handler of a rule's actions. Source: page "Action types for listener rules". The handler is never
// nil.
func (p place) action(actions []types.Action) (http.Handler, error) {
	for _, action := range actions {
		switch action.Type {
		case types.ActionTypeEnumForward, types.ActionTypeEnumRedirect, types.ActionTypeEnumFixedResponse:
		default:
			return refused("action %s is not there", action.Type)
		}
	}
	if len(actions) != 1 {
		return refused("it has %d actions; give it exactly one of forward, redirect and fixed-response", len(actions))
	}
	switch only := actions[0]; {
	case only.Type == types.ActionTypeEnumForward:
		return p.forward(only)
	case only.Type == types.ActionTypeEnumRedirect && only.RedirectConfig != nil:
		return p.redirect(*only.RedirectConfig), nil
	case only.Type == types.ActionTypeEnumFixedResponse && only.FixedResponseConfig != nil:
		return fixedResponse(*only.FixedResponseConfig)
	default:
		return refused("action %s comes without its configuration; add it", only.Type)
	}
}

// refused makes the handler that stands in for an action that is not there.
func refused(format string, arguments ...any) (http.Handler, error) {
	err := fmt.Errorf(format+"; its requests are answered with 501", arguments...)
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusNotImplemented) }), err
}

func fixedResponse(config types.FixedResponseActionConfig) (http.Handler, error) {
	code, err := strconv.Atoi(aws.ToString(config.StatusCode))
	if err != nil || code < 200 || code > 599 {
		return refused("its status code is %q; make it 2XX, 4XX or 5XX", aws.ToString(config.StatusCode))
	}
	contentType := cmp.Or(aws.ToString(config.ContentType), "text/plain")
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Server", serverName)
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(code)
		_, _ = io.WriteString(w, aws.ToString(config.MessageBody))
	}), nil
}

// redirect makes a redirect. Source: API reference, RedirectActionConfig. The port always stands in the answer. Where
// ports are moved, a port given by number is moved too, so that it is the one of that listener.
func (p place) redirect(config types.RedirectActionConfig) http.Handler {
	code := http.StatusFound
	if config.StatusCode == types.RedirectActionStatusCodeEnumHttp301 {
		code = http.StatusMovedPermanently
	}
	port := cmp.Or(aws.ToString(config.Port), "#{port}")
	if number, err := strconv.Atoi(port); err == nil {
		port = strconv.Itoa(number + p.balancer.offset)
	}
	location := strings.ToLower(cmp.Or(aws.ToString(config.Protocol), "#{protocol}")) + "://" +
		cmp.Or(aws.ToString(config.Host), "#{host}") + ":" + port + cmp.Or(aws.ToString(config.Path), "/#{path}")
	query := "#{query}"
	if config.Query != nil {
		query = *config.Query
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fill := strings.NewReplacer("#{protocol}", p.scheme, "#{host}", hostname(r), "#{port}", strconv.Itoa(p.port),
			"#{path}", strings.TrimPrefix(r.URL.EscapedPath(), "/"), "#{query}", r.URL.RawQuery)
		to := fill.Replace(location)
		if filled := fill.Replace(query); filled != "" {
			to += "?" + filled
		}
		w.Header().Set("Location", to)
		answer(w, code)
	})
}
