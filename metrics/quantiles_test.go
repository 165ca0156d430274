package metrics

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// Whatever is in the window: with values that are dropped, a ring that goes round and
// observations that get too old.
func FuzzRingQuantilesAreThoseOfASnapshot(f *testing.F) {
	f.Add(uint8(7), []byte{3, 0, 1, 200, 2, 0, 255, 0}, 0.5, 0.99)
	f.Add(uint8(0), []byte{}, 0.5, math.NaN())
	f.Add(uint8(64), []byte("a window that slides while it is looked at"), -1.0, 2.0)
	f.Fuzz(func(t *testing.T, size uint8, values []byte, a, b float64) {
		synctest.Test(t, func(t *testing.T) {
			r, err := NewRingOf[int64](RingConfig{Size: 1 + int(size), MaxAge: 10 * time.Second})
			require.NoError(t, err)
			dst := []int64{-7}
			for ; len(values) >= 2; values = values[2:] {
				r.Observe(int64(values[0]) - 3)
				time.Sleep(time.Duration(values[1]) * 10 * time.Millisecond)
				got, count := r.Quantiles(dst, a, b, 1)
				s := r.Snapshot()
				require.Equal(t, []int64{-7, s.Quantile(a), s.Quantile(b), s.Max}, got)
				require.Equal(t, s.Count, count)
			}
			got, count := r.Quantiles(nil)
			require.Nil(t, got)
			require.Equal(t, r.Snapshot().Count, count)
		})
	})
}

func TestRingQuantilesAllocateNothingOnceWarm(t *testing.T) {
	r, err := NewRing(RingConfig{})
	require.NoError(t, err)
	dst := make([]time.Duration, 0, 3)
	r.Quantiles(dst) // with nothing in the ring yet
	allocations := testing.AllocsPerRun(2000, func() {
		r.Observe(time.Second)
		dst, _ = r.Quantiles(dst[:0], 0.5, 0.95, 0.99)
	})
	require.Zero(t, allocations)
	require.Equal(t, []time.Duration{time.Second, time.Second, time.Second}, dst)
}

// A reader that is held where it has the scratch keeps other readers of that, and nobody
// else.
func TestRingQuantilesDelayNoWriter(t *testing.T) {
	r, err := NewRing(RingConfig{Size: 100})
	require.NoError(t, err)
	r.scratch.mu.Lock()
	counts := make(chan int, 2)
	for range cap(counts) {
		go func() {
			_, n := r.Quantiles(nil, 0.5)
			counts <- n
		}()
	}
	for range 1000 {
		r.Observe(1)
	}
	for range 3 {
		r.places.grow()
		r.Observe(1)
	}
	require.Equal(t, 100, r.Snapshot().Count)
	require.Equal(t, 100, r.Cached().Count)
	require.Zero(t, r.Sweep())
	require.Empty(t, counts)
	r.scratch.mu.Unlock()
	require.Equal(t, 100, <-counts)
	require.Equal(t, 100, <-counts)
}

// While one takes a new snapshot, others get the old one.
func TestRingCachedWaitsForNobody(t *testing.T) {
	r, err := NewRing(RingConfig{CacheFor: 1})
	require.NoError(t, err)
	r.Observe(1)
	require.Equal(t, 1, r.Cached().Count)
	r.Observe(2)
	r.cached.mu.Lock() // as the one does
	require.Equal(t, 1, r.Cached().Count)
	r.cached.mu.Unlock()
	require.Equal(t, 2, r.Cached().Count)
}

// Each reader gets quantiles of one moment, whoever shares the scratch and whoever writes.
func TestRingQuantilesBesideManyReadersAndWriters(t *testing.T) {
	const writers, readers, each = 4, 4, 3000
	r, err := NewRing(RingConfig{Size: 200, MaxAge: time.Hour})
	require.NoError(t, err)
	var writing, reading sync.WaitGroup
	stop := make(chan struct{})
	for range readers {
		reading.Go(func() {
			var of []time.Duration
			for {
				select {
				case <-stop:
					return
				default:
				}
				var n int
				of, n = r.Quantiles(of[:0], 0, 0.25, 0.5, 0.75, 1)
				last := time.Duration(0)
				for _, v := range of {
					if v < last || v >= writers*each {
						t.Error(of, n)
						return
					}
					last = v
				}
				if n > 200 || n == 0 && last != 0 {
					t.Error(of, n)
					return
				}
				runtime.Gosched()
			}
		})
	}
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				r.Observe(time.Duration(w*each + i))
			}
		})
	}
	writing.Wait()
	close(stop)
	reading.Wait()
	_, n := r.Quantiles(nil)
	require.Equal(t, 200, n)
}

