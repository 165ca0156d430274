package ratelimit

import (
	"net/http"
	"net/netip"
)

// ClientIP returns the address of the client that sent r, as the function [ClientIP]
// does with Config.Proxies.
//
// A peer in a private network that names a client and is none of the proxies is likely to be
// one that was forgotten: all clients would have its address and be locked out together. That
// is counted in [Stats], and the first time there is an [Event]. The address is still
// the peer's.
func (t *Tracker) ClientIP(r *http.Request) (netip.Addr, error) {
	return t.clientIP(r, t.proxies)
}

func (t *Tracker) clientIP(r *http.Request, trusted []netip.Prefix) (netip.Addr, error) {
	addr, err := ClientIP(r, trusted)
	if err == nil && (addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast()) &&
		!contains(trusted, addr) && (r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Forwarded") != "") {
		if peer, err := parseHop(r.RemoteAddr); err == nil && peer == addr {
			if t.forgottenProxy.Add(1) == 1 {
				t.shared.emit(Event{Kind: ProxyForgotten, Source: netip.PrefixFrom(addr, addr.BitLen())}, t.now())
			}
		}
	}
	return addr, err
}
