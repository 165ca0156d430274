package cache_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/cache"
)

func snapshotOf[K comparable, V any](t testing.TB, c *cache.Cache[K, V]) []byte {
	t.Helper()
	var b bytes.Buffer
	n, err := c.WriteTo(&b)
	require.NoError(t, err)
	require.EqualValues(t, b.Len(), n)
	return b.Bytes()
}

type point struct {
	X, Y int32
	Name string
}

// Each shape of key and value comes back as it was.
func TestSnapshotRoundTrip(t *testing.T) {
	t.Run("strings", func(t *testing.T) {
		roundTrip(t, map[string]string{"": "", "a": "b", "ä": strings.Repeat("x", 200_000)})
	})
	t.Run("bytes", func(t *testing.T) { roundTrip(t, map[int][]byte{-1: {}, 0: {0}, 1 << 30: []byte("abc")}) })
	t.Run("frames", func(t *testing.T) {
		roundTrip(t, map[int][]byte{1: bytes.Repeat([]byte("a"), 70_000), 2: bytes.Repeat([]byte("b"), 70_000), 3: bytes.Repeat([]byte("c"), 70_000)})
	})
	t.Run("integers", func(t *testing.T) { roundTrip(t, map[uint16]int64{0: -1, 65535: 1 << 62}) })
	t.Run("words", func(t *testing.T) { roundTrip(t, map[uint]int{0: -5, ^uint(0): 7}) })
	t.Run("arrays", func(t *testing.T) { roundTrip(t, map[[2]byte]float64{{1, 2}: 0.5, {}: -1}) })
	t.Run("structs", func(t *testing.T) { roundTrip(t, map[string]struct{ A, B uint8 }{"a": {1, 2}}) })
	t.Run("json", func(t *testing.T) { roundTrip(t, map[string]point{"a": {X: 1, Y: -2, Name: "n"}}) })
	t.Run("pointers", func(t *testing.T) { roundTrip(t, map[string]*point{"a": {X: 1}, "nil": nil}) })
	t.Run("maps", func(t *testing.T) { roundTrip(t, map[string]map[string][]int{"a": {"b": {1, 2}}}) })
	t.Run("pointers-that-marshal", func(t *testing.T) {
		address, err := url.Parse("http://ada:secret@example.org/")
		require.NoError(t, err)
		roundTrip(t, map[string]*url.URL{"a": address, "zero": {}, "nil": nil})
	})
	t.Run("times", func(t *testing.T) { roundTrip(t, map[string]time.Time{"a": time.Unix(1, 2).UTC()}) })
	t.Run("nothing", func(t *testing.T) { roundTrip(t, map[string]struct{}{"a": {}}) })
	t.Run("empty", func(t *testing.T) { roundTrip(t, map[string]string{}) })
}

func roundTrip[K comparable, V any](t *testing.T, want map[K]V) {
	c := newCache(t, cache.Config[K, V]{MaxEntries: 100})
	for k, v := range want {
		c.Set(k, v)
	}
	raw := snapshotOf(t, c)
	for name, r := range map[string]io.Reader{
		"seeker": bytes.NewReader(raw), "stream": bytes.NewBuffer(raw), "bytes": iotest.OneByteReader(bytes.NewReader(raw)),
	} {
		next := newCache(t, cache.Config[K, V]{MaxEntries: 100})
		n, err := next.ReadFrom(r)
		require.NoError(t, err, name)
		require.EqualValues(t, len(raw), n)
		require.Equal(t, want, maps.Collect(next.All()), name)
	}
}

