package ratelimit

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// checkInvariants walks all tables of a tracker, of which nobody may hold a lock.
func checkInvariants(t *testing.T, tracker *Tracker) {
	t.Helper()
	p := &tracker.shared.pool
	owned := make([]bool, len(p.entries))
	own := func(i uint32) {
		require.False(t, owned[i], "slot %d is twice in use", i)
		owned[i] = true
	}
	var len [families]int
	for n := range tracker.shards {
		sh := &tracker.shards[n]
		sh.mu.Lock()
		inIndex := 0
		sh.each(0, 1<<30, func(i uint32) {
			own(i)
			inIndex++
			e := &sh.pool.entries[i]
			len[e.source.family()]++
			require.Same(t, sh, tracker.shardOf(e.source))
			at, ok := sh.find(sh.hash(e.source), e.source)
			require.True(t, ok)
			require.Equal(t, i, at)
			stamps := sh.stampsOf(i, new([nearCharges]int64))
			require.Equal(t, e.newest, stamps[0])
			for j := 1; j < sh.rule.failures; j++ {
				require.True(t, stamps[j] <= stamps[j-1], "charges are newest first")
			}
			require.Zero(t, sh.openOf(i)>>e.own, "an open charge is no other's")
		})
		inLists := 0
		for f := range sh.levels {
			for level, list := range sh.levels[f] {
				last := uint32(0)
				for i := list.head; i != 0; i = sh.pool.links[i-1].next {
					require.EqualValues(t, level, sh.pool.entries[i-1].level)
					require.EqualValues(t, f, sh.pool.entries[i-1].source.family())
					require.Equal(t, last, sh.pool.links[i-1].prev)
					last = i
					inLists++
				}
				require.Equal(t, last, list.tail)
			}
		}
		require.Equal(t, inIndex, inLists)
		sh.mu.Unlock()
	}
	require.Equal(t, p.len(), len)
	require.LessOrEqual(t, len[ipv4]+len[ipv6], tracker.shared.rule.addresses)
	for i := p.free; i != 0; i = p.links[i-1].next {
		own(i - 1)
		require.Zero(t, p.entries[i-1])
	}
	for i := range p.entries {
		require.Equal(t, i < int(p.next), owned[i], "slot %d is lost", i)
	}
}

// A reference remembers every allowed charge of every source for ever.
type reference map[source][]int64

// inWindow returns how many charges of a source there are in the window before now.
func (r reference) inWindow(s source, now, window int64) (n int) {
	for _, at := range r[s] {
		if at+window > now {
			n++
		}
	}
	return n
}

// A clockwork is a tracker whose time is an argument.
type clockwork struct{ *Tracker }

func (c clockwork) charge(s source, now int64) (id int64, v verdict) {
	var l login
	c.shared.name(&l, s)
	sh := c.shardOf(s)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for {
		i, ok := sh.find(l.hash, s)
		id, _, v := sh.charge(&l, i, ok, now)
		if v.kind != noRoom {
			return id, v
		}
		c.makeRoom(sh, s.family(), now)
	}
}

func (c clockwork) settle(s source, id int64, how outcome, now int64) {
	var l login
	c.shared.name(&l, s)
	sh := c.shardOf(s)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if i, ok := sh.find(l.hash, s); !ok || how != failed || !sh.confirm(i, s, id) {
		sh.settle(&l, id, how, now)
	}
}

func (c clockwork) sweep(now int64) {
	c.inChunks(func(sh *shard, from, to int) { sh.sweep(from, to, now) })
}

