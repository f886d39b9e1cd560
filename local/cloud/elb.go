package cloud

import (
	"context"
	"encoding/xml"
	"fmt"
	"log"
	"net/url"
	"regexp"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"

	"slipway/local/balancer"
)

// balancing is ELB's data plane as its API shows it. moto keeps what is registered; the balancer listens and forwards.
type balancing struct {
	api   *elb.Client // moto's
	names balancer.Names
	plane *balancer.Balancer
	mu    sync.Mutex // held from reading what is registered until it is in force: an older reading must not come after
}

// amend has the balancer follow what a call has registered, tells the health of targets, and names load balancers by their
// addresses on this machine.
func (b *balancing) amend(ctx context.Context, operation string, form url.Values, body []byte) ([]byte, error) {
	if operation == "DescribeTargetHealth" {
		return b.health(form.Get("TargetGroupArn"))
	}
	if !strings.HasPrefix(operation, "Describe") {
		if err := b.refresh(ctx); err != nil {
			return nil, err
		}
	}
	return dnsName.ReplaceAllFunc(body, func(element []byte) []byte {
		name := string(dnsName.FindSubmatch(element)[1])
		return []byte("<DNSName>" + b.plane.Host(name) + "</DNSName>")
	}), nil
}

var dnsName = regexp.MustCompile(`<DNSName>([^<]+)</DNSName>`)

func (b *balancing) refresh(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	config, err := balancer.Read(ctx, b.api, b.names)
	if err != nil {
		return fmt.Errorf("read what is registered with ELB: %w", err)
	}
	if err := b.plane.Apply(config); err != nil { // what is not there; all else is in force, and the call has done its part
		log.Printf("load balancer: %v", err)
	}
	return nil
}

// health is the answer to DescribeTargetHealth.
func (b *balancing) health(group string) ([]byte, error) {
	type target struct {
		ID          string `xml:"Target>Id"`
		Port        int32  `xml:"Target>Port"`
		CheckPort   string `xml:"HealthCheckPort"`
		State       string `xml:"TargetHealth>State"`
		Reason      string `xml:"TargetHealth>Reason,omitempty"`
		Description string `xml:"TargetHealth>Description,omitempty"`
	}
	answer := struct {
		XMLName xml.Name `xml:"http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/ DescribeTargetHealthResponse"`
		Targets []target `xml:"DescribeTargetHealthResult>TargetHealthDescriptions>member"`
	}{}
	for _, health := range b.plane.Health(group) {
		answer.Targets = append(answer.Targets, target{
			ID: aws.ToString(health.Target.Id), Port: aws.ToInt32(health.Target.Port), CheckPort: aws.ToString(health.HealthCheckPort),
			State: string(health.TargetHealth.State), Reason: string(health.TargetHealth.Reason),
			Description: aws.ToString(health.TargetHealth.Description),
		})
	}
	return xml.Marshal(answer)
}
