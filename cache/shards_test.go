package cache

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// A small cache is one shard, so that its policy sees all of it; more processors get more shards, each of which still
// has enough to choose from.
func TestShardsFor(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, c := range []struct {
		procs, entries int
		bytes          int64
		want           int
	}{
		{1, 1, 0, 1}, {1, 500, 0, 1}, {64, 500, 0, 1},
		{2, 2047, 0, 1}, {2, 2048, 0, 2}, {2, 100_000, 0, 32}, {2, 10_000_000, 0, 32},
		{4, 2047, 0, 1}, {8, 2048, 0, 4}, {16, 2048, 0, 8}, {16, 100_000, 0, 256}, {128, 2048, 0, 8},
		{128, 1 << 30, 0, 1024},
		{2, 0, 1 << 20, 1}, {2, 0, 50 << 20, 8}, {2, 500, 50 << 20, 1}, {16, 0, 1 << 40, 256},
	} {
		runtime.GOMAXPROCS(c.procs)
		require.Equal(t, c.want, shardsFor(c.entries, c.bytes), "%+v", c)
	}
}
