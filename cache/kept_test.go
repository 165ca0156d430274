package cache

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Reads of a hot entry write nothing that others share, and growing forgets no read.
func TestReadsCountUpToThreeAndAreKept(t *testing.T) {
	c := build(t, Config[int, int]{MaxEntries: 8})
	c.Set(1, 1)
	meta := func() uint64 { return c.engine.root.Load().shards[0].slab.Load().slots[0].meta.Load() }
	before := meta()
	for reads := range uint64(10) {
		require.Equal(t, before+min(reads, hitsMask), meta())
		c.Get(1)
	}
	before = meta()
	for i := range 7 { // more slots, and none is evicted
		c.Set(i+2, i)
	}
	require.Equal(t, before, meta())
}

// Nor does a snapshot.
func TestSnapshotKeepsReads(t *testing.T) {
	c, d := build(t, Config[int, int]{MaxEntries: 8}), build(t, Config[int, int]{MaxEntries: 8})
	for reads := range hitsMask + 1 {
		c.Set(reads, 0)
		for range reads {
			c.Get(reads)
		}
	}
	var b bytes.Buffer
	_, err := c.WriteTo(&b)
	require.NoError(t, err)
	_, err = d.ReadFrom(bytes.NewReader(b.Bytes()))
	require.NoError(t, err)
	sl := d.engine.root.Load().shards[0].slab.Load().slots
	for i := range hitsMask + 1 {
		require.EqualValues(t, sl[i].key.v, sl[i].hits())
	}
}

// Another value counts as an access as well: what is written again and again stays.
func TestReplacementCountsAsAccess(t *testing.T) {
	c := build(t, Config[int, int]{MaxEntries: 8})
	for want := range uint64(6) {
		c.Set(1, int(want))
		require.Equal(t, min(want, hitsMask), c.engine.root.Load().shards[0].slab.Load().slots[0].hits())
	}
}

// A slot that is free holds no key, and what is set for a key whose entry has expired replaces none.
func TestWhatIsGoneLeavesNoKeyAndIsNotReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := build(t, Config[string, int]{MaxEntries: 8})
		c.SetTTL("a", 1, time.Second)
		time.Sleep(2 * time.Second)
		c.SetTTL("a", 2, time.Hour)
		require.EqualValues(t, 1, c.Stats().Expired)
		require.Zero(t, c.Stats().Replaced)
		require.True(t, c.Delete("a"))
		checkInvariants(t, c)

		c.SetTTL("b", 1, time.Second)
		time.Sleep(2 * time.Second)
		c.DeleteFunc(func(string, int) bool { t.Error("an expired entry was seen"); return true })
	})
}
