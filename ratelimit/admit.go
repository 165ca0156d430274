package ratelimit

import (
	"fmt"
	"net/netip"
)

// A DeniedError is returned for an address in Config.Deny. It is the same for all addresses in one prefix.
type DeniedError struct{ prefix netip.Prefix }

// Prefix returns the prefix of Config.Deny.
func (e *DeniedError) Prefix() netip.Prefix { return e.prefix }

// Error names the prefix.
func (e *DeniedError) Error() string {
	return fmt.Sprintf("ratelimit: all of %v are denied", e.prefix)
}

// admit returns the source that an attempt from an address is charged to, and reports whether it is charged: it is
// not if there is an error, nor if the address is exempt.
func (t *Tracker) admit(addr netip.Addr) (s source, counts bool, err error) {
	s, ok := sourceOf(addr)
	if !ok {
		return 0, false, ErrAddress
	}
	if len(t.deny) > 0 || len(t.allow) > 0 {
		switch denied, exempt := t.listed(addr, s); {
		case denied != nil:
			t.deniedList.Add(1)
			return s, false, denied
		case exempt:
			t.exempt.Add(1)
			return s, false, nil
		}
	}
	return s, true, nil
}

// listed looks an address up in the lists. What is inside a 6to4, NAT64 or Teredo address is denied with the
// IPv4 address, but not exempt with it: anybody may write what he likes into some of them.
func (t *Tracker) listed(addr netip.Addr, s source) (denied *DeniedError, exempt bool) {
	addr = addr.Unmap().WithZone("")
	inside := addr
	if s.family() == ipv4 {
		inside = s.prefix().Addr()
	}
	for i := range t.deny {
		if d := &t.deny[i]; d.prefix.Contains(addr) || d.prefix.Contains(inside) {
			return d, false
		}
	}
	return nil, contains(t.allow, addr)
}

// denials returns the errors for the addresses of a list.
func denials(deny []netip.Prefix) []DeniedError {
	all := make([]DeniedError, 0, len(deny))
	for _, p := range canonical(deny) {
		all = append(all, DeniedError{p})
	}
	return all
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
