package ratelimit_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/ratelimit"
)

// Five thousand strangers who fail once, each from another address and network and at another account, at once
// in window after window, deny less than one newcomer in a hundred: neither the sketch of sources does, nor
// those of networks and accounts.
func TestCrowdsDenyNoNewcomers(t *testing.T) {
	if ratelimit.RaceDetector {
		t.Skip("one goroutine alone")
	}
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

// The windows of the alarm are a second long, where those of sources are shorter: their numbers never begin again.
func TestTheAlarmCountsForASecond(t *testing.T) {
	under(t, ratelimit.Config{Window: time.Microsecond, AlarmFailures: 5}, func(t *testing.T, tracker *ratelimit.Tracker) {
		for range 3 {
			for n := range 5 {
				require.Len(t, tracker.Events(), 0, n)
				require.NoError(t, tracker.Fail(addr4(uint32(n))))
				time.Sleep(100 * time.Millisecond)
			}
			require.Equal(t, ratelimit.Alarm, event(t, tracker).Kind)
			time.Sleep(50*time.Minute - 500*time.Millisecond)
		}
	})
}

// A crowd that fills networks and accounts, as many as it can, denies hardly one newcomer in a hundred who is
// in none of them.
func TestCrowdsThatFillNetworksDenyNoOthers(t *testing.T) {
	if ratelimit.RaceDetector {
		t.Skip("one goroutine alone")
	}
	for name, in := range map[string]struct{ bits, networks, accounts int }{
		"63 /48":             {48, 63, 5000}, // each is full
		"125 /48":            {48, 125, 5000},
		"250 /48":            {48, 250, 5000},
		"250 /56":            {56, 250, 5000}, // each is full
		"everywhere, 700 of": {64, 5000, 700},
	} {
		t.Run(name, func(t *testing.T) {
			denied, who := 0, uint64(0)
			for tracked := range 12 {
				under(t, ratelimit.Config{}, func(t *testing.T, tracker *ratelimit.Tracker) {
					r := rand.New(rand.NewPCG(uint64(tracked), uint64(in.networks)))
					random := func() uint64 { return 0x2000<<48 | r.Uint64()>>3 }
					login := func(upper uint64, account int) error {
						var addr [16]byte
						binary.BigEndian.PutUint64(addr[:], upper)
						return login(tracker, ratelimit.Login{Addr: netip.AddrFrom16(addr), Account: fmt.Sprint("user ", account)})
					}
					networks := make([]uint64, in.networks)
					for i := range networks {
						if networks[i] = random(); in.bits == 56 && i%4 > 0 { // four of them in a /48
							networks[i] = networks[i-i%4]&^0xffff | uint64(i)<<8&0xff00
						}
					}
					for range 3 {
						time.Sleep(15 * time.Minute)
						for i := range 5000 {
							mask := uint64(1)<<(64-in.bits) - 1
							_ = login(networks[i%in.networks]&^mask|r.Uint64()&mask, i%in.accounts)
						}
					}
					for range 150 {
						who++
						if login(random(), 10_000+int(who)) != nil {
							denied++
						}
					}
				})
			}

			require.Less(t, denied, 30, "of 1,800: ten are usual, and chance may double that; without the filter of lines it is 200 and more")
		})
	}
}
