package peer_test

import (
	"testing"
	"time"

	"github.com/ministryfinder/bounded/examples/versus/internal/peer"
	"github.com/stretchr/testify/require"
)

func TestStringsKeepWhatTheyAreGiven(t *testing.T) {
	for _, p := range peer.Strings() {
		for _, mode := range []peer.Modes{peer.ByEntries, peer.ByBytes} {
			if p.Modes&mode == 0 {
				continue
			}
			limits := peer.Limits[string, string]{TTL: time.Hour, Weigh: func(k, v string) int64 { return int64(len(k) + len(v)) }}
			if mode == peer.ByEntries {
				limits.Entries = 1000
			} else {
				limits.Bytes = 32 << 20
			}
			t.Run(p.Name, func(t *testing.T) { check(t, p, limits, "key", "value") })
		}
	}
}

func TestNumbersKeepWhatTheyAreGiven(t *testing.T) {
	for _, p := range append(peer.Numbers[uint64](), peer.Floor[uint64, uint64]()) {
		t.Run(p.Name, func(t *testing.T) {
			check(t, p, peer.Limits[uint64, uint64]{Entries: 1000, TTL: time.Hour}, 7, 11)
		})
	}
}

func check[K peer.Key, V any](t *testing.T, p peer.Peer[K, V], limits peer.Limits[K, V], key K, value V) {
	s, err := p.New(limits)
	require.NoError(t, err)
	defer s.Close()
	_, ok := s.Get(key)
	require.False(t, ok)
	s.Set(key, value)
	s.Settle()
	got, ok := s.Get(key)
	require.True(t, ok)
	require.Equal(t, value, got)
	require.Equal(t, 1, s.Len())
}
