package ratelimit

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// ErrForwarding is wrapped by the errors of [ClientIP] that say that the headers of a
// trusted proxy cannot be understood. The request should be refused: any address that
// one might guess could be one that an attacker chose.
var ErrForwarding = errors.New("ratelimit: the client's address cannot be told")

// maxHops is how many addresses ClientIP looks at in a header.
const maxHops = 64

// ClientIP returns the address of the client that sent r: of the peer, or if that is
// one of the trusted proxies, the last address that they did not add themselves. It reads X-Forwarded-For and
// Forwarded (RFC 7239) from the right, so nobody can choose the address by sending such a header: what a
// client sends is to the left of what the first trusted proxy adds.
//
// If both headers are there they must agree, for a proxy writes one and passes the other on as it came.
// The work for one request is bounded. Zones are dropped, and IPv4 inside IPv6 is IPv4.
func ClientIP(r *http.Request, trusted []netip.Prefix) (netip.Addr, error) {
	peer, err := parseHop(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("%w: the peer is %q, want an address", ErrForwarding, clip(r.RemoteAddr))
	}
	xff, forwarded := r.Header.Values("X-Forwarded-For"), r.Header.Values("Forwarded")
	if !contains(trusted, peer) || len(xff) == 0 && len(forwarded) == 0 {
		return peer, nil
	}
	var found []netip.Addr
	if len(xff) > 0 {
		addr, err := walk("X-Forwarded-For", splitList(xff), peer, trusted)
		if err != nil {
			return netip.Addr{}, err
		}
		found = append(found, addr)
	}
	if len(forwarded) > 0 {
		hops, err := forwardedFor(forwarded)
		if err != nil {
			return netip.Addr{}, err
		}
		addr, err := walk("Forwarded", hops, peer, trusted)
		if err != nil {
			return netip.Addr{}, err
		}
		found = append(found, addr)
	}
	if len(found) == 2 && found[0] != found[1] {
		return netip.Addr{}, fmt.Errorf("%w: X-Forwarded-For says %v and Forwarded says %v, want one of the headers only", ErrForwarding, found[0], found[1])
	}
	return found[0], nil
}

// walk returns the rightmost of the hops that is not trusted, or the leftmost of all.
func walk(header string, hops []string, addr netip.Addr, trusted []netip.Prefix) (netip.Addr, error) {
	for n := len(hops) - 1; n >= 0 && contains(trusted, addr); n-- {
		if len(hops)-n > maxHops {
			return netip.Addr{}, fmt.Errorf("%w: %s has more than %d trusted addresses", ErrForwarding, header, maxHops)
		}
		next, err := parseHop(hops[n])
		if err != nil {
			return netip.Addr{}, fmt.Errorf("%w: %s has %q, want an address", ErrForwarding, header, clip(hops[n]))
		}
		addr = next
	}
	return addr, nil
}

func contains(prefixes []netip.Prefix, addr netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// splitList returns the elements of a header at its commas: the last maxHops+1, as
// nobody looks at more. Lines of one header are one list.
func splitList(lines []string) []string {
	var hops []string
	for n := len(lines) - 1; n >= 0; n-- {
		rest := lines[n]
		for more := true; more && len(hops) <= maxHops; {
			at := strings.LastIndexByte(rest, ',')
			hops = append(hops, strings.Trim(rest[at+1:], " \t"))
			if more = at >= 0; more {
				rest = rest[:at]
			}
		}
	}
	for i, j := 0, len(hops)-1; i < j; i, j = i+1, j-1 {
		hops[i], hops[j] = hops[j], hops[i]
	}
	return hops
}

// parseHop parses an address as proxies write it: with a port or without, IPv6 in
// brackets or not.
func parseHop(s string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil {
		withPort, portErr := netip.ParseAddrPort(s)
		if portErr != nil {
			return netip.Addr{}, err
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
