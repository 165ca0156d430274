package cache

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// The policy's constants are the best that a simulator found on real traces, which are not here. What each of
// them does to hit ratios shows on these as well: accesses that are made up, but are the same each time, as are
// the hashes.
var tunings = []struct {
	name  string
	trace func(yield func(uint64))
	bytes int64   // the bound; zero: 500 entries
	want  float64 // hits in per cent
}{
	{"zipf", func(yield func(uint64)) { zipf(1, 0, 10_000, 200_000, yield) }, 0, 66.97},
	{"a loop over half as many again", func(yield func(uint64)) {
		for i := range uint64(100_000) {
			yield(i % 750)
		}
	}, 0, 65.72},
	{"to and fro over twice as many", func(yield func(uint64)) {
		for i := range uint64(100_000) {
			if i = i % 2000; i >= 1000 {
				i = 1999 - i
			}
			yield(i)
		}
	}, 0, 44.52},
	{"scans of keys that never return", func(yield func(uint64)) {
		for part := range uint64(40) {
			zipf(part, 0, 10_000, 2500, yield)
			for i := range uint64(750) {
				yield(1<<32 + part<<16 + i)
			}
		}
	}, 0, 51.57},
	{"scans of keys that return", func(yield func(uint64)) {
		for part := range uint64(40) {
			zipf(part, 0, 2500, 2000, yield)
			for i := range uint64(600) {
				yield(1<<32 + i)
			}
		}
	}, 0, 61.45},
	{"other keys after each tenth", func(yield func(uint64)) {
		for part := range uint64(10) {
			zipf(part, part<<32, 1500, 20_000, yield)
		}
	}, 0, 80.24},
	{"each returns once, soon", func(yield func(uint64)) {
		r := rand.New(rand.NewPCG(1, 2))
		for i := range uint64(100_000) {
			if yield(i); i > 5000 {
				yield(i - r.Uint64N(600))
			}
		}
	}, 0, 32.73},
	{"each returns a few times, later", func(yield func(uint64)) {
		r := rand.New(rand.NewPCG(1, 2))
		for i := range uint64(100_000) {
			if yield(i); i > 5000 {
				yield((i - 300 - r.Uint64N(900)) &^ 3)
			}
		}
	}, 0, 32.61},
	{"large and small", func(yield func(uint64)) { zipf(1, 0, 10_000, 200_000, yield) }, 1 << 18, 66.07},
}

// zipf yields keys from first on, of which the n-th is asked for in proportion to 1/n.
func zipf(seed, first, keys uint64, accesses int, yield func(uint64)) {
	z := rand.NewZipf(rand.New(rand.NewPCG(seed, 1)), 1.001, 1, keys-1)
	for range accesses {
		yield(first + z.Uint64())
	}
}

func TestTuning(t *testing.T) {
	if wordSize < 8 {
		t.Skip("slots have other sizes")
	}
	for _, test := range tunings {
		t.Run(test.name, func(t *testing.T) {
			config := Config[uint64, uint64]{MaxEntries: 500} // one shard, on any machine
			if test.bytes > 0 {
				config = Config[uint64, uint64]{MaxBytes: test.bytes, Size: func(k, _ uint64) int64 { return int64(k * 0x9e3779b97f4a7c15 >> 54) }}
			}
			c := build(t, config)
			c.engine.hasher.s0, c.engine.hasher.s1 = 1, 0x9e3779b97f4a7c15
			test.trace(func(k uint64) {
				if _, ok := c.Get(k); !ok {
					c.Set(k, k)
				}
			})
			t.Logf("%.2f %%", 100*c.Stats().HitRatio())
			require.InDelta(t, test.want, 100*c.Stats().HitRatio(), 0.1)
		})
	}
}
