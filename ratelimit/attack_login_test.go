package ratelimit_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/ratelimit"
)

// login fails to log in, and returns the error of BeginLogin.
func login(tracker *ratelimit.Tracker, l ratelimit.Login) error {
	a, err := tracker.BeginLogin(l)
	if err == nil {
		a.Fail()
	}
	return err
}

// event returns the event that has waited longest. There must be one.
func event(t *testing.T, tracker *ratelimit.Tracker) ratelimit.Event {
	t.Helper()
	require.NotZero(t, len(tracker.Events()), "no event waits")
	return <-tracker.Events()
}

// Who has logged in from an address, or with a device, before, gets in though a neighbour has locked the address.
func TestAttack12LockingTheNeighbours(t *testing.T) {
	under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) {
		home := ratelimit.Login{Addr: alice, Account: "alice"}
		a, err := tracker.BeginLogin(home)
		require.NoError(t, err)
		a.Succeed()
		phone := ratelimit.Login{Addr: netip.MustParseAddr("198.51.100.1"), Account: "alice", Device: "phone"}
		a, err = tracker.BeginLogin(phone)
		require.NoError(t, err)
		a.Succeed()

		for range 5 {
			require.NoError(t, login(tracker, ratelimit.Login{Addr: alice, Account: "mallory"}))
		}
		require.ErrorAs(t, tracker.Check(alice), new(*ratelimit.LockedError))
		require.Error(t, login(tracker, ratelimit.Login{Addr: alice, Account: "bob"}), "a stranger")
		a, err = tracker.BeginLogin(home)
		require.NoError(t, err)
		a.Succeed()
		cafe := netip.MustParseAddr("203.0.113.5")
		for range 5 {
			require.NoError(t, login(tracker, ratelimit.Login{Addr: cafe, Account: "mallory"}))
		}
		require.Error(t, login(tracker, ratelimit.Login{Addr: cafe, Account: "alice"}), "where she has never been, without her phone")
		a, err = tracker.BeginLogin(ratelimit.Login{Addr: cafe, Account: "alice", Device: "phone"})
		require.NoError(t, err)
		a.Succeed()
		in := 0
		for range 50 {
			if login(tracker, home) == nil {
				in++
			}
		}
		require.LessOrEqual(t, in, 5, "even that has a budget")
	})
}

// A thousand addresses that fail on one account slow strangers and not its owner, and lock nobody.
func TestAttack13LockingTheOwnerOut(t *testing.T) {
	under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) {
		owner := ratelimit.Login{Addr: alice, Account: "alice"}
		a, err := tracker.BeginLogin(owner)
		require.NoError(t, err)
		a.Succeed()
		in := 0
		for i := range uint32(1000) {
			if login(tracker, ratelimit.Login{Addr: addr4(i + 1<<30), Account: "alice"}) == nil {
				in++
			}
		}
		require.LessOrEqual(t, in, 11)
		a, err = tracker.BeginLogin(owner)
		require.NoError(t, err)
		a.Succeed()
		require.Zero(t, tracker.Stats().Lockouts)
		var busy *ratelimit.BusyError
		stranger := ratelimit.Login{Addr: addr4(7), Account: "alice"}
		require.ErrorAs(t, login(tracker, stranger), &busy)
		require.Equal(t, ratelimit.TooManyForAccount, busy.Reason())
		require.LessOrEqual(t, busy.RetryAfter(), 93*time.Second, "slowed, not locked")
		for busy.RetryAfter() > 3*time.Second { // it is rounded up by up to two
			time.Sleep(time.Second)
			require.Error(t, login(tracker, ratelimit.Login{Addr: addr4(8), Account: "alice"}), "which makes nobody wait longer")
		}
		time.Sleep(busy.RetryAfter())
		require.NoError(t, login(tracker, stranger))
	})
}

