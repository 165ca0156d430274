package auth_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/ministryfinder/bounded/ratelimit"

	"github.com/ministryfinder/bounded/examples/finder/internal/auth"
)

const password = "correct horse"

func newAuth(t *testing.T) *auth.Auth {
	a, err := auth.New(auth.Config{
		User: "admin", Password: password, SecretKey: []byte("the key of the tests"), Cost: bcrypt.MinCost,
		SessionTimeout: time.Hour, MaxSessions: 100, SessionBytes: 1e6,
		Guard: ratelimit.Config{Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}},
	})
	require.NoError(t, err)
	return a
}

// signIn signs in from an address, through the proxies named, and returns the session's cookie if there is one.
func signIn(t *testing.T, a *auth.Auth, from, forwarded, user, password string) (cookie *http.Cookie, err error) {
	cookies, err := signInWith(a, nil, from, forwarded, user, password)
	return cookies["finder"], err
}

// signInWith does so with a cookie, and returns those that the answer sets, by name.
func signInWith(a *auth.Auth, with *http.Cookie, from, forwarded, user, password string) (cookies map[string]*http.Cookie, err error) {
	r := httptest.NewRequest(http.MethodPost, "/admin/sign-in", nil)
	r.RemoteAddr = from
	if forwarded != "" {
		r.Header.Set("X-Forwarded-For", forwarded)
	}
	if with != nil {
		r.AddCookie(with)
	}
	w := httptest.NewRecorder()
	a.Load(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { err = a.SignIn(w, r, user, password) })).ServeHTTP(w, r)
	cookies = map[string]*http.Cookie{}
	for _, c := range w.Result().Cookies() {
		cookies[c.Name] = c
	}
	return cookies, err
}

func TestSignIn(t *testing.T) {
	a := newAuth(t)
	cookie, err := signIn(t, a, "192.0.2.1:1", "", "admin", password)
	require.NoError(t, err)
	require.True(t, cookie.HttpOnly)
	require.Equal(t, http.SameSiteStrictMode, cookie.SameSite)
	require.Zero(t, len(a.Suspects()), "who knows the password is no suspect")
	require.Equal(t, 1, a.Sessions.Len())

	for _, wrong := range [][2]string{{"admin", "wrong"}, {"root", password}, {"", ""}} {
		cookie, err := signIn(t, a, "192.0.2.1:1", "", wrong[0], wrong[1])
		require.ErrorIs(t, err, auth.ErrWrong)
		require.Nil(t, cookie, "a stranger gets no session")
	}
}

func TestLockoutLastsAnHourFromTheFifthFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuth(t)
		for range 5 {
			_, err := signIn(t, a, "192.0.2.1:1", "", "admin", "wrong")
			require.ErrorIs(t, err, auth.ErrWrong)
		}
		time.Sleep(59 * time.Minute)
		_, err := signIn(t, a, "192.0.2.1:9", "", "admin", password)
		var locked *auth.LockedError
		require.ErrorAs(t, err, &locked)
		require.Equal(t, time.Minute, locked.RetryAfter)
		_, err = signIn(t, a, "192.0.2.2:1", "", "admin", password)
		require.NoError(t, err, "another address")

		time.Sleep(time.Minute + time.Second)
		_, err = signIn(t, a, "192.0.2.1:1", "", "admin", password)
		require.NoError(t, err)
	})
}

func TestUnlock(t *testing.T) {
	a := newAuth(t)
	for range 5 {
		_, _ = signIn(t, a, "[2001:db8::1]:1", "", "admin", "wrong")
	}
	suspects := a.Suspects()
	require.Len(t, suspects, 1)
	require.Equal(t, "2001:db8::/64", suspects[0].Prefix.String())
	require.Equal(t, 5, suspects[0].Failures)
	require.True(t, suspects[0].Locked)
	require.True(t, a.Unlock(suspects[0].Prefix.Addr()))
	_, err := signIn(t, a, "[2001:db8::2]:1", "", "admin", password)
	require.NoError(t, err)
}

func TestGuessesAtTheSameTimeGetFive(t *testing.T) {
	a := newAuth(t)
	var looked atomic.Int32
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if _, err := signIn(t, a, "192.0.2.1:1", "", "admin", "wrong"); err == auth.ErrWrong {
				looked.Add(1)
			}
		})
	}
	wg.Wait()
	require.Equal(t, int32(5), looked.Load())
}

func TestOnlyTrustedProxiesNameTheVisitor(t *testing.T) {
	a := newAuth(t)
	for _, test := range []struct{ from, forwarded string }{
		{"192.0.2.1:1", "198.51.100.7"},                // not from a proxy: anybody may write that
		{"10.0.0.1:1", "198.51.100.7, 192.0.2.1"},      // what stands left of the visitor was the visitor's to write
		{"10.0.0.1:1", "6.6.6.6, 192.0.2.1, 10.0.0.2"}, // through two proxies
		{"192.0.2.1:2", ""},
		{"[::ffff:192.0.2.1]:1", ""},
	} {
		_, err := signIn(t, a, test.from, test.forwarded, "admin", "wrong")
		require.ErrorIs(t, err, auth.ErrWrong)
	}
	suspects := a.Suspects()
	require.Len(t, suspects, 1)
	require.Equal(t, "192.0.2.1/32", suspects[0].Prefix.String())
}

func TestAnAttemptThatWasNotDecidedIsNotCharged(t *testing.T) {
	a := newAuth(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 200 {
		r := httptest.NewRequest(http.MethodPost, "/", nil).WithContext(ctx)
		a.Load(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _ = a.SignIn(w, r, "admin", password) })).ServeHTTP(httptest.NewRecorder(), r)
	}
	require.Empty(t, a.Suspects())
}

func TestSessionsAreBoundedAndExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuth(t)
		for i := range 300 {
			require.NoError(t, a.Sessions.Commit(string(rune('a'+i)), []byte("data"), time.Now().Add(time.Hour)))
			require.LessOrEqual(t, a.Sessions.Len(), 100)
		}
		require.NoError(t, a.Sessions.Commit("last", []byte("data"), time.Now().Add(time.Hour)))
		_, found, err := a.Sessions.Find("last")
		require.NoError(t, err)
		require.True(t, found)
		time.Sleep(time.Hour + time.Second)
		_, found, _ = a.Sessions.Find("last")
		require.False(t, found)
		require.Equal(t, 100, a.Sessions.Sweep())
	})
}

// Whoever has signed in with a browser can do so again while others guess at the same address; a cookie that was
// not signed with this key is worth nothing.
func TestAKnownDeviceIsNotKeptOutByOthers(t *testing.T) {
	a := newAuth(t)
	cookies, err := signInWith(a, nil, "192.0.2.77:1", "", "admin", password)
	require.NoError(t, err)
	device := cookies["finder-device"]
	require.True(t, device.HttpOnly)
	require.Equal(t, "/admin", device.Path)
	for range 5 {
		_, err := signIn(t, a, "192.0.2.1:1", "", "admin", "wrong")
		require.ErrorIs(t, err, auth.ErrWrong)
	}
	var locked *auth.LockedError
	_, err = signIn(t, a, "192.0.2.1:1", "", "admin", password)
	require.ErrorAs(t, err, &locked)
	other := "A" // than the first letter of the name
	if device.Value[0] == 'A' {
		other = "B"
	}
	for _, forged := range []string{"", "x", "AAAAAAAAAAAAAAAAAAAAAAAAAA.", device.Value[:len(device.Value)-2], other + device.Value[1:], device.Value + "AA"} {
		_, err = signInWith(a, &http.Cookie{Name: "finder-device", Value: forged}, "192.0.2.1:1", "", "admin", password)
		require.ErrorAs(t, err, &locked, forged)
	}
	_, err = signInWith(a, device, "192.0.2.1:1", "", "admin", password)
	require.NoError(t, err)
}

func TestBasicAuthHasTheSameGuard(t *testing.T) {
	a := newAuth(t)
	room := a.Load(a.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }), "/door"))
	ask := func(user, password string) *http.Response {
		r := httptest.NewRequest(http.MethodGet, "/admin", nil)
		r.RemoteAddr = "192.0.2.1:1"
		if user != "" {
			r.SetBasicAuth(user, password)
		}
		w := httptest.NewRecorder()
		room.ServeHTTP(w, r)
		return w.Result()
	}
	stranger := ask("", "")
	require.Equal(t, http.StatusSeeOther, stranger.StatusCode)
	require.Equal(t, "/door", stranger.Header.Get("Location"))
	for range 3 {
		require.Equal(t, http.StatusTeapot, ask("admin", password).StatusCode)
	}
	require.Zero(t, a.Sessions.Len(), "programs get no session")
	wrong := ask("admin", "wrong")
	require.Equal(t, http.StatusUnauthorized, wrong.StatusCode)
	require.Contains(t, wrong.Header.Get("WWW-Authenticate"), "Basic ")
	require.Equal(t, http.StatusUnauthorized, ask("root", password).StatusCode)
	for range 3 {
		_, err := signIn(t, a, "192.0.2.1:1", "", "admin", "wrong")
		require.ErrorIs(t, err, auth.ErrWrong)
	}
	locked := ask("admin", password)
	require.Equal(t, http.StatusTooManyRequests, locked.StatusCode, "form and basic auth count together")
	require.NotEmpty(t, locked.Header.Get("Retry-After"))
}

func TestToLookIsNoUseOfASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuth(t)
		looks := func(cookie *http.Cookie) bool {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			if cookie != nil {
				r.AddCookie(cookie)
			}
			return a.Holds(r)
		}
		require.False(t, looks(nil))
		require.False(t, looks(&http.Cookie{Name: "finder", Value: "made up"}))
		cookie, err := signIn(t, a, "192.0.2.1:1", "", "admin", password)
		require.NoError(t, err)
		for range 59 {
			time.Sleep(time.Minute)
			require.True(t, looks(cookie))
		}
		time.Sleep(time.Minute + time.Second)
		require.False(t, looks(cookie), "the hour is over, though somebody looked all the time")
	})
}

// A session that is used lasts, but not for ever.
func TestASessionInUseEndsAfterTwelveTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuth(t)
		cookie, err := signIn(t, a, "192.0.2.1:1", "", "admin", password)
		require.NoError(t, err)
		uses := func() (in bool) {
			r := httptest.NewRequest(http.MethodGet, "/admin", nil)
			r.AddCookie(cookie)
			a.Load(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { in = a.SignedIn(r) })).ServeHTTP(httptest.NewRecorder(), r)
			return in
		}
		for range 11*2 + 1 {
			time.Sleep(30 * time.Minute)
			require.True(t, uses())
		}
		time.Sleep(31 * time.Minute)
		require.False(t, uses())
	})
}

func TestExplain(t *testing.T) {
	a := newAuth(t)
	for range 5 {
		_, _ = signIn(t, a, "192.0.2.1:1", "", "admin", "wrong")
	}
	e, err := a.Explain(netip.MustParseAddr("192.0.2.1"))
	require.NoError(t, err)
	require.Error(t, e.Err, "it is locked")
	require.Len(t, e.Charges, 5)
	require.Contains(t, e.String(), "192.0.2.1")
	e, err = a.Explain(netip.MustParseAddr("192.0.2.2"))
	require.NoError(t, err)
	require.NoError(t, e.Err)
}
