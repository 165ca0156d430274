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

// admit returns the source that an attempt from an address is charged to, and reports whether it is charged: it is
// not if there is an error, nor if the address is exempt.
func (t *Tracker) admit(addr netip.Addr) (s source, counts bool, err error) {
	s, ok := sourceOf(addr)
	if !ok {
		return 0, false, ErrAddress
	}
	if len(t.deny) > 0 || len(t.allow) > 0 {
		return t.look(addr, s)
	}
	return s, true, nil
}

// look looks an address up in the lists.
func (t *Tracker) look(addr netip.Addr, s source) (_ source, counts bool, err error) {
	addr = addr.Unmap().WithZone("")
	// What is inside a 6to4, NAT64 or Teredo address is denied with the IPv4 address, but
	// not exempt with it: anybody may write what he likes into some of them.
	for _, a := range []netip.Addr{addr, s.prefix().Addr()} {
		if p, ok := find(t.deny, a); ok && (a == addr || s.family() == ipv4) {
			t.deniedList.Add(1)
			return s, false, &DeniedError{addr, p}
		}
	}
	if _, ok := find(t.allow, addr); ok {
		t.exempt.Add(1)
		return s, false, nil
	}
	return s, true, nil
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
