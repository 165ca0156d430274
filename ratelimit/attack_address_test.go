package ratelimit_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/ratelimit"
)

// Headers of somebody who is no proxy are nothing, whatever is in them; what a proxy appends is read from its end.
func TestAttack05SpoofedHeaders(t *testing.T) {
	for _, name := range []string{"X-Forwarded-For", "Forwarded", "X-Real-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "X-Client-Ip", "X-Forwarded"} {
		for _, value := range []string{"10.0.0.1", "for=10.0.0.1", "127.0.0.1, 192.0.2.9", "\x00", strings.Repeat("1.2.3.4,", 10_000)} {
			got, err := ratelimit.ClientIP(request("192.0.2.1:9", http.Header{name: {value}}), proxies)
			require.NoError(t, err, name)
			require.Equal(t, alice, got, name)
		}
	}
	got, err := ratelimit.ClientIP(request("10.0.0.1:9", http.Header{"X-Forwarded-For": {"203.0.113.9", "198.51.100.7, 192.0.2.1"}}), proxies)
	require.NoError(t, err)
	require.Equal(t, alice, got)
}

// A server that can be reached past its proxy believes only the proxy.
func TestAttack06PastTheProxy(t *testing.T) {
	header := http.Header{"X-Forwarded-For": {"203.0.113.9"}}
	got, err := ratelimit.ClientIP(request("10.0.0.1:9", header), proxies)
	require.NoError(t, err)
	require.Equal(t, netip.MustParseAddr("203.0.113.9"), got)
	got, err = ratelimit.ClientIP(request("192.0.2.1:9", header), proxies)
	require.NoError(t, err)
	require.Equal(t, alice, got)
}

// A proxy that nobody configured is noticed, and told of once; and one that was is never locked out.
func TestAttack07ForgottenProxy(t *testing.T) {
	under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) {
		for range 1000 {
			_, err := tracker.ClientIP(request("10.0.0.1:9", http.Header{"X-Forwarded-For": {"203.0.113.9"}}))
			require.NoError(t, err)
		}
		require.EqualValues(t, 1000, tracker.Stats().ForgottenProxy)
		require.Equal(t, ratelimit.ProxyForgotten, event(t, tracker).Kind)
		require.Empty(t, tracker.Events())
	})
	under(t, ratelimit.Config{Proxies: proxies}, func(t *testing.T, tracker *ratelimit.Tracker) {
		named := http.Header{"X-Forwarded-For": {"10.9.9.9"}}
		for _, r := range []*http.Request{request("172.16.0.9:9", nil), request("203.0.113.1:9", named), request("10.0.0.1:9", named)} {
			_, err := tracker.ClientIP(r)
			require.NoError(t, err)
		}
		require.Zero(t, tracker.Stats().ForgottenProxy, "who names nobody, a stranger and a proxy that is known are none")
	})
	under(t, ratelimit.Config{Proxies: proxies}, func(t *testing.T, tracker *ratelimit.Tracker) {
		proxy := netip.MustParseAddr("10.0.0.1")
		for range 100 {
			_ = tracker.Fail(proxy)
		}
		require.Zero(t, tracker.Stats().Lockouts)
		time.Sleep(15*time.Minute + time.Nanosecond)
		require.NoError(t, tracker.Check(proxy))
	})
	proxy := netip.MustParseAddr("2001:db8::5") // whose source is a /64, of which it is not the first address
	under(t, ratelimit.Config{Proxies: []netip.Prefix{netip.PrefixFrom(proxy, 128)}}, func(t *testing.T, tracker *ratelimit.Tracker) {
		fail(t, tracker, proxy, 5)
		require.Zero(t, tracker.Stats().Lockouts)
	})
}

// Two spellings of an address are one, and no two addresses are one by their spelling.
func TestAttack21KeyConfusion(t *testing.T) {
	under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) {
		for i, s := range []string{"192.0.2.1", "::ffff:192.0.2.1", "::ffff:c000:201", "192.0.2.1", "::ffff:192.0.2.1"} {
			require.NoError(t, tracker.Fail(netip.MustParseAddr(s)), "%d: %s", i, s)
		}
		require.Equal(t, 1, tracker.Len())
		require.ErrorAs(t, tracker.Check(alice), new(*ratelimit.LockedError))
		zoned := netip.MustParseAddr("fe80::1%eth0")
		fail(t, tracker, zoned, 5)
		require.Error(t, tracker.Check(netip.MustParseAddr("fe80::1%eth1")))
		require.Error(t, tracker.Check(netip.MustParseAddr("fe80::1")))
		require.NoError(t, tracker.Check(netip.MustParseAddr("2001:db8::192.0.2.1")), "is of IPv6 all the same")
	})
	under(t, ratelimit.Config{MaxAddresses: 1 << 18, Prefixes: []ratelimit.PrefixLimit{}}, func(t *testing.T, tracker *ratelimit.Tracker) {
		for i := range uint32(1 << 16) {
			require.NoError(t, tracker.Fail(netip.AddrFrom16(addr4(i*40503).As16())))
		}
		require.Equal(t, 1<<16, tracker.Len(), "mapped addresses are as many sources")
	})
}

