package config

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Lengths of prefixes, in bits.
const (
	widestVPC        = 16
	narrowestVPC     = 22
	narrowestSubnet  = 28 // an AWS limit
	narrowestPrivate = 26 // 59 usable addresses, of which every task takes one, and two during a release
)

// tier is one kind of subnet: how it is configured, and how narrow it may be.
type tier struct {
	key       string
	given     []netip.Prefix
	narrowest int
}

func (n Network) tiers() []tier {
	return []tier{
		{"networkPublicCidrs", n.PublicCidrs, narrowestSubnet},
		{"networkPrivateCidrs", n.PrivateCidrs, narrowestPrivate},
		{"networkIsolatedCidrs", n.IsolatedCidrs, narrowestSubnet},
	}
}

// Subnets are the ranges of the three tiers, one a zone: those given, or those carved from Cidr. The VPC is cut into
// sixteenths: the first four quarters of it are private subnets of two sixteenths, then public and isolated ones of one.
func (n Network) Subnets() (public, private, isolated []netip.Prefix) {
	for i := range n.ZoneCount {
		private = append(private, slice(n.Cidr, 3, i))
		public = append(public, slice(n.Cidr, 4, 8+i))
		isolated = append(isolated, slice(n.Cidr, 4, 12+i))
	}
	for _, choice := range []struct {
		given  []netip.Prefix
		carved *[]netip.Prefix
	}{{n.PublicCidrs, &public}, {n.PrivateCidrs, &private}, {n.IsolatedCidrs, &isolated}} {
		if len(choice.given) > 0 {
			*choice.carved = choice.given
		}
	}
	return public, private, isolated
}

// slice is the index-th of the 2^bits equal parts of a prefix.
func slice(whole netip.Prefix, bits, index int) netip.Prefix {
	length := whole.Bits() + bits
	base := whole.Addr().As4()
	start := binary.BigEndian.Uint32(base[:]) + uint32(index)<<(32-length) //nolint:gosec // index is below 16
	var address [4]byte
	binary.BigEndian.PutUint32(address[:], start)
	return netip.PrefixFrom(netip.AddrFrom4(address), length)
}

func (n Network) validate(p *Problems) {
	if !n.Cidr.IsValid() || n.ZoneCount == 0 {
		return // told already
	}
	if n.Cidr.Bits() < widestVPC || n.Cidr.Bits() > narrowestVPC {
		p.add("networkCidr", "%s must be from /%d to /%d: narrower leaves tasks no addresses", n.Cidr, widestVPC, narrowestVPC)
		return
	}
	if !n.Cidr.Addr().IsPrivate() {
		p.add("networkCidr", "%s is not private: take it from 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16", n.Cidr)
		return
	}
	type placed struct {
		path   string
		prefix netip.Prefix
	}
	var all []placed
	public, private, isolated := n.Subnets()
	for i, actual := range [][]netip.Prefix{public, private, isolated} {
		t := n.tiers()[i]
		if len(t.given) > 0 && len(t.given) != n.ZoneCount {
			p.add(t.key, "holds %d ranges, but networkZoneCount is %d; give one a zone, or none", len(t.given), n.ZoneCount)
			continue
		}
		for zone, prefix := range actual {
			path := t.key
			if len(t.given) > 0 {
				path = fmt.Sprintf("%s[%d]", t.key, zone)
			}
			if !prefix.IsValid() {
				continue // told already
			}
			if prefix.Bits() > t.narrowest {
				p.add(path, "%s is too small: /%d at least", prefix, t.narrowest)
			}
			if prefix.Bits() < n.Cidr.Bits() || !n.Cidr.Contains(prefix.Addr()) {
				p.add(path, "%s is not within networkCidr %s", prefix, n.Cidr)
			}
			for _, other := range all {
				if prefix.Overlaps(other.prefix) {
					p.add(path, "%s overlaps %s of %s", prefix, other.prefix, other.path)
				}
			}
			all = append(all, placed{path, prefix})
		}
	}
}
