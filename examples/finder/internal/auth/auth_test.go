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

	"github.com/ministryfinder/bounded/examples/finder/internal/auth"
)

const password = "correct horse"

func newAuth(t *testing.T) *auth.Auth {
	a, err := auth.New(auth.Config{
		User: "admin", Password: password, Addresses: 1000, Cost: bcrypt.MinCost,
		Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
	})
	require.NoError(t, err)
	return a
}

// signIn signs in from an address, through the proxies named, and returns the session's cookie if there is one.
func signIn(t *testing.T, a *auth.Auth, from, forwarded, user, password string) (cookie *http.Cookie, err error) {
	r := httptest.NewRequest(http.MethodPost, "/admin/sign-in", nil)
	r.RemoteAddr = from
	if forwarded != "" {
		r.Header.Set("X-Forwarded-For", forwarded)
	}
	w := httptest.NewRecorder()
	a.Load(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { err = a.SignIn(r, user, password) })).ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		cookie = c
	}
	return cookie, err
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
		a.Load(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _ = a.SignIn(r, "admin", password) })).ServeHTTP(httptest.NewRecorder(), r)
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
