package ratelimit

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The proof says that nobody gets a sixth charge whoever is evicted: so here the worst are, or those that hurt
// most, or any.
func TestNoOrderOfEvictionBuysASixthFailure(t *testing.T) {
	orders := map[string]func(sh *shard, i, j uint32, r *rand.Rand) bool{ // whether i goes before j
		"at-random": func(_ *shard, _, _ uint32, r *rand.Rand) bool { return r.IntN(2) == 0 },
		"most-suspicious-first": func(sh *shard, i, j uint32, _ *rand.Rand) bool {
			return sh.suspicion(i, sh.last) > sh.suspicion(j, sh.last)
		},
		"newest-first": func(sh *shard, i, j uint32, _ *rand.Rand) bool {
			return sh.pool.entries[i].newest > sh.pool.entries[j].newest
		},
		"oldest-first": func(sh *shard, i, j uint32, _ *rand.Rand) bool {
			return sh.pool.entries[i].newest < sh.pool.entries[j].newest
		},
		"open-first": func(sh *shard, i, j uint32, _ *rand.Rand) bool { return sh.openOf(i) > sh.openOf(j) },
	}
	for name, before := range orders {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, uint64(len(name))))
			c := clockwork{newTracker(Config{MaxAddresses: 30, LongFailures: -1}.withDefaults(), 1)}
			sh := &c.shards[0]
			made := reference{}
			now, evicted, denied := int64(1), 0, 0
			type open struct {
				s  source
				id int64
			}
			var opens []open
			for n := range 20_000 {
				now += r.Int64N(int64(time.Second))
				s := newSource(uint64(r.IntN(60)), family(r.IntN(2)))
				if n%100 < 10 {
					s = source4(7) // who wants to be forgotten
				}
				if _, ok := sh.find(sh.hash(s), s); !ok && sh.pool.len()[ipv4]+sh.pool.len()[ipv6] == 30 {
					victim := uint32(1 << 31)
					sh.each(0, 1<<30, func(i uint32) {
						if victim == 1<<31 || before(sh, i, victim, r) {
							victim = i
						}
					})
					sh.forget(victim, now)
					sh.pool.put(victim)
					evicted++
				}
				id, v := c.charge(s, now)
				if v.kind == allowed {
					require.Less(t, made.inWindow(s, id, c.shared.rule.window), 5, "attempt %d", n)
					made[s] = append(made[s], id)
					opens = append(opens, open{s, id})
				} else {
					denied++
				}
				if len(opens) > 20 {
					c.settle(opens[0].s, opens[0].id, failed, now)
					opens = opens[1:]
				}
			}
			checkInvariants(t, c.Tracker)
			require.Greater(t, evicted, 400)
			require.NotZero(t, denied)
		})
	}
}

func TestEntriesHaveNoPointers(t *testing.T) {
	require.False(t, hasPointers(reflect.TypeFor[entry]()))
	require.False(t, hasPointers(reflect.TypeFor[mark]()))
	require.False(t, hasPointers(reflect.TypeFor[histogram]()))
	require.False(t, hasPointers(reflect.TypeFor[acquaintances]()))
	require.False(t, hasPointers(reflect.TypeFor[line]()))
	require.False(t, hasPointers(reflect.TypeFor[refusal]()))
	require.True(t, hasPointers(reflect.TypeFor[struct{ a [2]DeniedError }]()), "else the above says nothing")
}

// hasPointers reports whether the collector would look into a value of a type. Kinds that are not known count
// as pointers.
func hasPointers(of reflect.Type) bool {
	switch kind := of.Kind(); {
	case kind == reflect.Struct:
		for i := range of.NumField() {
			if hasPointers(of.Field(i).Type) {
				return true
			}
		}
		return false
	case kind == reflect.Array:
		return hasPointers(of.Elem())
	default:
		return kind < reflect.Bool || kind > reflect.Complex128 || kind == reflect.Uintptr
	}
}

// A table of a million is swept with no lock held for longer than a tenth of a millisecond. As a hold that is
// long in one sweep and short in another was that of whoever had the processor meanwhile, the longest of the
// shortest holds for the same entries counts: give it some sweeps, with -benchtime 5x.
func BenchmarkSweep(b *testing.B) {
	tracker, err := NewTracker(Config{MaxAddresses: mostAddresses, Window: time.Hour, Prefixes: []PrefixLimit{}})
	require.NoError(b, err)
	for n := range uint64(mostAddresses) {
		sh := tracker.shardOf(source4(uint32(n)))
		sh.insert(sh.hash(source4(uint32(n))), source4(uint32(n)), 1)
	}
	var holds, total, longest time.Duration
	var shortest []time.Duration // for each chunk
	for b.Loop() {
		chunk := 0
		tracker.inChunks(func(sh *shard, from, to int) {
			began := time.Now()
			sh.sweep(from, to, tracker.now())
			took := time.Since(began)
			if chunk == len(shortest) {
				shortest = append(shortest, took)
			}
			shortest[chunk] = min(shortest[chunk], took)
			chunk++
			longest = max(longest, took)
			total += took
			holds++
		})
		b.StopTimer()
		for n := range uint64(mostAddresses) {
			sh := tracker.shardOf(source4(uint32(n)))
			if _, ok := sh.find(sh.hash(source4(uint32(n))), source4(uint32(n))); !ok {
				sh.insert(sh.hash(source4(uint32(n))), source4(uint32(n)), 1)
			}
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(total/holds), "ns/hold")
	b.ReportMetric(float64(slices.Max(shortest)), "ns-longest")
	b.ReportMetric(float64(longest), "ns-longest-once")
}