// Whatever floods the table, nobody gets a sixth charge in a window: compared with
// a reference that forgets nothing.
func TestNoFloodBuysASixthFailure(t *testing.T) {
	for _, attack := range []string{"random", "drip-and-flush", "lock-and-flush"} {
		for seed := range uint64(4) {
			t.Run(fmt.Sprintf("%s/seed=%d", attack, seed), func(t *testing.T) {
				window := [...]time.Duration{15 * time.Minute, 15 * time.Minute, 24 * time.Hour, 200 * time.Microsecond}[seed]
				tb := clockwork{newTracker(Config{MaxAddresses: 20 + int(seed)*30, Window: window, LongWindow: max(window, 24*time.Hour)}.withDefaults(), 1<<seed)}
				r := rand.New(rand.NewPCG(seed, 1))
				made := reference{}
				type open struct {
					s source
					c int64
				}
				var pending []open
				now := int64(1)
				step := int64(window) / 4000
				for n := range 40_000 {
					now += r.Int64N(2 * step)
					s := newSource(uint64(r.IntN(2000)), family(r.IntN(2)))
					switch attack {
					case "drip-and-flush":
						if n%400 < 40 {
							s = newSource(1<<20, ipv4) // the attacker's own address, between floods
						}
					case "lock-and-flush":
						s = newSource(uint64(n/7)%3000, s.family())
					}
					c, v := tb.charge(s, now)
					if v.kind == allowed {
						require.Less(t, made.inWindow(s, c, tb.shared.rule.window), tb.shared.rule.failures, "charge %d", n)
						made[s] = append(made[s], c)
						pending = append(pending, open{s, c})
					}
					for len(pending) > 0 && r.IntN(3) > 0 {
						k := r.IntN(len(pending))
						p := pending[k]
						pending[k] = pending[len(pending)-1]
						pending = pending[:len(pending)-1]
						if r.IntN(10) > 0 {
							tb.settle(p.s, p.c, failed, now)
							continue
						}
						tb.settle(p.s, p.c, succeeded, now) // the charge is given back
						for j, at := range made[p.s] {
							if at == p.c {
								made[p.s] = append(made[p.s][:j:j], made[p.s][j+1:]...)
								break
							}
						}
					}
					switch r.IntN(2000) {
					case 0:
						tb.sweep(now)
					case 1:
						checkInvariants(t, tb.Tracker)
					}
				}
				checkInvariants(t, tb.Tracker)
				require.NotZero(t, tb.Stats().Evicted, "the flood must have made the table forget")
			})
		}
	}
}

// FuzzTable turns bytes into operations and compares with the reference.
func FuzzTable(f *testing.F) {
	f.Add([]byte("0123456789abcdefghijklmnopqrstuvwxyz"))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 1, 1, 1})
	f.Fuzz(func(t *testing.T, ops []byte) {
		tb := clockwork{newTracker(Config{Failures: 2, MaxAddresses: 3, Window: 100 * time.Second, Lockout: 200 * time.Second, MaxLockout: 900 * time.Second}.withDefaults(), 2)}
		made := reference{}
		now := int64(1)
		type open struct {
			s source
			c int64
		}
		var opens []open
		for _, op := range ops {
			s := newSource(uint64(op>>4&7), family(op>>7))
			now += int64(op&3) * int64(13*time.Second)
			switch op >> 2 & 3 {
			case 0, 1:
				c, v := tb.charge(s, now)
				if v.kind != allowed {
					require.Greater(t, v.until, now)
					break
				}
				require.Less(t, made.inWindow(s, c, int64(100*time.Second)), 2)
				made[s] = append(made[s], c)
				opens = append(opens, open{s, c})
			case 2:
				if len(opens) > 0 {
					o := opens[0]
					opens = opens[1:]
					tb.settle(o.s, o.c, failed, now)
				}
			case 3:
				tb.sweep(now)
			}
			checkInvariants(t, tb.Tracker)
		}
	})
}

func TestWithoutTakesABitOut(t *testing.T) {
	require.EqualValues(t, 0b1011, without(0b10011, 2))
	require.EqualValues(t, 0b1001, without(0b10011, 1))
	require.EqualValues(t, 0b0011, without(0b10011, 4))
	require.EqualValues(t, uint64(1<<62-1), without(1<<63-1, 31))
}
