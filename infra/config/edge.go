package config

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
)

const (
	maxName  = 64 // characters, which a certificate's first name may have; the others are held to it, too
	maxNames = 5  // that lead to the stack: the deploy role's policy names each, and has no room for more
)

var (
	domainName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])$`)
	zoneID     = regexp.MustCompile(`^[A-Z0-9]{2,32}$`)
	// Those of 2021 and later, which know TLS 1.3, and nothing older than 1.2 with it.
	tlsPolicy = regexp.MustCompile(`^ELBSecurityPolicy-TLS13-1-[23]-([A-Za-z0-9]+-)*20[0-9]{2}-[0-9]{2}$`)
)

// Names are all names that lead to the stack, the first one first; none without a domain.
func (e Edge) Names() []string {
	if e.Domain == "" {
		return nil
	}
	return append([]string{e.Domain}, e.Aliases...)
}

func (e Edge) validate(p *Problems) {
	e.validateIngress(p)
	e.validateNames(p)
	matches(p, "edgeTlsPolicy", e.TLSPolicy, tlsPolicy, "a security policy of load balancers with TLS 1.3, and with 1.2 at least, such as "+
		"ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09; `aws elbv2 describe-ssl-policies` lists them")
}

func (e Edge) validateIngress(p *Problems) {
	if len(e.IngressCIDRs) == 0 {
		p.add("edgeIngressCidrs", "must hold at least one range, or nobody can connect; 0.0.0.0/0 is everybody")
	}
	seen := map[netip.Prefix]bool{}
	for i, cidr := range e.IngressCIDRs {
		if cidr.IsValid() && seen[cidr] { // one that is not valid was told already
			p.add(fmt.Sprintf("edgeIngressCidrs[%d]", i), "%s stands there twice", cidr)
		}
		seen[cidr] = true
	}
}

func (e Edge) validateNames(p *Problems) {
	if e.Domain == "" {
		e.validateNone(p)
		return
	}
	if e.ZoneID == "" {
		p.add("edgeZoneId", "is required with edgeDomain: the hosted zone that %s belongs to, as "+
			"`aws route53 list-hosted-zones-by-name --dns-name DOMAIN` prints", e.Domain)
	} else {
		matches(p, "edgeZoneId", e.ZoneID, zoneID, "the id of a hosted zone: capital letters and digits such as Z0123456789ABCDEFGHIJ, with no /hostedzone/ before it")
	}
	if len(e.Names()) > maxNames {
		p.add("edgeAliases", "has %d names of at most %d, which the deploy role's policy has room for", len(e.Aliases), maxNames-1)
	}
	for i, name := range e.Names() {
		at := "edgeDomain"
		if i > 0 {
			at = fmt.Sprintf("edgeAliases[%d]", i-1)
		}
		matches(p, at, name, domainName, "a domain name in lower case such as app.example.com, with no scheme, port, path or wildcard and no dot at its end")
		if len(name) > maxName {
			p.add(at, "has %d characters of at most %d, which a certificate's name may have", len(name), maxName)
		}
		if slices.Contains(e.Names()[:i], name) {
			p.add(at, "%s stands there twice", name)
		}
	}
}

// validateNone finds what says nothing without a domain.
func (e Edge) validateNone(p *Problems) {
	if len(e.Aliases) > 0 {
		p.add("edgeAliases", "goes with edgeDomain: set the first name there")
	}
	if e.ZoneID != "" {
		p.add("edgeZoneId", "goes with edgeDomain: set both, or neither for plain HTTP")
	}
	if e.HSTSSeconds > 0 {
		p.add("edgeHstsSeconds", "goes with edgeDomain: browsers heed it on HTTPS alone")
	}
}