// A life goes on where it was, less the time on disk.
func TestSnapshotKeepsTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := cache.Config[string, int]{MaxEntries: 10, TTL: time.Minute}
		c := newCache(t, config)
		c.Set("minute", 1)
		c.SetTTL("hour", 2, time.Hour)
		c.SetTTL("ever", 3, 0)
		c.SetTTL("second", 4, time.Second)
		c.SetTTL("soon", 4, 30*time.Second)
		time.Sleep(20 * time.Second)
		raw := snapshotOf(t, c)
		time.Sleep(20 * time.Second)
		next := newCache(t, config)
		next.Set("hour", 5)
		_, err := next.ReadFrom(bytes.NewReader(raw))
		require.NoError(t, err)
		require.Equal(t, map[string]int{"minute": 1, "hour": 5, "ever": 3}, maps.Collect(next.All()), "what is there stays")
		require.Equal(t, 3, next.Len(), "what has expired takes no room")
		time.Sleep(20*time.Second - time.Millisecond)
		_, ok := next.Get("minute")
		require.True(t, ok)
		time.Sleep(2 * time.Millisecond)
		_, ok = next.Get("minute")
		require.False(t, ok)
		time.Sleep(time.Hour)
		require.Equal(t, map[string]int{"ever": 3}, maps.Collect(next.All()))
	})
}

// A smaller cache gets the hottest, and keeps its bounds.
func TestSnapshotIntoASmallerCache(t *testing.T) {
	c := newCache(t, cache.Config[int, string]{MaxEntries: 1000})
	for i := range 1000 {
		c.Set(i, "value")
	}
	for range 3 {
		for i := range 100 {
			c.Get(i * 10)
		}
	}
	raw := snapshotOf(t, c)
	small := newCache(t, cache.Config[int, string]{MaxEntries: 150})
	_, err := small.ReadFrom(bytes.NewReader(raw))
	require.NoError(t, err)
	require.Equal(t, 150, small.Len())
	for i := range 100 {
		_, ok := small.Peek(i * 10)
		require.True(t, ok, "%d is hot", i*10)
	}
	require.Zero(t, small.Stats().Evicted)
	tight := newCache(t, cache.Config[int, string]{MaxBytes: 16 << 10})
	stop := watch(tight, 0, 16<<10)
	_, err = tight.ReadFrom(bytes.NewReader(raw))
	require.NoError(t, err)
	wrong, _ := stop()
	require.Empty(t, wrong)
	require.NotZero(t, tight.Len())
}

// What a snapshot brings evicts nothing, whichever bound is reached.
func TestSnapshotIntoAFullCache(t *testing.T) {
	from := newCache(t, cache.Config[int, string]{MaxEntries: 1000})
	value := strings.Repeat("x", 100)
	for i := range 1000 {
		from.Set(-1-i, value)
	}
	raw := snapshotOf(t, from)
	for _, config := range []cache.Config[int, string]{{MaxEntries: 8}, {MaxBytes: 64 << 10}} {
		c := newCache(t, config)
		for i := 0; c.Stats().Evicted == 0; i++ {
			c.Set(i, value)
		}
		_, err := c.ReadFrom(bytes.NewReader(raw))
		require.NoError(t, err)
		require.EqualValues(t, 1, c.Stats().Evicted)
	}
}

// What is torn, changed, foreign, of other types or newer is an error that says so, and changes nothing.
func TestSnapshotThatIsDamaged(t *testing.T) {
	c := newCache(t, cache.Config[string, string]{MaxEntries: 100})
	for i := range 20 {
		c.Set(fmt.Sprint("key", i), fmt.Sprint("value", i))
	}
	raw := snapshotOf(t, c)
	next := newCache(t, cache.Config[string, string]{MaxEntries: 100})
	try := func(raw []byte, says ...string) {
		t.Helper()
		_, err := next.ReadFrom(bytes.NewReader(raw))
		require.Error(t, err)
		for _, s := range says {
			require.ErrorContains(t, err, s)
		}
		require.Zero(t, next.Len())
	}
	for n := range raw {
		try(raw[:n], "cache: snapshot: block ", "at byte ")
		changed := bytes.Clone(raw)
		changed[n] ^= 0x20
		try(changed, "cache: snapshot: block ", "at byte ")
	}
	try(raw[:len(raw)-5], "it ends after", io.ErrUnexpectedEOF.Error())
	try([]byte("PNG, or whatever there may be"), `it begins with "PNG, or whatever`)
	other := newCache(t, cache.Config[string, int]{MaxEntries: 100})
	_, err := other.ReadFrom(bytes.NewReader(raw))
	require.ErrorContains(t, err, `it is of "string to string", want "string to int"`)
	_, err = next.ReadFrom(iotest.ErrReader(errDown))
	require.ErrorIs(t, err, errDown)
}

