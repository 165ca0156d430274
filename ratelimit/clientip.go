package ratelimit

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// ErrForwarding is wrapped by the errors of [ClientIP], which say that the peer has no address, or that the
// headers of a trusted proxy cannot be understood. The request should be refused: any address that
// one might guess could be one that an attacker chose.
var ErrForwarding = errors.New("ratelimit: the client's address cannot be told")

// maxHops is how many elements of a header ClientIP looks at.
const maxHops = 64

// ClientIP returns the address of the client that sent r: of the peer, or if that is
// one of the trusted proxies, the last address that they did not add themselves. It
// reads X-Forwarded-For and Forwarded (RFC 7239) from the right, so nobody can choose the
// address by sending such a header: what a client sends is to the left of what the first trusted
// proxy adds, and is not looked at.
//
// Lines of one header are one list, in order. If both headers are there they must agree, for
// a proxy writes one and passes the other on as it came. At most 64 elements are looked at.
// Zones are dropped, and IPv4 inside IPv6 is IPv4, in trusted as well.
func ClientIP(r *http.Request, trusted []netip.Prefix) (netip.Addr, error) {
	peer, err := parseHop(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("%w: the peer is %q, want an address", ErrForwarding, clip(r.RemoteAddr))
	}
	if !contains(trusted, peer) {
		return peer, nil
	}
	xff, forwarded := r.Header.Values("X-Forwarded-For"), r.Header.Values("Forwarded")
	a, err := walk("X-Forwarded-For", xff, parseHop, peer, trusted)
	if err != nil {
		return netip.Addr{}, err
	}
	b, err := walk("Forwarded", forwarded, parseForwarded, peer, trusted)
	switch {
	case err != nil:
		return netip.Addr{}, err
	case len(forwarded) == 0:
		return a, nil
	case len(xff) > 0 && a != b:
		return netip.Addr{}, fmt.Errorf("%w: X-Forwarded-For says %v and Forwarded says %v, want one of the headers only", ErrForwarding, a, b)
	}
	return b, nil
}

// walk returns the last address of a header that is not trusted, or if there is none, the
// first of all, or if there is none either, addr. Empty elements are none (RFC 9110, section 5.6.1).
func walk(header string, lines []string, parse func(string) (netip.Addr, error), addr netip.Addr, trusted []netip.Prefix) (netip.Addr, error) {
	hops := 0
	for n := len(lines) - 1; n >= 0; n-- {
		for rest, more := lines[n], true; more && contains(trusted, addr); hops++ {
			if hops == maxHops {
				return netip.Addr{}, fmt.Errorf("%w: %s has more than %d elements of trusted proxies", ErrForwarding, header, maxHops)
			}
			var element string
			if element, rest, more = lastElement(rest); element == "" {
				continue
			}
			next, err := parse(element)
			if err != nil {
				return netip.Addr{}, fmt.Errorf("%w: %s has %q: %w", ErrForwarding, header, clip(element), err)
			}
			addr = next
		}
	}
	return addr, nil
}

func contains(prefixes []netip.Prefix, addr netip.Addr) bool {
	for _, p := range prefixes {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// errHop does not repeat what was sent, unlike the errors of netip.
var errHop = errors.New("want an address")

// parseHop parses an address as proxies write it: with a port or without, IPv6 in
// brackets or not.
func parseHop(s string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(s)
	if err != nil && strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		addr, err = netip.ParseAddr(s[1 : len(s)-1])
	}
	if err != nil {
		withPort, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}, errHop
		}
		addr = withPort.Addr()
	}
	return addr.Unmap().WithZone(""), nil
}

// clip returns the beginning of what somebody sent, for a message.
func clip(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "…"
	}
	return s
}