// Ten thousand addresses with one failure each slow the account that they all try, and raise one alarm.
func TestAttack17DistributedStuffing(t *testing.T) {
	under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) {
		alarms := func(from uint32) (n int) {
			for i := range uint32(10_000) {
				_ = login(tracker, ratelimit.Login{Addr: addr4(i + from), Account: fmt.Sprint("user ", i)})
			}
			for len(tracker.Events()) > 0 {
				if (<-tracker.Events()).Kind == ratelimit.Alarm {
					n++
				}
			}
			return n
		}
		require.Equal(t, 1, alarms(1<<30))
		require.Zero(t, tracker.Stats().Lockouts)
		time.Sleep(15 * time.Minute)
		require.Zero(t, alarms(1<<31), "it goes on, which is no news")
	})
	under(t, ratelimit.Config{AlarmFailures: -1, Prefixes: []ratelimit.PrefixLimit{}}, func(t *testing.T, tracker *ratelimit.Tracker) {
		for i := range uint32(10_000) {
			_ = login(tracker, ratelimit.Login{Addr: addr4(i + 1<<30), Account: "alice"})
		}
		require.Equal(t, ratelimit.AccountSlowed, event(t, tracker).Kind)
		require.NotZero(t, tracker.Stats().DeniedAccount)
	})
}

// Whoever tries five accounts from one address is told by the event from somebody who forgot a password.
func TestAttack18Spraying(t *testing.T) {
	under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) {
		for i := range 5 {
			require.NoError(t, login(tracker, ratelimit.Login{Addr: alice, Account: fmt.Sprint("user ", i)}))
		}
		e := event(t, tracker)
		require.Equal(t, ratelimit.LockedOut, e.Kind)
		require.Equal(t, 5, e.Accounts)
		bob := netip.MustParseAddr("192.0.2.2")
		for range 5 {
			require.NoError(t, login(tracker, ratelimit.Login{Addr: bob, Account: "bob"}))
		}
		require.Equal(t, 1, event(t, tracker).Accounts)
		carol := netip.MustParseAddr("192.0.2.3")
		for i := range 5 { // with one password
			require.NoError(t, login(tracker, ratelimit.Login{Addr: carol, Account: fmt.Sprint("user ", i), Secret: "123456"}))
		}
		require.ErrorAs(t, tracker.Check(carol), new(*ratelimit.LockedError))
	})
}

// Logging in to an account of one's own forgives no failure on another's, and those on one's own.
func TestAttack19SuccessResets(t *testing.T) {
	under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) {
		in := 0
		for range 10 {
			for range 4 {
				if login(tracker, ratelimit.Login{Addr: alice, Account: "victim"}) == nil {
					in++
				}
			}
			if a, err := tracker.BeginLogin(ratelimit.Login{Addr: alice, Account: "mallory"}); err == nil {
				a.Succeed()
			}
		}
		require.Equal(t, 5, in)
	})
	under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) {
		for range 2 {
			require.NoError(t, login(tracker, ratelimit.Login{Addr: alice, Account: "victim"}))
			require.NoError(t, login(tracker, ratelimit.Login{Addr: alice, Account: "mallory"}))
		}
		a, err := tracker.BeginLogin(ratelimit.Login{Addr: alice, Account: "mallory"})
		require.NoError(t, err)
		a.Succeed()
		r, _ := tracker.Lookup(alice)
		require.Equal(t, 2, r.Failures)
	})
}

// A mail program that knocks with an old password counts once.
func TestAttack20StalePassword(t *testing.T) {
	under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) {
		for range 50 {
			require.NoError(t, login(tracker, ratelimit.Login{Addr: alice, Account: "alice", Secret: "old"}))
			time.Sleep(time.Second)
		}
		r, _ := tracker.Lookup(alice)
		require.Equal(t, 1, r.Failures)
		require.EqualValues(t, 49, tracker.Stats().Repeated)
		guesses := 0
		for ; tracker.Check(alice) == nil && guesses < 7; guesses++ { // chance may take one for another
			require.NoError(t, login(tracker, ratelimit.Login{Addr: alice, Account: "alice", Secret: fmt.Sprint("guess ", guesses)}))
		}
		require.ErrorAs(t, tracker.Check(alice), new(*ratelimit.LockedError))
		require.GreaterOrEqual(t, guesses, 4)
	})
	under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) {
		var both [2]ratelimit.Attempt
		for n := range both {
			a, err := tracker.BeginLogin(ratelimit.Login{Addr: alice, Account: "alice", Secret: "guess"})
			require.NoError(t, err)
			both[n] = a
		}
		both[0].Fail()
		both[1].Cancel()
		r, _ := tracker.Lookup(alice)
		require.Equal(t, 1, r.Failures, "it repeats none that nobody has decided")
	})
}