// Writers go on while a snapshot is taken: what is there all the time is in it, once.
func TestSnapshotWhileOthersWrite(t *testing.T) {
	c := newCache(t, cache.Config[int, int]{MaxEntries: 5000})
	for i := range 1000 {
		c.Set(i, i)
	}
	stop := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				c.Set(i%1000, i%1000)
				c.Set(1000+i%3000, 1000+i%3000)
				c.Delete(1000 + (i+1500)%3000)
			}
		}
	})
	for range 20 {
		next := newCache(t, cache.Config[int, int]{MaxEntries: 5000})
		_, err := next.ReadFrom(bytes.NewReader(snapshotOf(t, c)))
		require.NoError(t, err)
		for i := range 1000 {
			v, ok := next.Peek(i)
			require.True(t, ok)
			require.Equal(t, i, v)
		}
	}
	close(stop)
	group.Wait()
}

// A file is the old snapshot or the new one.
func TestSnapshotFile(t *testing.T) {
	folder := t.TempDir()
	name := filepath.Join(folder, "cache.snapshot")
	c := newCache(t, cache.Config[string, string]{MaxEntries: 10, ValueCodec: moody{}})
	require.ErrorIs(t, c.LoadFile(name), os.ErrNotExist)
	c.Set("a", "1")
	require.NoError(t, c.SaveFile(name))
	c.Set("b", "bad")
	require.ErrorContains(t, c.SaveFile(name), "value of key b cannot be encoded: bad mood")
	files, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, files, 1, "nothing is left lying about")
	c.Clear()
	require.NoError(t, c.LoadFile(name))
	require.Equal(t, map[string]string{"a": "1"}, maps.Collect(c.All()))
	require.NoError(t, os.Truncate(name, 60))
	require.ErrorContains(t, c.LoadFile(name), name)
	require.Error(t, c.SaveFile(filepath.Join(folder, "none", "x")))
	_, err = c.WriteTo(&failing{after: 10})
	require.ErrorIs(t, err, errDown)
}

type moody struct{}

func (moody) Append(dst []byte, v string) ([]byte, error) {
	switch v {
	case "bad":
		return dst, errors.New("bad mood")
	case "panic":
		panic(v)
	}
	return append(dst, v...), nil
}

func (moody) Decode(src []byte) (string, error) { return string(src), nil }

type failing struct{ after int }

func (f *failing) Write(p []byte) (int, error) {
	if f.after -= len(p); f.after < 0 {
		return 0, errDown
	}
	return len(p), nil
}

// No bytes make ReadFrom panic, take much memory or change the cache when it returns an error.
func FuzzReadFrom(f *testing.F) {
	c := newCache(f, cache.Config[string, int]{MaxEntries: 100, TTL: time.Hour})
	f.Add(snapshotOf(f, c))
	c.Set("a", 1)
	c.SetTTL("b", 2, 0)
	raw := snapshotOf(f, c)
	f.Add(raw)
	f.Add(raw[:40])
	f.Add([]byte{0xff, 0xff, 0xff, 0x7f, 'H'})
	f.Fuzz(func(t *testing.T, raw []byte) {
		c := newCache(t, cache.Config[string, int]{MaxEntries: 10})
		_, err := c.ReadFrom(bytes.NewReader(raw))
		if err != nil {
			require.Zero(t, c.Len())
		}
		require.LessOrEqual(t, c.Len(), 10)
	})
}

// A key in an interface may be decoded as something that cannot be a key: that is an error as well, and not a panic.
func TestSnapshotWithKeysThatCannotBeRead(t *testing.T) {
	c := newCache(t, cache.Config[any, int]{MaxEntries: 100})
	c.Set("a", 1)
	raw := snapshotOf(t, c)
	next := newCache(t, cache.Config[any, int]{MaxEntries: 100})
	_, err := next.ReadFrom(bytes.NewReader(raw))
	require.NoError(t, err)
	require.True(t, has(next, "a"))
	next.Clear()

	c.Set([2]int{1, 2}, 2) // which JSON does not tell from a slice
	_, err = next.ReadFrom(bytes.NewReader(snapshotOf(t, c)))
	require.ErrorContains(t, err, "its key was decoded as []interface {}{1, 2}, which Go cannot compare")
	require.Zero(t, next.Len(), "it changes nothing")
}