// With the scratch, a snapshot that Cached keeps and the next, and as many turns as there
// may be. What the runtime makes for itself meanwhile, such as room for timers, is on the heap
// too, but not each time.
func TestRingBytesAreNoLessThanTheHeapGrew(t *testing.T) {
	for _, size := range []int{1, 10, 100, 129, 1000, 2049, 5000, 9000} {
		grown, declared := heapOfRings(t, size)
		for tries := 1; grown > declared && tries < 4; tries++ {
			grown, declared = heapOfRings(t, size)
		}
		require.LessOrEqual(t, grown, declared, "size %d", size)
		require.LessOrEqual(t, declared, 2*grown+2048*heapRings, "size %d: and not much more", size)
	}
}

const heapRings = 20

// heapOfRings returns by how much the heap grew because of some rings that are in full use,
// and what they say of it.
func heapOfRings(t *testing.T, size int) (grown, declared int64) {
	var all [heapRings]*Ring[time.Duration]
	var next [heapRings]RingSnapshot[time.Duration]
	before := liveHeap()
	for i := range all {
		r, err := NewRing(RingConfig{Size: size, CacheFor: time.Hour})
		require.NoError(t, err)
		for range size + 1 {
			r.Observe(time.Duration(rand.Int64N(1000)))
		}
		for r.places.maxTurns > 1 && (r.places.many.Load() == nil || len(r.places.many.Load().of) < r.places.maxTurns) {
			r.places.grow()
		}
		for range size + 1 {
			r.Observe(time.Duration(rand.Int64N(1000)))
		}
		r.Quantiles(nil, 0.5)
		r.Cached()
		all[i], next[i] = r, r.Snapshot()
		declared += r.Bytes()
	}
	grown = liveHeap() - before
	runtime.KeepAlive(all)
	runtime.KeepAlive(next)
	return grown, declared
}

// Scrapes in each encoding make their copies in one place, and never mix them up; a
// snapshot that somebody keeps is not among these.
func TestScrapesShareAScratch(t *testing.T) {
	const endpoints = 20
	var r *Recorder
	r, err := NewRecorder(RecorderConfig{SlowAfter: time.Hour})
	require.NoError(t, err)
	require.NoError(t, r.Gauge("free", "", func() float64 {
		if !r.scratch.mu.TryLock() {
			return 0
		}
		r.scratch.mu.Unlock()
		return 1
	}))
	record := func() {
		for i := range endpoints {
			r.Record(fmt.Sprint("GET /", i), 200, time.Duration(i+1)*time.Millisecond)
		}
	}
	for range 110 {
		record()
	}
	require.Contains(t, string(r.encode(textFormat)), "\nfree 1\n", "a function of the application's may scrape")
	codes := unsafe.SliceData(r.scratch.codes)
	require.NotNil(t, codes)
	require.NotSame(t, codes, unsafe.SliceData(r.Snapshot().Times.codes), "which begins the scratch")

	var wg sync.WaitGroup
	for f := range formats {
		wg.Go(func() {
			for range 20 {
				text := string(r.encode(f))
				for i := range endpoints {
					ms := float64(i+1) / 1000
					want := fmt.Sprintf("http_request_duration_seconds{endpoint=\"GET /%d\",quantile=\"0.99\"} %v\n", i, ms)
					if f == jsonFormat {
						want = fmt.Sprintf(`"min_seconds":%v,"mean_seconds":%v,"p50_seconds":%v,`, ms, ms, ms)
					}
					if !strings.Contains(text, want) {
						t.Errorf("%s is not in %s", want, text)
						return
					}
				}
			}
		})
	}
	for range 100 {
		record()
	}
	wg.Wait()
	require.Same(t, codes, unsafe.SliceData(r.scratch.codes), "the same memory")
}