// An account has one budget whatever is known of the client; none is not an account, and one that does not
// exist counts.
func TestAttack23Aliases(t *testing.T) {
	under(t, ratelimit.Config{Prefixes: []ratelimit.PrefixLimit{}}, func(t *testing.T, tracker *ratelimit.Tracker) {
		for i := range uint32(100) {
			_ = login(tracker, ratelimit.Login{Addr: addr4(i + 1<<30)})
		}
		require.Zero(t, tracker.Stats().DeniedAccount, "no account is not an account")
		for i := range uint32(20) {
			_ = login(tracker, ratelimit.Login{
				Addr: addr4(i + 1<<31), Account: "nobody by that name", Device: fmt.Sprint("device ", i), Secret: fmt.Sprint("guess ", i),
			})
		}
		require.NotZero(t, tracker.Stats().DeniedAccount, "one that stands for nothing counts all the same")
		require.NoError(t, login(tracker, ratelimit.Login{Addr: alice, Account: "another"}))
	})
}

// What is put together is not the same because its text is.
func TestAttack24AmbiguousKeys(t *testing.T) {
	under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) {
		a, err := tracker.BeginLogin(ratelimit.Login{Addr: alice, Account: "a|b", Device: "c"})
		require.NoError(t, err)
		a.Succeed()
		bob := netip.MustParseAddr("192.0.2.2")
		fail(t, tracker, bob, 5)
		for _, l := range []ratelimit.Login{
			{Account: "a", Device: "b|c"}, {Account: "a|", Device: "bc"}, {Account: "a|bc"}, {Device: "a|bc"}, {Account: "another", Device: "c"},
		} {
			l.Addr = bob
			require.Error(t, login(tracker, l), "%+v", l)
		}
		require.NoError(t, login(tracker, ratelimit.Login{Addr: bob, Account: "a|b", Device: "c"}))
	})
}

// Names of a megabyte and headers of ten thousand hops take no memory that stays, and are looked at to a bound.
func TestAttack26GiantKeys(t *testing.T) {
	tracker := newTracker(t, ratelimit.Config{Prefixes: []ratelimit.PrefixLimit{}})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range uint32(200) {
		name := fmt.Sprint(i) + strings.Repeat("x", 1<<20)
		_ = login(tracker, ratelimit.Login{Addr: addr4(i + 1<<30), Account: name, Device: name, Secret: name})
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(1<<20))
	_, err := ratelimit.ClientIP(request("10.0.0.1:9", http.Header{"X-Forwarded-For": {strings.Repeat("10.0.0.2, ", 10_000) + "10.0.0.3"}}), proxies)
	require.ErrorIs(t, err, ratelimit.ErrForwarding)
	_, err = ratelimit.ClientIP(request("10.0.0.1:9", http.Header{"X-Forwarded-For": {strings.Repeat("x", 1<<20)}}), proxies)
	require.ErrorIs(t, err, ratelimit.ErrForwarding)
	require.Less(t, len(err.Error()), 500)
}

