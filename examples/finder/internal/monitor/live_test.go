package monitor_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/cache"

	"github.com/ministryfinder/bounded/examples/finder/internal/monitor"
)

func TestTheFirstSampleIsThereAtOnce(t *testing.T) {
	h := newHouse(t, nil)
	samples := h.Samples()
	require.Len(t, samples, 1)
	require.Equal(t, int64(limit/10), *samples[0].RSS)
	require.Equal(t, int64(limit), *samples[0].Limit)
	require.Nil(t, samples[0].P99, "nobody has asked yet")
	require.Nil(t, samples[0].HitRatio)
	require.Nil(t, samples[0].Heap, "unknown is not zero")
}

// TestSamples looks at the figures that are computed from one sample to the next.
func TestSamples(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		rest(3 * time.Second)
		h.set(func() { h.matches = cache.Stats{Hits: 3, Misses: 1, Entries: 1, Bytes: 1000} })
		mux := http.NewServeMux()
		mux.HandleFunc("GET /", func(http.ResponseWriter, *http.Request) { time.Sleep(10 * time.Millisecond) })
		for range 4 {
			h.Middleware(mux).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		}
		rest(2 * time.Second)
		samples := h.Samples()
		s := samples[len(samples)-1]
		require.Equal(t, 0.75, *s.HitRatio)
		require.Equal(t, int64(1000), s.CacheBytes)
		require.Equal(t, 1, s.Entries)
		require.InDelta(t, 10, *s.P50, 1)
		require.InDelta(t, 10, *s.P99, 1)
		require.InDelta(t, 2, s.Rate, 0.1)

		rest(2 * time.Second)
		samples = h.Samples()
		s = samples[len(samples)-1]
		require.Nil(t, s.HitRatio, "nobody has asked since")
		require.Zero(t, s.Rate)

		rest(time.Hour)
		samples = h.Samples()
		require.Len(t, samples, 600, "20 minutes")
		for i := 1; i < len(samples); i++ {
			require.Equal(t, int64(2000), samples[i].At-samples[i-1].At)
		}
	})
}

func TestWatchersGetEachSampleAndHoldNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- h.Run(ctx) }()
		_, endIdle, ok := h.WatchSamples() // who never receives
		require.True(t, ok)
		defer endIdle()
		samples, end, ok := h.WatchSamples()
		require.True(t, ok)
		last := int64(0)
		for range 10 {
			s := <-samples
			require.Greater(t, s.At, last)
			last = s.At
		}
		end()
		end() // again
		for range 31 {
			_, endThis, ok := h.WatchSamples()
			require.True(t, ok)
			defer endThis()
		}
		_, _, ok = h.WatchSamples()
		require.False(t, ok, "32 watch already")
		endIdle()
		samples, _, ok = h.WatchSamples()
		require.True(t, ok)

		stop()
		require.NoError(t, <-ended)
		for range samples { // until it is closed
		}
		_, _, ok = h.WatchSamples()
		require.False(t, ok, "it is over")
	})
}

func TestAlertsAreListedForPrograms(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		require.Empty(t, h.Alerts())
		h.setRSS(limit * 85 / 100)
		rest(moment)
		body, err := json.Marshal(h.Alerts())
		require.NoError(t, err)
		var alerts []monitor.LiveAlert
		require.NoError(t, json.Unmarshal(body, &alerts))
		require.Len(t, alerts, 1)
		require.Equal(t, "kept", alerts[0].State)
		require.Equal(t, "WARN", alerts[0].Level)
		require.LessOrEqual(t, alerts[0].At, time.Now().UnixMilli())
	})
}
