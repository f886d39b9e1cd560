// Package balancer is the data plane of an Application Load Balancer: real listeners on loopback, which route real
// requests to registered targets and check their health. What it carries out is what is registered in ELBv2. Where a
// docstring names a page, it is one of the user guide "Application Load Balancers" of Elastic Load Balancing.
package balancer

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/smithy-go"
)

// Config is a snapshot of what is registered in ELBv2, but for the targets, which come by Register.
type Config struct {
	Balancers []LoadBalancer
	Groups    []TargetGroup
}

// LoadBalancer is a load balancer with its attributes and listeners.
type LoadBalancer struct {
	types.LoadBalancer
	Attributes map[string]string
	Listeners  []Listener
}

// Listener is a listener with its rules. The default rule may be among them; what counts is Listener.DefaultActions.
type Listener struct {
	types.Listener
	Rules      []types.Rule
	Attributes map[string]string
	Names      []string // DNS names that its certificate is for; none where it has no certificate
}

// Names tells the DNS names that a certificate of ACM is for.
type Names func(ctx context.Context, certificate string) ([]string, error)

// TargetGroup is a target group with its attributes.
type TargetGroup struct {
	types.TargetGroup
	Attributes map[string]string
}

// rereads is how often Read begins again. Each time something else must have been removed meanwhile, and a stack has no more
// load balancers, listeners and groups than this.
const rereads = 50

// Read reads all that is registered. It takes several calls, so where something was removed between two of them it begins again.
func Read(ctx context.Context, api *elb.Client, names Names) (config Config, err error) {
	for range rereads {
		config, err = read(ctx, api, names)
		if refused := (smithy.APIError)(nil); !errors.As(err, &refused) || !strings.HasSuffix(refused.ErrorCode(), "NotFound") {
			return config, err
		}
	}
	return config, err
}

func read(ctx context.Context, api *elb.Client, names Names) (Config, error) {
	var config Config
	for pages := elb.NewDescribeLoadBalancersPaginator(api, nil); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return Config{}, fmt.Errorf("list the load balancers: %w", err)
		}
		for _, found := range page.LoadBalancers {
			balancer, err := readBalancer(ctx, api, found, names)
			if err != nil {
				return Config{}, fmt.Errorf("read load balancer %s: %w", aws.ToString(found.LoadBalancerName), err)
			}
			config.Balancers = append(config.Balancers, balancer)
		}
	}
	for pages := elb.NewDescribeTargetGroupsPaginator(api, nil); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return Config{}, fmt.Errorf("list the target groups: %w", err)
		}
		for _, found := range page.TargetGroups {
			answer, err := api.DescribeTargetGroupAttributes(ctx,
				&elb.DescribeTargetGroupAttributesInput{TargetGroupArn: found.TargetGroupArn})
			if err != nil {
				return Config{}, fmt.Errorf("read the attributes of target group %s: %w", aws.ToString(found.TargetGroupName), err)
			}
			group := TargetGroup{TargetGroup: found, Attributes: map[string]string{}}
			for _, attribute := range answer.Attributes {
				group.Attributes[aws.ToString(attribute.Key)] = aws.ToString(attribute.Value)
			}
			config.Groups = append(config.Groups, group)
		}
	}
	return config, nil
}

func readBalancer(ctx context.Context, api *elb.Client, found types.LoadBalancer, names Names) (LoadBalancer, error) {
	balancer := LoadBalancer{LoadBalancer: found, Attributes: map[string]string{}}
	answer, err := api.DescribeLoadBalancerAttributes(ctx,
		&elb.DescribeLoadBalancerAttributesInput{LoadBalancerArn: found.LoadBalancerArn})
	if err != nil {
		return LoadBalancer{}, fmt.Errorf("read its attributes: %w", err)
	}
	for _, attribute := range answer.Attributes {
		balancer.Attributes[aws.ToString(attribute.Key)] = aws.ToString(attribute.Value)
	}
	pages := elb.NewDescribeListenersPaginator(api, &elb.DescribeListenersInput{LoadBalancerArn: found.LoadBalancerArn})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return LoadBalancer{}, fmt.Errorf("list its listeners: %w", err)
		}
		for _, found := range page.Listeners {
			listener, err := readListener(ctx, api, found, names)
			if err != nil {
				return LoadBalancer{}, fmt.Errorf("read its listener on port %d: %w", aws.ToInt32(found.Port), err)
			}
			balancer.Listeners = append(balancer.Listeners, listener)
		}
	}
	return balancer, nil
}

func readListener(ctx context.Context, api *elb.Client, found types.Listener, names Names) (Listener, error) {
	listener := Listener{Listener: found, Attributes: map[string]string{}}
	answer, err := api.DescribeListenerAttributes(ctx, &elb.DescribeListenerAttributesInput{ListenerArn: found.ListenerArn})
	if err != nil {
		return Listener{}, fmt.Errorf("read its attributes: %w", err)
	}
	for _, attribute := range answer.Attributes {
		listener.Attributes[aws.ToString(attribute.Key)] = aws.ToString(attribute.Value)
	}
	for _, certificate := range found.Certificates {
		if listener.Names, err = names(ctx, aws.ToString(certificate.CertificateArn)); err != nil {
			return Listener{}, fmt.Errorf("read its certificate: %w", err)
		}
	}
	rules := elb.NewDescribeRulesPaginator(api, &elb.DescribeRulesInput{ListenerArn: found.ListenerArn})
	for rules.HasMorePages() {
		page, err := rules.NextPage(ctx)
		if err != nil {
			return Listener{}, fmt.Errorf("list its rules: %w", err)
		}
		listener.Rules = append(listener.Rules, page.Rules...)
	}
	return listener, nil
}

// seconds reads an attribute that is a number of seconds.
func seconds(attributes map[string]string, key string, standard time.Duration) (time.Duration, error) {
	value, ok := attributes[key]
	if !ok {
		return standard, nil
	}
	number, err := strconv.Atoi(value)
	if err != nil || number < 0 {
		return 0, fmt.Errorf("attribute %s is %q; make it a number of seconds", key, value)
	}
	return time.Duration(number) * time.Second, nil
}

// fixed is an attribute of which one value only is carried out.
type fixed struct{ key, value string }

// differing names the attributes that ask for what is not there.
func differing(attributes map[string]string, standards []fixed) []error {
	var problems []error
	for _, standard := range standards {
		if value, ok := attributes[standard.key]; ok && value != standard.value {
			problems = append(problems, fmt.Errorf("attribute %s is %q, which this balancer does not carry out: it goes by %q",
				standard.key, value, standard.value))
		}
	}
	return problems
}