// A process that is killed right after a lock-out has it when it starts again. See TestMain.
func TestAttack28CrashToForget(t *testing.T) {
	name := filepath.Join(t.TempDir(), "attempts")
	dies := exec.Command(os.Args[0])
	dies.Env = append(os.Environ(), "RATELIMIT_TEST_DIES="+name)
	out, err := dies.CombinedOutput()
	require.Error(t, err, "it was to be killed: %s", out)
	tracker := newTracker(t, ratelimit.Config{})
	openJournal(t, tracker, name)
	require.ErrorAs(t, tracker.Check(alice), new(*ratelimit.LockedError))

	whole, err := os.ReadFile(name)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(name, append(whole, whole[len(whole)-7:]...), 0o600)) // torn
	tracker = newTracker(t, ratelimit.Config{})
	openJournal(t, tracker, name)
	require.ErrorAs(t, tracker.Check(alice), new(*ratelimit.LockedError))

	require.NoError(t, tracker.LockNow(addr4(1), time.Hour))
	whole, err = os.ReadFile(name)
	require.NoError(t, err)
	require.NoError(t, tracker.LockNow(addr4(2), time.Hour))
	longer, err := os.ReadFile(name)
	require.NoError(t, err)
	tracker = newTracker(t, ratelimit.Config{})
	for at := range whole { // a bit of all but the last record, which could be a torn one
		corrupt := bytes.Clone(longer)
		corrupt[at] ^= 1
		require.NoError(t, os.WriteFile(name, corrupt, 0o600))
		_, err = tracker.OpenJournal(name, ratelimit.JournalConfig{})
		require.ErrorIs(t, err, ratelimit.ErrCorrupt, "byte %d: closed, unless told otherwise", at)
	}
	_, err = tracker.OpenJournal(name, ratelimit.JournalConfig{Anew: true})
	require.NoError(t, err)
	require.Equal(t, ratelimit.JournalCorrupt, event(t, tracker).Kind)
}

// What a visitor types comes into no event, error or figure; what is logged of one is one line.
func TestAttack33LogInjection(t *testing.T) {
	under(t, ratelimit.Config{AccountFailures: 1, Prefixes: []ratelimit.PrefixLimit{}}, func(t *testing.T, tracker *ratelimit.Tracker) {
		const evil = "alice\nlevel=ERROR msg=\"login from 10.0.0.1\"\x1b[31m"
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, nil))
		for i := range uint32(3) {
			if err := login(tracker, ratelimit.Login{Addr: addr4(i + 1<<30), Account: evil}); err != nil {
				logger.Warn("denied", "error", err)
			}
		}
		logger.Warn("event", "event", fmt.Sprintf("%+v", event(t, tracker)))
		require.NotContains(t, log.String(), "10.0.0.1")
		require.NotContains(t, log.String(), "alice")
		require.Equal(t, 3, strings.Count(log.String(), "\n"))
		require.NotContains(t, tracker.Stats().String(), "alice")
	})
}

// Two doors with one tracker are one door.
func TestAttack36SecondEntrance(t *testing.T) {
	under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) {
		form := tracker.Middleware(answer, ratelimit.MiddlewareConfig{})
		basic := tracker.Middleware(answer, ratelimit.MiddlewareConfig{Attempt: func(*http.Request) bool { return true }})
		for _, door := range []http.Handler{form, basic, form, basic, form} {
			require.Equal(t, http.StatusUnauthorized, post(door, "192.0.2.1:1", "/wrong").Code)
		}
		require.Equal(t, http.StatusTooManyRequests, post(form, "192.0.2.1:1", "/right").Code)
		require.Equal(t, http.StatusTooManyRequests, post(basic, "192.0.2.1:1", "/right").Code)
	})
}

// A denial because of the account is, byte for byte, the answer to a wrong password.
func TestAttack37AccountOracle(t *testing.T) {
	under(t, ratelimit.Config{AccountFailures: 1, Prefixes: []ratelimit.PrefixLimit{}}, func(t *testing.T, tracker *ratelimit.Tracker) {
		wrong := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, "Name or password is wrong.")
		})
		entered := 0
		next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { entered++; wrong(w, r) })
		h := tracker.Middleware(next, ratelimit.MiddlewareConfig{
			Account: func(r *http.Request) string { return r.URL.Query().Get("user") }, WrongPassword: wrong,
		})
		try := func(i uint32) *httptest.ResponseRecorder {
			return post(h, netip.AddrPortFrom(addr4(i+1<<30), 1).String(), "/?user=alice")
		}
		first, denied := try(0), try(1)
		require.Equal(t, 1, entered, "the second was denied")
		require.Equal(t, first.Code, denied.Code)
		require.Equal(t, first.Header(), denied.Header())
		require.Equal(t, first.Body.String(), denied.Body.String())
	})
}