// What may idle goes on to idle where it was, within what is left of its time to live.
func TestSnapshotKeepsIdleTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := cache.Config[string, int]{MaxEntries: 8, TTL: 10 * time.Minute, Idle: time.Minute}
		c := newCache(t, config)
		c.Set("read", 1)
		c.Set("left", 1)
		c.SetTTL("ever", 1, 0)
		time.Sleep(30 * time.Second)
		c.Get("read")
		c.Get("ever")
		raw := snapshotOf(t, c)
		time.Sleep(15 * time.Second)
		next, plain := newCache(t, config), newCache(t, cache.Config[string, int]{MaxEntries: 8})
		for _, c := range []*cache.Cache[string, int]{next, plain} {
			_, err := c.ReadFrom(bytes.NewReader(raw))
			require.NoError(t, err)
			require.Equal(t, 3, c.Len())
		}
		time.Sleep(15*time.Second + time.Millisecond)
		require.False(t, has(next, "left"), "for a minute nobody read it")
		require.True(t, has(plain, "left"))
		for range 17 {
			for _, key := range []string{"read", "ever"} {
				_, ok := next.Get(key)
				require.True(t, ok, key)
			}
			time.Sleep(30*time.Second + time.Millisecond)
		}
		_, ok := next.Get("ever")
		require.True(t, ok)
		time.Sleep(30 * time.Second)
		require.False(t, has(next, "read"), "its ten minutes are over")
		require.True(t, has(next, "ever"))
		require.Equal(t, map[string]int{"ever": 1}, maps.Collect(plain.All()))

		later := newCache(t, config)
		_, err := later.ReadFrom(bytes.NewReader(raw))
		require.NoError(t, err)
		require.Zero(t, later.Len())
	})
}

// Not each file can be read twice.
func TestSnapshotThroughAPipe(t *testing.T) {
	c, next := newCache(t, cache.Config[string, int]{MaxEntries: 8}), newCache(t, cache.Config[string, int]{MaxEntries: 8})
	c.Set("a", 1)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	_, err = c.WriteTo(w)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	_, err = next.ReadFrom(r)
	require.NoError(t, err)
	require.True(t, has(next, "a"))
}

// A codec that panics leaves no file behind.
func TestSnapshotFileAndACodecThatPanics(t *testing.T) {
	folder := t.TempDir()
	c := newCache(t, cache.Config[string, string]{MaxEntries: 8, ValueCodec: moody{}})
	c.Set("a", "panic")
	require.PanicsWithValue(t, "panic", func() { _ = c.SaveFile(filepath.Join(folder, "x")) })
	files, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Empty(t, files)
}

// ReadFrom leaves off where the snapshot ends, wherever it began.
func TestSnapshotAmongOthers(t *testing.T) {
	c := newCache(t, cache.Config[string, int]{MaxEntries: 8})
	c.Set("a", 1)
	raw := snapshotOf(t, c)
	r := bytes.NewReader(slices.Concat([]byte("before"), raw, raw, []byte("after")))
	_, err := r.Seek(int64(len("before")), io.SeekStart)
	require.NoError(t, err)
	for range 2 {
		next := newCache(t, cache.Config[string, int]{MaxEntries: 8})
		n, err := next.ReadFrom(r)
		require.NoError(t, err)
		require.EqualValues(t, len(raw), n)
		require.True(t, has(next, "a"))
	}
	rest, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, "after", string(rest))
}

// What has expired is not written.
func TestSnapshotOfTheExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[string, int]{MaxEntries: 8, TTL: time.Second})
		empty := len(snapshotOf(t, c))
		c.Set("a", 1)
		require.Greater(t, len(snapshotOf(t, c)), empty)
		time.Sleep(time.Second)
		require.Equal(t, 1, c.Len())
		require.Len(t, snapshotOf(t, c), empty)
	})
}
