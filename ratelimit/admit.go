package ratelimit

import (
	"fmt"
	"net/netip"
)

// A DeniedError is returned for an address in Config.Deny.
type DeniedError struct {
	Addr   netip.Addr
	Prefix netip.Prefix // the one of Config.Deny
}

// Error names the address and the prefix.
func (e *DeniedError) Error() string {
	return fmt.Sprintf("ratelimit: %v is denied, as all of %v are", e.Addr, e.Prefix)
}

// admit looks an address up in the lists. If there is no error, the address it
// returns is the zero one if it is exempt, and otherwise one to be charged as s.
func (t *Tracker) admit(addr netip.Addr) (_ netip.Addr, s source, err error) {
	s, ok := sourceOf(addr)
	if !ok {
		return netip.Addr{}, source{}, ErrAddress
	}
	if len(t.deny) == 0 && len(t.allow) == 0 {
		return addr, s, nil
	}
	addr = addr.Unmap().WithZone("")
	// What is inside a 6to4, NAT64 or Teredo address is denied with the IPv4 address, but
	// not exempt with it: anybody may write what he likes into some of them.
	for _, a := range []netip.Addr{addr, s.prefix().Addr()} {
		if p, ok := find(t.deny, a); ok && (a == addr || s.family == ipv4) {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.table.counts.deniedList++
			return netip.Addr{}, s, &DeniedError{addr, p}
		}
	}
	if _, ok := find(t.allow, addr); ok {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.table.counts.exempt++
		return netip.Addr{}, s, nil
	}
	return addr, s, nil
}

// find returns the first of the prefixes that has an address.
func find(prefixes []netip.Prefix, addr netip.Addr) (netip.Prefix, bool) {
	for _, p := range prefixes {
		if p.Contains(addr) {
			return p, true
		}
	}
	return netip.Prefix{}, false
}

// canonical returns prefixes with IPv4 for what is IPv4 inside IPv6.
func canonical(prefixes []netip.Prefix) []netip.Prefix {
	all := make([]netip.Prefix, 0, len(prefixes))
	for _, p := range prefixes {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		all = append(all, p.Masked())
	}
	return all
}
