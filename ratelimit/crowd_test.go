package ratelimit_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/ratelimit"
)

// Five thousand strangers who fail once, each from another address and network and at another account, at once in window after
// window, deny less than one newcomer in a hundred: neither the sketch of sources does, nor those of networks and accounts.
func TestCrowdsDenyNoNewcomers(t *testing.T) {
	everywhere := random6(7, "2000::/3")
	for name, addr := range map[string]func(int) netip.Addr{
		"ipv4": func(i int) netip.Addr { return addr4(uint32(i)*2654435761>>1 + 1<<24) },
		"ipv6": everywhere,
	} {
		t.Run(name, func(t *testing.T) {
			denied, who := 0, 0
			crowd := func(t *testing.T, tracker *ratelimit.Tracker) {
				next := func() ratelimit.Login {
					who++
					return ratelimit.Login{Addr: addr(who), Account: fmt.Sprint("user ", who)}
				}
				for range 6 {
					time.Sleep(15 * time.Minute)
					for range 5000 {
						_ = login(tracker, next())
					}
				}
				require.Zero(t, tracker.Stats().Lockouts)
				for range 1000 {
					a, err := tracker.BeginLogin(next())
					if err != nil {
						denied++
					}
					a.Cancel()
				}
			}
			for range 5 { // one tracker alone may draw keys by which it is twice as many
				under(t, ratelimit.Config{}, crowd)
			}
			require.Less(t, denied, 50, "of 5,000")
		})
	}
}

// The alarm comes an eighth late at the most, and not early, wherever the failures are from.
func TestTheAlarmIsAnEighthLateAtTheMost(t *testing.T) {
	for _, limit := range []int{1, 7, 100, 1000, 5000} {
		for _, addresses := range []int{1000, 20_000} {
			under(t, ratelimit.Config{AlarmFailures: limit, MaxAddresses: addresses, LongFailures: -1, Prefixes: []ratelimit.PrefixLimit{}}, func(t *testing.T, tracker *ratelimit.Tracker) {
				addr := random6(uint64(limit), "2000::/3")
				for failures := 1; ; failures++ {
					require.NoError(t, tracker.Fail(addr(failures)))
					require.LessOrEqual(t, failures, limit+limit/8, "%d addresses", addresses)
					if len(tracker.Events()) > 0 {
						require.Equal(t, ratelimit.Alarm, (<-tracker.Events()).Kind)
						require.GreaterOrEqual(t, failures, limit)
						return
					}
				}
			})
		}
	}
}
