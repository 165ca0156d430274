package ratelimit

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// checkInvariants walks the whole table.
func checkInvariants(t *testing.T, tb *table) {
	t.Helper()
	used, inLists := 0, 0
	for i := range tb.entries {
		e := &tb.entries[i]
		if !e.used {
			continue
		}
		used++
		at, ok := tb.find(tb.hash(e.source), e.source)
		require.True(t, ok)
		require.EqualValues(t, i, at)
		stamps := tb.stampsOf(uint32(i))
		for j := 1; j < len(stamps); j++ {
			require.True(t, stamps[j] <= stamps[j-1], "charges are newest first")
		}
		require.Zero(t, e.open&e.inherited)
	}
	var kinLen int
	for f := range tb.family {
		k := &tb.family[f]
		kinLen += k.len
		for level := range k.levels {
			for i := k.levels[level].head; i != 0; i = tb.entries[i-1].next {
				require.EqualValues(t, level, tb.entries[i-1].level)
				require.EqualValues(t, f, tb.entries[i-1].source.family)
				inLists++
			}
		}
	}
	require.Equal(t, tb.len, used)
	require.Equal(t, tb.len, inLists)
	require.Equal(t, tb.len, kinLen)
	require.Equal(t, tb.len, tb.index.len)
	require.LessOrEqual(t, tb.len, tb.rule.addresses)
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

func loginOf(tb *table, s source) *login { return &login{source: s, hash: tb.hash(s)} }

// Whatever floods the table, nobody gets a sixth charge in a window: compared with
// a reference that forgets nothing.
func TestNoFloodBuysASixthFailure(t *testing.T) {
	for _, attack := range []string{"random", "drip-and-flush", "lock-and-flush"} {
		for seed := range uint64(4) {
			t.Run(fmt.Sprintf("%s/seed=%d", attack, seed), func(t *testing.T) {
				config := Config{MaxAddresses: 20 + int(seed)*30}
				tb := newTable(config.withDefaults())
				r := rand.New(rand.NewPCG(seed, 1))
				made := reference{}
				type open struct {
					s source
					c charged
				}
				var pending []open
				now := int64(1)
				step := int64(15*time.Minute) / 4000
				evicted := uint64(0)
				for n := range 40_000 {
					now += r.Int64N(2 * step)
					s := source{bits: uint64(r.IntN(2000)), family: family(r.IntN(2))}
					switch attack {
					case "drip-and-flush":
						if n%400 < 40 {
							s = source{bits: 1 << 20, family: ipv4} // the attacker's own address, between floods
						}
					case "lock-and-flush":
						s.bits = uint64(n/7) % 3000
					}
					c, v := tb.charge(loginOf(&tb, s), now)
					if v.kind == allowed {
						require.Less(t, made.inWindow(s, c.id, tb.rule.window), tb.rule.failures, "charge %d", n)
						made[s] = append(made[s], c.id)
						pending = append(pending, open{s, c})
					}
					for len(pending) > 0 && r.IntN(3) > 0 {
						k := r.IntN(len(pending))
						p := pending[k]
						pending[k] = pending[len(pending)-1]
						pending = pending[:len(pending)-1]
						if r.IntN(10) > 0 {
							tb.settle(loginOf(&tb, p.s), p.c, failed, now)
							continue
						}
						tb.settle(loginOf(&tb, p.s), p.c, succeeded, now) // the charge is given back
						for j, at := range made[p.s] {
							if at == p.c.id {
								made[p.s] = append(made[p.s][:j:j], made[p.s][j+1:]...)
								break
							}
						}
					}
					switch r.IntN(2000) {
					case 0:
						tb.sweep(0, len(tb.entries), now)
					case 1:
						checkInvariants(t, &tb)
					}
					evicted = tb.counts.evicted
				}
				checkInvariants(t, &tb)
				require.NotZero(t, evicted, "the flood must have made the table forget")
			})
		}
	}
}

// FuzzTable turns bytes into operations and compares with the reference.
func FuzzTable(f *testing.F) {
	f.Add([]byte("0123456789abcdefghijklmnopqrstuvwxyz"))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 1, 1, 1})
	f.Fuzz(func(t *testing.T, ops []byte) {
		tb := newTable(Config{Failures: 2, MaxAddresses: 3, Window: 100, Lockout: 200, MaxLockout: 900}.withDefaults())
		made := reference{}
		now := int64(1)
		type open struct {
			s source
			c charged
		}
		var opens []open
		for _, op := range ops {
			s := source{bits: uint64(op >> 4 & 7), family: family(op >> 7)}
			now += int64(op&3) * 13
			switch op >> 2 & 3 {
			case 0, 1:
				c, v := tb.charge(loginOf(&tb, s), now)
				if v.kind != allowed {
					require.Positive(t, v.wait)
					break
				}
				require.Less(t, made.inWindow(s, c.id, 100), 2)
				made[s] = append(made[s], c.id)
				opens = append(opens, open{s, c})
			case 2:
				if len(opens) > 0 {
					o := opens[0]
					opens = opens[1:]
					tb.settle(loginOf(&tb, o.s), o.c, failed, now)
				}
			case 3:
				tb.sweep(0, 3, now)
			}
			checkInvariants(t, &tb)
		}
	})
}

func TestWithoutTakesABitOut(t *testing.T) {
	require.EqualValues(t, 0b1011, without(0b10011, 2))
	require.EqualValues(t, 0b1001, without(0b10011, 1))
	require.EqualValues(t, 0b0011, without(0b10011, 4))
	require.EqualValues(t, uint64(1<<62-1), without(1<<63-1, 31))
}
