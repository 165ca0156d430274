package cache

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
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

// A snapshot gives no old value the life of the one that is just taking its place.
func TestSnapshotOfAValueThatIsBeingReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := Config[int, int]{MaxEntries: 8, Idle: time.Hour}
		c, d := build(t, config), build(t, config)
		c.SetTTL(1, 1, 2*time.Hour)
		b := c.engine.root.Load().shards[0].slab.Load()
		require.True(t, b.slots[0].take(b.slots[0].head.Load()))
		b.hard[0].Store(never) // as of a value that lives for ever, before that has its deadline
		var snapshot bytes.Buffer
		_, err := c.WriteTo(&snapshot)
		require.NoError(t, err)
		_, err = d.ReadFrom(&snapshot)
		require.NoError(t, err)
		_, ok := d.Get(1)
		require.True(t, ok)
		for range 4 {
			time.Sleep(30 * time.Minute)
			_, ok = d.Get(1)
		}
		require.False(t, ok)
	})
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

// A read that puts off the end of an entry that may idle counts as any other.
func TestReadsCountWhereTheyPutOffAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := build(t, Config[int, int]{MaxEntries: 8, Idle: time.Hour})
		c.Set(1, 1)
		for reads := range uint64(5) {
			require.Equal(t, min(reads, hitsMask), c.engine.root.Load().shards[0].slab.Load().slots[0].hits())
			time.Sleep(time.Second)
			c.Get(1)
		}
	})
}

// So does a read of what is stale, which keeps it until it is loaded anew.
func TestReadsOfTheStaleCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := build(t, Config[int, int]{MaxEntries: 8, TTL: time.Minute, StaleFor: time.Hour})
		c.Set(1, 1)
		time.Sleep(2 * time.Minute)
		_, err := c.GetOrLoad(t.Context(), 1, func(context.Context, int) (int, error) { return 0, errors.New("down") })
		require.NoError(t, err)
		synctest.Wait()
		require.EqualValues(t, 1, c.engine.root.Load().shards[0].slab.Load().slots[0].hits())
	})
}

// How long loads took is told to a quarter, and never as less than it was.
func TestLoadTimes(t *testing.T) {
	var times loadTimes
	require.Equal(t, []time.Duration{0}, times.quantiles(0.5))
	for _, d := range []time.Duration{0, 3 * time.Microsecond, 4 * time.Microsecond, 999 * time.Microsecond, 20 * time.Millisecond, 90 * time.Minute} {
		times = loadTimes{}
		times.add(d)
		times.add(100 * time.Hour)
		q := times.quantiles(0.5, 0.51)
		require.Greater(t, q[0], d)
		require.LessOrEqual(t, q[0], d*5/4+time.Microsecond)
		require.Greater(t, q[1], 100*time.Hour)
	}
	times.add(-1) // by a clock that was set back
	times.add(math.MaxInt64)
}

// A sweep gives back what is remembered of failures as well.
func TestSweepForgetsFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := build(t, Config[int, int]{MaxEntries: 8, NegativeTTL: time.Minute})
		_, err := c.GetOrLoad(t.Context(), 1, func(context.Context, int) (int, error) { return 0, errors.New("down") })
		require.Error(t, err)
		c.Sweep()
		require.Equal(t, 1, c.loads.failures.Len())
		time.Sleep(time.Minute)
		require.Zero(t, c.Sweep(), "it was no entry")
		require.Zero(t, c.loads.failures.Len())
	})
}

// Whoever can make checksums can make a snapshot say anything. It is an error, or is harmless.
func TestForgedSnapshots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := build(t, Config[int, uint32]{MaxEntries: 8})
		forge := func(written time.Time, entry string, end string) []byte {
			var file bytes.Buffer
			b := blockWriter{w: &file}
			file.WriteString(snapshotMagic)
			b.begin(headerBlock)
			b.buf = binary.LittleEndian.AppendUint16(b.buf, snapshotVersion)
			b.buf = binary.LittleEndian.AppendUint64(b.buf, uint64(written.UnixNano()))
			b.buf = append(b.buf, c.contents()...)
			require.NoError(t, b.end())
			b.begin(frameBlock)
			b.buf = append(b.buf, entry...)
			require.NoError(t, b.end())
			b.begin(endBlock)
			b.buf = append(b.buf, end...)
			require.NoError(t, b.end())
			return file.Bytes()
		}
		const one = "\x01\x00\x00\x00\x00\x00\x00\x00"
		const key, value = "\x01\x00\x00\x00\x02", "\x04\x00\x00\x00\x07\x00\x00\x00" // 1, 7
		for _, test := range []struct{ entry, end, want string }{
			{"\x00\x01" + key + value, "\x01", "the end counts 01 entries, want 1"},
			{"\x00\x01" + key + value, "", "the end counts  entries, want 1"},
			{"\x00\x01" + key + value, one + "\x00", "the end counts"},
			{"\x08\x01" + key + value, one, "it has 8 hits, want at most 3"},
			{"\x00", one, " is no time to live"},
			{"\x04\x01", one, " is no time to live"},
			{"\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" + key + value, one, "is no time to live"},
			{"\x00\x03" + key + value, one, "is no time to live"},
			{"\x00\x01\x02\x00\x00\x00\x02\x00" + value, one, "its key: 02 00 is no int"},
			{"\x00\x01\xff\xff\xff\xff\x02", one, "its key: it has 4294967295 bytes, and only 1 follow"},
			{"\x00\x01\x01\x00", one, "its key: unexpected EOF"},
			{"\x00\x01" + key + "\x05\x00\x00\x00\x07\x00\x00\x00\x00", one, "its value: 5 bytes, want 4"},
			{"\x00\x01" + key + "\x01\x00\x00\x00\x07", one, "its value: "},
		} {
			_, err := c.ReadFrom(bytes.NewReader(forge(time.Now(), test.entry, test.end)))
			require.ErrorContains(t, err, test.want, "%q", test.entry)
			require.Zero(t, c.Len())
		}
		_, err := c.ReadFrom(bytes.NewReader(append([]byte(snapshotMagic), 0xff, 0xff, 0xff, 0xff, 'H')))
		require.ErrorContains(t, err, "a block of 4294967295 bytes, want 1 to 1073741824")

		// Written tomorrow: two units are left, as they were.
		_, err = c.ReadFrom(bytes.NewReader(forge(time.Now().Add(24*time.Hour), "\x03\x04"+key+value, one)))
		require.NoError(t, err)
		v, ok := c.Get(1)
		require.True(t, ok)
		require.EqualValues(t, 7, v)
		time.Sleep(time.Millisecond)
		_, ok = c.Get(1)
		require.False(t, ok)
	})
}
