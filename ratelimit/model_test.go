package ratelimit

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A model remembers every charge of every source, network and account that was let in and not given back, for
// ever, and every lock-out.
type model struct {
	charges  map[any][]int64
	lockouts map[source]int64 // the latest end
}

func (m *model) add(key any, at int64) { m.charges[key] = append(m.charges[key], at) }

// take gives the charge back that was made at a time.
func (m *model) take(key any, at int64) {
	list := m.charges[key]
	for j, was := range list {
		if was == at {
			m.charges[key] = append(list[:j:j], list[j+1:]...)
			return
		}
	}
}

func (m *model) within(key any, now, span int64) (n int) {
	for _, at := range m.charges[key] {
		if at+span > now {
			n++
		}
	}
	return n
}

type networkKey struct {
	bits int
	of   uint64
}

type accountKey uint64

// Of trackers of all kinds none lets a source, a network or an account have more than it may, in the window and
// in the long one, whatever was evicted and whichever attempts end in whatever order, and no lock-out ends
// early: compared with a model that forgets nothing.
func TestNoTrackerLetsMoreInThanItMay(t *testing.T) {
	var all [3]int
	for seed := range uint64(40) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 77))
			pick := func(of ...int64) int64 { return of[r.IntN(len(of))] }
			c := Config{
				Failures:        int(pick(1, 2, 3, 5, 5, 6, 11, 64)),
				Window:          time.Duration(pick(1, 1000, 1e9, 20e9, 900e9, 901e9+7, 86400e9, 30*86400e9, 365*86400e9)),
				MaxAddresses:    int(pick(1, 2, 3, 5, 16, 30)),
				AccountFailures: int(pick(-1, 1, 3, 10, 255)),
			}
			c.LongWindow = c.Window * time.Duration(pick(1, 2, 90))
			if c.LongWindow > longest {
				c.LongWindow = c.Window
			}
			c.LongFailures = int(pick(-1, int64(c.Failures), int64(min(255, 3*c.Failures)), 255))
			c.Lockout = max(1, c.Window*time.Duration(pick(0, 1, 1, 4))/time.Duration(pick(1, 3)))
			c.MaxLockout = c.Lockout * time.Duration(pick(1, 5, 24))
			c.Lockout, c.MaxLockout = min(c.Lockout, longest), min(c.MaxLockout, longest)
			shards := int(pick(1, 2, 4))
			if r.IntN(2) == 0 {
				c.Prefixes = []PrefixLimit{{Bits: 60, Failures: 4 + r.IntN(60)}, {Bits: 56, Failures: 10 + r.IntN(240)}, {IPv4: true, Bits: 28, Failures: 3 + r.IntN(100)}}
			} else {
				c.Prefixes = []PrefixLimit{}
			}
			c = c.withDefaults()
			require.NoError(t, c.Validate())
			tr := newTracker(c, shards)
			m := &model{map[any][]int64{}, map[source]int64{}}
			type open struct {
				l  login
				id int64
			}
			var opens []open
			window := int64(c.Window)
			now := int64(1) + r.Int64N(int64(c.LongWindow)*2)
			step := max(1, window/pick(50, 300, 3000))
			networks := func(s source) (all []any, limits []int) {
				for _, p := range tr.shared.rule.tiers[s.family()] {
					all = append(all, networkKey{p.bits, uint64(s) >> p.shift})
					limits = append(limits, p.limit)
				}
				return all, limits
			}
			letIn, denied := 0, 0
			for n := 0; n < 6000 && now < int64(25*365*24*time.Hour); n++ {
				now += r.Int64N(2*step + 1)
				if r.IntN(800) == 0 {
					now += r.Int64N(3 * window)
				}
				var l login
				s := newSource(uint64(r.IntN(40))*uint64(pick(1, 1, 9)), family(r.IntN(2)))
				if r.IntN(3) == 0 {
					s = newSource(3, family(r.IntN(2)))
				}
				tr.shared.name(&l, s)
				if r.IntN(2) == 0 {
					l.account = tr.shared.hash(source(r.IntN(4))) | 1
				}
				sh := tr.shardOf(s)
				sh.mu.Lock()
				var id int64
				var v verdict
				for {
					i, ok := sh.find(l.hash, s)
					id, _, v = sh.charge(&l, i, ok, now)
					if v.kind != noRoom {
						break
					}
					tr.makeRoom(sh, s.family(), now)
				}
				if v.kind != allowed {
					require.Greater(t, v.until, now, "attempt %d %v", n, v)
					denied++
				} else if id < 0 {
					opens = append(opens, open{l, id})
				} else {
					letIn++
					require.GreaterOrEqual(t, now, m.lockouts[s], "attempt %d: locked out until then", n)
					require.Less(t, m.within(s, id, window), c.Failures, "attempt %d of %v: %d %v, now %d", n, s.prefix(), id, m.charges[s], now)
					m.add(s, id)
					all, limits := networks(s)
					for k, key := range all {
						require.Less(t, m.within(key, id, window), limits[k], "attempt %d: %v", n, key)
						m.add(key, id)
					}
					if l.account != 0 && c.AccountFailures > 0 {
						m.add(accountKey(l.account), id)
						if _, known := tr.shared.accounts.known.find(&l); known == nil {
							was := m.charges[accountKey(l.account)]
							pace := window / int64(c.AccountFailures)
							if m.within(accountKey(l.account), id, window) > c.AccountFailures && len(was) > 1 {
								require.GreaterOrEqual(t, id-was[len(was)-2], pace, "attempt %d %v %v", n, was, id)
							}
						}
					}
					opens = append(opens, open{l, id})
				}
				for len(opens) > 0 && r.IntN(3) > 0 {
					k := r.IntN(len(opens))
					o := opens[k]
					if r.IntN(12) > 0 {
						opens[k] = opens[len(opens)-1]
						opens = opens[:len(opens)-1]
					}
					how := failed
					if r.IntN(6) == 0 {
						how = outcome(r.IntN(3))
					}
					from := tr.shardOf(o.l.source)
					if from != sh {
						sh.mu.Unlock()
						from.mu.Lock()
						sh = from
					}
					if how != failed && o.id > 0 {
						i, j, ok := from.entryOf(&o.l, o.id)
						if ok {
							gone := []int64{o.id}
							if how == succeeded && o.l.account != 0 {
								var near [nearCharges]int64
								for k, at := range from.stampsOf(i, &near) {
									if k != j && k < int(from.pool.entries[i].own) && from.openOf(i)>>k&1 == 0 && from.marksOf(i)[k].account() == o.l.mark().account() {
										gone = append(gone, at)
									}
								}
							}
							all, _ := networks(o.l.source)
							for _, at := range gone {
								m.take(o.l.source, at)
								for _, key := range all {
									m.take(key, at)
								}
								m.take(accountKey(o.l.account), at)
							}
						}
					}
					lockouts := from.counts.lockouts
					if i, ok := from.find(o.l.hash, o.l.source); !ok || how != failed || !from.confirm(i, o.l.source, o.id) {
						from.settle(&o.l, o.id, how, now)
					}
					if from.counts.lockouts > lockouts {
						i, ok := from.find(o.l.hash, o.l.source)
						require.True(t, ok)
						m.lockouts[o.l.source] = max(m.lockouts[o.l.source], from.pool.entries[i].lockedUntil)
						require.GreaterOrEqual(t, m.within(o.l.source, now, window), c.Failures, "nobody is locked for what others did")
					}
				}
				sh.mu.Unlock()
				if r.IntN(300) == 0 {
					clockwork{tr}.sweep(now)
				}
				if n%500 == 0 {
					checkInvariants(t, tr)
				}
			}
			checkInvariants(t, tr)
			all[0], all[1], all[2] = all[0]+letIn, all[1]+denied, all[2]+int(tr.Stats().EvictedLive)
		})
	}
	for _, n := range all {
		require.Greater(t, n, 10_000, "let in, denied and evicted: %v", all)
	}
}
