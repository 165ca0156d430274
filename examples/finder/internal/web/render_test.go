package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/ratelimit"

	"github.com/ministryfinder/bounded/examples/finder/internal/catalog"
	"github.com/ministryfinder/bounded/examples/finder/internal/quiz"
)

// A hung is a source of ministries that answers nobody.
type hung struct{}

func (hung) ActiveMinistries(ctx context.Context) ([]catalog.Ministry, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// Whoever goes away before the answer is no error of the service: none is counted, for which there would have
// to be a monitor, or logged.
func TestWhoGoesAwayIsNoError(t *testing.T) {
	matcher, err := quiz.NewMatcher(hung{}, quiz.MatcherConfig{MaxEntries: 1, TTL: time.Minute, MinistryTTL: time.Minute})
	require.NoError(t, err)
	var log strings.Builder
	site := &Site{Matcher: matcher, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequest(http.MethodGet, "/results?age=adult&gender=male", nil).WithContext(ctx)
	for _, handler := range []http.Handler{site.page((*Site).resultsPage), program((*Site).ministriesAPI)(site)} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		require.Empty(t, w.Body.String())
		require.Empty(t, log.String())
	}
}

func TestBriefKeepsWhatAPersonReads(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                         "0s",
		13801 * time.Nanosecond:   "13.8µs",
		2273037 * time.Nanosecond: "2.27ms",
		105163782:                 "105ms",
		time.Minute:               "1m",
		5 * time.Minute:           "5m",
		10 * time.Second:          "10s",
		time.Hour:                 "1h",
		90 * time.Minute:          "1h30m",
	} {
		require.Equal(t, want, brief(d), "%d ns", d)
	}
}

func TestLongLeavesMillisecondsOut(t *testing.T) {
	for d, want := range map[time.Duration]string{
		300 * time.Millisecond:                      "300ms",
		2*time.Second + 400*time.Millisecond:        "2s",
		61 * time.Second:                            "1m1s",
		26*time.Hour + 40*time.Minute + time.Second: "1d2h",
	} {
		require.Equal(t, want, long(d))
	}
}

func TestAnEventHasAFieldForEachLine(t *testing.T) {
	require.Equal(t, "event: report\ndata: <p>\ndata: \ndata: </p>\n\n", string(event("report", []byte("\n<p>\n\n</p>\n"))))
}

func TestVerdictsAreSentences(t *testing.T) {
	addr := netip.MustParseAddr("203.0.113.7")
	refusal := func(c ratelimit.Config) error { // of whoever has made an attempt that has not ended
		tracker, err := ratelimit.NewTracker(c)
		require.NoError(t, err)
		_, _ = tracker.Begin(addr)
		return tracker.Check(addr)
	}
	locked, err := ratelimit.NewTracker(ratelimit.Config{})
	require.NoError(t, err)
	require.NoError(t, locked.LockNow(addr, 90*time.Second))
	for _, test := range []struct {
		x    ratelimit.Explanation
		want string
	}{
		{ratelimit.Explanation{}, "It may try to sign in, and nothing is held against it."},
		{ratelimit.Explanation{Charges: make([]ratelimit.Charge, 2)}, "It may try to sign in. Its wrong passwords still count."},
		{ratelimit.Explanation{Exempt: true}, "It is never locked out."},
		{ratelimit.Explanation{Err: locked.Check(addr)}, "It is locked out for another 2 minutes, because of too many wrong passwords."},
		{ratelimit.Explanation{Err: refusal(ratelimit.Config{Failures: 1, Window: 20 * time.Second})}, "It is not locked out, but it has to wait for a minute: it has too many attempts under way."},
		{ratelimit.Explanation{Err: refusal(ratelimit.Config{Deny: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}})}, "It is not let in: all of 203.0.113.0/24 are denied."},
		{ratelimit.Explanation{Err: errors.New("ratelimit: other")}, "It is not let in: other."},
	} {
		require.Equal(t, test.want, verdict(test.x))
	}
}

func TestAddressesAreReadAsTheListWritesThem(t *testing.T) {
	for text, want := range map[string]string{"203.0.113.7": "203.0.113.7", "203.0.113.7/32": "203.0.113.7", "2001:db8::/64": "2001:db8::"} {
		addr, err := parseAddress(text)
		require.NoError(t, err)
		require.Equal(t, want, addr.String())
	}
	_, err := parseAddress("203.0.113.x")
	require.Error(t, err)
}
