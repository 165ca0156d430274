package auth

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// clientAddr returns the address that the request comes from: that of the connection, or, if that is a trusted
// proxy, the rightmost in X-Forwarded-For that is not one. What stands further left is what anybody may write.
// It is the zero Addr if that cannot be read; all of those are one source.
func clientAddr(r *http.Request, trusted []netip.Prefix) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := peer.Addr().Unmap().WithZone("")
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(addr) }) {
			break
		}
		next, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break // a proxy that names nobody speaks for itself
		}
		addr = next.Unmap().WithZone("")
	}
	return addr
}

// source returns the prefix that one person is taken to hold: an IPv4 address, or the /64 of an IPv6 one.
func source(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // the zero Addr
	}
	return prefix
}
