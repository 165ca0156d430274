package cache

import (
	"slices"
	"strconv"
	"testing"
	"time"
)

// How long a shard's lock is held, with a million entries: by each chunk of a sweep of all of them, and by whoever
// gives a shard more slots or fewer.
func BenchmarkCacheHold(b *testing.B) {
	const n = 1_000_000
	for name, config := range map[string]Config[int, string]{
		"plain":     {},
		"on-remove": {OnRemove: func(int, string, Reason) {}},
		"groups":    {Groups: true},
		"both":      {OnRemove: func(int, string, Reason) {}, Groups: true},
	} {
		config.MaxEntries = n
		for _, way := range []string{"expired", "invalidated"} {
			if way == "invalidated" && !config.Groups {
				continue
			}
			b.Run("op=sweep/entries="+way+"/config="+name, func(b *testing.B) {
				var held []time.Duration
				for range b.N {
					c := build(b, config)
					for i := range n {
						if way == "invalidated" {
							c.Group("g").Set(i, strconv.Itoa(i))
						} else {
							c.SetTTL(i, strconv.Itoa(i), 1)
						}
					}
					if way == "invalidated" {
						c.InvalidateGroup("g")
					}
					held = append(held, sweepHolds(b, c)...)
				}
				reportHolds(b, held)
			})
		}
	}
	b.Run("op=rebuild", func(b *testing.B) {
		c := build(b, Config[int, string]{MaxEntries: n})
		for i := range n {
			c.Set(i, strconv.Itoa(i))
		}
		var held []time.Duration
		b.ResetTimer()
		for range b.N {
			for i := range c.engine.mask + 1 {
				s := c.engine.lock(i << 32)
				began := time.Now()
				c.engine.rebuild(s, s.slots())
				held = append(held, time.Since(began))
				s.mu.Unlock()
			}
		}
		reportHolds(b, held)
	})
}

// sweepHolds sweeps all of c and returns the time between the ends of two deliveries and the beginnings of the
// next: a little more than that for which a lock was held.
func sweepHolds(b *testing.B, c *Cache[int, string]) (held []time.Duration) {
	want := c.Len()
	began := time.Now()
	removed := c.engine.sweep(func([]removal[int, string]) {
		held = append(held, time.Since(began))
		began = time.Now()
	})
	if removed != want {
		b.Fatalf("%d of %d were swept", removed, want)
	}
	return held
}

func reportHolds(b *testing.B, held []time.Duration) {
	slices.Sort(held)
	micros := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }
	b.ReportMetric(micros(held[len(held)/2]), "p50-µs")
	b.ReportMetric(micros(held[len(held)*99/100]), "p99-µs")
	b.ReportMetric(micros(held[len(held)-1]), "max-µs")
	late, _ := slices.BinarySearch(held, 100*time.Microsecond)
	b.ReportMetric(float64(len(held)-late)/float64(b.N), "over-100µs/op")
	b.ReportMetric(float64(len(held))/float64(b.N), "holds/op")
}
