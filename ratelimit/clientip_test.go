package ratelimit_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/ratelimit"
)

var proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:aaaa::/48")}

func request(peer string, header http.Header) *http.Request {
	return &http.Request{Method: http.MethodPost, RemoteAddr: peer, Header: header}
}

func TestClientIP(t *testing.T) {
	const xff, fwd = "X-Forwarded-For", "Forwarded"
	long := strings.Repeat("10.0.0.9, ", 63)
	for name, test := range map[string]struct {
		peer   string
		header http.Header
		want   string // "": an error
	}{
		"no-header":                   {"192.0.2.1:99", nil, "192.0.2.1"},
		"peer-without-port":           {"192.0.2.1", nil, "192.0.2.1"},
		"peer-v6":                     {"[2001:db8::1%eth0]:99", nil, "2001:db8::1"},
		"peer-mapped":                 {"[::ffff:192.0.2.1]:99", nil, "192.0.2.1"},
		"peer-is-a-socket":            {"@", nil, ""},
		"no-peer":                     {"", nil, ""},
		"untrusted-peer":              {"192.0.2.1:99", http.Header{xff: {"8.8.8.8"}, fwd: {"for=8.8.8.8"}}, "192.0.2.1"},
		"untrusted-peer-with-garbage": {"192.0.2.1:99", http.Header{xff: {"\x00"}, fwd: {`="`}}, "192.0.2.1"},
		"proxy-itself":                {"10.0.0.1:99", nil, "10.0.0.1"},
		"mapped-proxy":                {"[::ffff:10.0.0.1]:99", http.Header{xff: {"192.0.2.1"}}, "192.0.2.1"},
		"other-headers-are-nothing":   {"10.0.0.1:99", http.Header{"X-Real-Ip": {"8.8.8.8"}, "True-Client-Ip": {"8.8.8.8"}, "Cf-Connecting-Ip": {"8.8.8.8"}}, "10.0.0.1"},

		"xff":                     {"10.0.0.1:99", http.Header{xff: {"192.0.2.1"}}, "192.0.2.1"},
		"xff-spoofed":             {"10.0.0.1:99", http.Header{xff: {"8.8.8.8, 192.0.2.1"}}, "192.0.2.1"},
		"xff-garbage-on-the-left": {"10.0.0.1:99", http.Header{xff: {"\x00'\"; drop, 192.0.2.1"}}, "192.0.2.1"},
		"xff-two-proxies":         {"10.0.0.1:99", http.Header{xff: {"8.8.8.8, 192.0.2.1, 10.0.0.2"}}, "192.0.2.1"},
		"xff-lines-in-order":      {"10.0.0.1:99", http.Header{xff: {"8.8.8.8", "192.0.2.1,10.0.0.2", "10.0.0.3"}}, "192.0.2.1"},
		"xff-all-trusted":         {"10.0.0.1:99", http.Header{xff: {"10.0.0.3, 10.0.0.2"}}, "10.0.0.3"},
		"xff-ports":               {"10.0.0.1:99", http.Header{xff: {"192.0.2.1:4711, 10.0.0.2:80"}}, "192.0.2.1"},
		"xff-v6":                  {"[2001:db8:aaaa::1]:99", http.Header{xff: {"2001:DB8::1"}}, "2001:db8::1"},
		"xff-v6-brackets":         {"10.0.0.1:99", http.Header{xff: {"[2001:db8::1]"}}, "2001:db8::1"},
		"xff-v6-port":             {"10.0.0.1:99", http.Header{xff: {"[2001:db8::1]:4711"}}, "2001:db8::1"},
		"xff-zone":                {"10.0.0.1:99", http.Header{xff: {"fe80::1%eth0"}}, "fe80::1"},
		"xff-mapped":              {"10.0.0.1:99", http.Header{xff: {"::ffff:192.0.2.1"}}, "192.0.2.1"},
		"xff-empty":               {"10.0.0.1:99", http.Header{xff: {""}}, "10.0.0.1"},
		"xff-empty-elements":      {"10.0.0.1:99", http.Header{xff: {", 192.0.2.1, ,\t", ","}}, "192.0.2.1"},
		"xff-garbage":             {"10.0.0.1:99", http.Header{xff: {"192.0.2.1, unknown"}}, ""},
		"xff-leading-zeros":       {"10.0.0.1:99", http.Header{xff: {"192.0.02.1"}}, ""},
		"xff-decimal":             {"10.0.0.1:99", http.Header{xff: {"3221225985"}}, ""},
		"xff-half-a-bracket":      {"10.0.0.1:99", http.Header{xff: {"[2001:db8::1"}}, ""},
		"xff-hidden-port":         {"10.0.0.1:99", http.Header{xff: {"192.0.2.1:_x"}}, ""},
		"xff-brackets-round-v4":   {"10.0.0.1:99", http.Header{xff: {"[192.0.2.1"}}, ""},
		"xff-64-hops":             {"10.0.0.1:99", http.Header{xff: {"192.0.2.1, " + long[:len(long)-2]}}, "192.0.2.1"},
		"xff-65-hops":             {"10.0.0.1:99", http.Header{xff: {"192.0.2.1, 10.0.0.8, " + long[:len(long)-2]}}, ""},
		"xff-65-empty-hops":       {"10.0.0.1:99", http.Header{xff: {"192.0.2.1" + strings.Repeat(",", 64)}}, ""},

		"fwd":                      {"10.0.0.1:99", http.Header{fwd: {"for=192.0.2.1"}}, "192.0.2.1"},
		"fwd-upper-case":           {"10.0.0.1:99", http.Header{fwd: {"By=10.0.0.1;FOR=192.0.2.1"}}, "192.0.2.1"},
		"fwd-quoted":               {"10.0.0.1:99", http.Header{fwd: {`for="192.0.2.1:47";proto=https; host="a,b;c\"d"`}}, "192.0.2.1"},
		"fwd-escaped":              {"10.0.0.1:99", http.Header{fwd: {`for="192\.0.2.1"`}}, "192.0.2.1"},
		"fwd-v6":                   {"10.0.0.1:99", http.Header{fwd: {`for="[2001:db8::1]:4711"`}}, "2001:db8::1"},
		"fwd-v6-not-quoted":        {"10.0.0.1:99", http.Header{fwd: {`for=[2001:db8::1]`}}, "2001:db8::1"},
		"fwd-two-proxies":          {"10.0.0.1:99", http.Header{fwd: {"for=8.8.8.8, for=192.0.2.1", "for=10.0.0.2;by=10.0.0.1"}}, "192.0.2.1"},
		"fwd-open-quote-is-left":   {"10.0.0.1:99", http.Header{fwd: {`for=8.8.8.8;x=", for=192.0.2.1`}}, "192.0.2.1"},
		"fwd-open-quote-two-lines": {"10.0.0.1:99", http.Header{fwd: {`for=8.8.8.8;x="`, `for="192.0.2.1"`}}, "192.0.2.1"},
		"fwd-comma-in-quotes":      {"10.0.0.1:99", http.Header{fwd: {`for=192.0.2.1;x=", for=8.8.8.8"`}}, "192.0.2.1"},
		"fwd-quote-in-quotes":      {"10.0.0.1:99", http.Header{fwd: {`for=192.0.2.1;x="a\", for=8.8.8.8\\"`}}, "192.0.2.1"},
		"fwd-garbage-on-the-left":  {"10.0.0.1:99", http.Header{fwd: {`=,;",for=192.0.2.1`}}, "192.0.2.1"},
		"fwd-unknown":              {"10.0.0.1:99", http.Header{fwd: {"for=unknown"}}, ""},
		"fwd-obfuscated":           {"10.0.0.1:99", http.Header{fwd: {"for=_hidden"}}, ""},
		"fwd-no-for":               {"10.0.0.1:99", http.Header{fwd: {"by=192.0.2.1"}}, ""},
		"fwd-two-fors":             {"10.0.0.1:99", http.Header{fwd: {"for=192.0.2.1;for=8.8.8.8"}}, ""},
		"fwd-empty-for":            {"10.0.0.1:99", http.Header{fwd: {`for=;for=8.8.8.8`}}, ""},
		"fwd-not-a-pair":           {"10.0.0.1:99", http.Header{fwd: {"192.0.2.1"}}, ""},
		"fwd-name-not-a-token":     {"10.0.0.1:99", http.Header{fwd: {"for=192.0.2.1;a b=c"}}, ""},
		"fwd-after-the-quotes":     {"10.0.0.1:99", http.Header{fwd: {`for="192.0.2.1"x`}}, ""},
		"fwd-empty-pairs":          {"10.0.0.1:99", http.Header{fwd: {`; ;for=192.0.2.1;;proto=https;`}}, "192.0.2.1"},
		"fwd-only-empty-pairs":     {"10.0.0.1:99", http.Header{fwd: {`for=8.8.8.8, ;;`}}, ""},
		"fwd-empty-host":           {"10.0.0.1:99", http.Header{fwd: {`for=192.0.2.1;host=""`}}, "192.0.2.1"},
		"fwd-hidden-port":          {"10.0.0.1:99", http.Header{fwd: {`for="192.0.2.1:_a-b.c_1"`}}, "192.0.2.1"},
		"fwd-v6-hidden-port":       {"10.0.0.1:99", http.Header{fwd: {`for="[2001:db8::1]:_x"`}}, "2001:db8::1"},
		"fwd-unknown-with-a-port":  {"10.0.0.1:99", http.Header{fwd: {`for="unknown:_x"`}}, ""},
		"fwd-hidden-port-empty":    {"10.0.0.1:99", http.Header{fwd: {`for="192.0.2.1:_"`}}, ""},
		"fwd-hidden-port-is-other": {"10.0.0.1:99", http.Header{fwd: {`for="192.0.2.1:_a:b"`}}, ""},
		"fwd-v6-and-hidden-port":   {"10.0.0.1:99", http.Header{fwd: {`for="2001:db8::1:_x"`}}, ""},
		"fwd-empty-quoted-for":     {"10.0.0.1:99", http.Header{fwd: {`for="";for=8.8.8.8`}}, ""},
		"fwd-backslash-at-the-end": {"10.0.0.1:99", http.Header{fwd: {`for="192.0.2.1\`}}, ""},

		"both-agree":                   {"10.0.0.1:99", http.Header{xff: {"192.0.2.1"}, fwd: {"for=192.0.2.1"}}, "192.0.2.1"},
		"both-disagree":                {"10.0.0.1:99", http.Header{xff: {"192.0.2.1"}, fwd: {"for=8.8.8.8"}}, ""},
		"both-and-forwarded-is-broken": {"10.0.0.1:99", http.Header{xff: {"192.0.2.1"}, fwd: {"8.8.8.8"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ratelimit.ClientIP(request(test.peer, test.header), proxies)
			if test.want == "" {
				require.ErrorIs(t, err, ratelimit.ErrForwarding)
				require.Zero(t, got)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.want, got.String())
		})
	}
}

// Without trusted proxies there is nothing that a header can do.
func TestClientIPTrustsNobodyByDefault(t *testing.T) {
	got, err := ratelimit.ClientIP(request("10.0.0.1:99", http.Header{"X-Forwarded-For": {"8.8.8.8"}}), nil)
	require.NoError(t, err)
	require.Equal(t, "10.0.0.1", got.String())
}

// A message shows the beginning of what was sent, quoted.
func TestClientIPErrorsAreShortAndQuoted(t *testing.T) {
	_, err := ratelimit.ClientIP(request("10.0.0.1:99", http.Header{"X-Forwarded-For": {"a\nb\x1b[31m" + strings.Repeat("x", 1<<20)}}), proxies)
	require.Less(t, len(err.Error()), 250)
	require.NotContains(t, err.Error(), "\n")
	require.NotContains(t, err.Error(), "\x1b")
	_, err = ratelimit.ClientIP(request("10.0.0.1:99", http.Header{"X-Forwarded-For": {"x"}}), proxies)
	require.EqualError(t, err, `ratelimit: the client's address cannot be told: X-Forwarded-For has "x": want an address`)
}

func FuzzClientIP(f *testing.F) {
	for _, left := range []string{"", "8.8.8.8", `for="`, `for=8.8.8.8;x="\`, "10.0.0.2", `"`, `\`, strings.Repeat(",", 100), "for=8.8.8.8, for=10.0.0.2"} {
		f.Add(left, left, true, uint8(2))
	}
	f.Fuzz(func(t *testing.T, xff, fwd string, ownLine bool, hops uint8) {
		// The client sends both headers as it likes, to a server that trusts nobody that
		// is between them.
		got, err := ratelimit.ClientIP(request("192.0.2.1:99", http.Header{"X-Forwarded-For": {xff}, "Forwarded": {fwd}}), proxies)
		require.NoError(t, err)
		require.Equal(t, "192.0.2.1", got.String())

		// It sends them to a chain of trusted proxies. Each adds the address of its
		// own peer, with a comma or in a line of its own.
		for _, proxy := range []struct{ name, value, format, hop string }{
			{"X-Forwarded-For", xff, "192.0.2.1", "10.0.0.7"},
			{"Forwarded", fwd, `for="192.0.2.1:99";by="x\",y";host="a\\"`, "for=10.0.0.7"},
		} {
			lines := []string{proxy.value}
			for n := range 1 + int(hops%20) {
				hop := proxy.hop
				if n == 0 {
					hop = proxy.format
				}
				if ownLine {
					lines = append(lines, hop)
				} else {
					lines[0] += ", " + hop
				}
			}
			got, err := ratelimit.ClientIP(request("10.0.0.1:99", http.Header{proxy.name: lines}), proxies)
			require.NoError(t, err)
			require.Equal(t, "192.0.2.1", got.String())
		}

		// It comes from the proxy itself: an address or an error, and no panic.
		got, err = ratelimit.ClientIP(request("10.0.0.1:99", http.Header{"X-Forwarded-For": {xff}, "Forwarded": {fwd}}), proxies)
		if err != nil {
			require.ErrorIs(t, err, ratelimit.ErrForwarding)
			return
		}
		require.True(t, got.IsValid())
		require.Empty(t, got.Zone())
		require.False(t, got.Is4In6())
	})
}

// A proxy that is written as IPv4 inside IPv6 is trusted as IPv4 is, whatever the socket calls its peer.
func TestTrustedPrefixesMayBeMapped(t *testing.T) {
	mapped := []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104")}
	for _, peer := range []string{"10.0.0.1:9", "[::ffff:10.0.0.1]:9"} {
		got, err := ratelimit.ClientIP(request(peer, http.Header{"X-Forwarded-For": {"203.0.113.9"}}), mapped)
		require.NoError(t, err)
		require.Equal(t, netip.MustParseAddr("203.0.113.9"), got)
	}
	got, err := ratelimit.ClientIP(request("192.0.2.1:9", http.Header{"X-Forwarded-For": {"203.0.113.9"}}), mapped)
	require.NoError(t, err)
	require.Equal(t, alice, got)
}