// An IPv4 address owns a /48 of 6to4 addresses, and shares the prefix of NAT64 with everybody.
func TestAttack22TransitionSpace(t *testing.T) {
	under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) {
		require.Equal(t, 5, accepted(tracker, 1000, random6(22, "2002:c000:201::/48")))
		require.Error(t, tracker.Check(alice), "who owns them")
		require.NoError(t, tracker.Check(netip.MustParseAddr("2002:c000:202::1")))
		fail(t, tracker, netip.MustParseAddr("64:ff9b::198.51.100.1"), 5)
		require.Error(t, tracker.Check(netip.MustParseAddr("64:ff9b::198.51.100.1")))
		require.NoError(t, tracker.Check(netip.MustParseAddr("64:ff9b::198.51.100.2")))
		require.Error(t, tracker.Check(netip.MustParseAddr("64:ff9b:1::198.51.100.1")), "a NAT64 of one network")
		require.NoError(t, tracker.Check(netip.MustParseAddr("64:ff9b:1::198.51.100.2")))
		require.Error(t, tracker.Check(netip.MustParseAddr("2001:0:1:2:3:4:39cc:9bfe")), "Teredo, the address inverted")
		require.NoError(t, tracker.Check(netip.MustParseAddr("2001:0:1:2:3:4:39cc:9bfd")))
	})
}

// An allowed network is allowed however it and its addresses are spelt, and what is let through is counted.
// Whoever writes one of its addresses into one of his own is not allowed.
func TestAttack38AllowList(t *testing.T) {
	allow := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::ffff:172.16.0.0/108")}
	under(t, ratelimit.Config{Allow: allow}, func(t *testing.T, tracker *ratelimit.Tracker) {
		for range 50 {
			require.NoError(t, tracker.Fail(netip.MustParseAddr("10.0.0.1")))
			require.NoError(t, tracker.Fail(netip.MustParseAddr("::ffff:10.0.0.1")))
			require.NoError(t, tracker.Fail(netip.MustParseAddr("172.16.0.1")))
		}
		require.EqualValues(t, 150, tracker.Stats().Exempt)
		inside := netip.MustParseAddr("2002:a00:1::1") // 10.0.0.1, by 6to4
		fail(t, tracker, inside, 5)
		require.Error(t, tracker.Check(inside))
		fail(t, tracker, alice, 5)
		require.Error(t, tracker.Check(alice))
	})
}

// A denied network is denied however its addresses are spelt, inside others as well, and though it is allowed.
func TestAttack38DenyList(t *testing.T) {
	ten := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	under(t, ratelimit.Config{Allow: ten, Deny: ten}, func(t *testing.T, tracker *ratelimit.Tracker) {
		for n, addr := range []string{"10.0.0.1", "::ffff:10.0.0.1", "2002:a00:1::1", "64:ff9b::10.0.0.1"} {
			require.ErrorAs(t, tracker.Fail(netip.MustParseAddr(addr)), new(*ratelimit.DeniedError), addr)
			require.EqualValues(t, n+1, tracker.Stats().DeniedList)
		}
		require.Zero(t, tracker.Stats().Exempt)
	})
}

// Who cannot be told is not let in without a limit.
func TestAttack39UnknownAddress(t *testing.T) {
	under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) {
		for range 10 {
			_, err := tracker.Begin(netip.Addr{})
			require.ErrorIs(t, err, ratelimit.ErrAddress)
			require.ErrorIs(t, tracker.Guard(t.Context(), netip.Addr{}, "alice", func() error { panic("reached") }), ratelimit.ErrAddress)
		}
		h := tracker.Middleware(answer, ratelimit.MiddlewareConfig{})
		require.NotEqual(t, http.StatusOK, post(h, "@", "/right").Code)
		require.NotEqual(t, http.StatusOK, post(h, "", "/right").Code)
	})
}
