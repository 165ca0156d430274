package peer

import (
	"context"
	"time"
	"unsafe"

	"github.com/VictoriaMetrics/fastcache"
	"github.com/allegro/bigcache/v3"
	"github.com/coocood/freecache"
)

// The three caches of bytes copy what they are given and what they return. So a
// string can be lent to them as bytes, and bytes from them kept as a string, for nothing.

func lend(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
func keep(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

type freecacheCache struct {
	c       *freecache.Cache
	seconds int
}

func newFreecache(l Limits[string, string]) (Store[string, string], error) {
	return freecacheCache{freecache.NewCache(int(l.Bytes)), int(l.TTL / time.Second)}, nil
}

func (f freecacheCache) Get(key string) (string, bool) {
	value, err := f.c.Get(lend(key))
	return keep(value), err == nil
}

// Set lets the cache refuse what is larger than 1/1024 of it.
func (f freecacheCache) Set(key, value string) { _ = f.c.Set(lend(key), lend(value), f.seconds) }
func (f freecacheCache) Len() int              { return int(f.c.EntryCount()) }
func (f freecacheCache) Settle()               {}
func (f freecacheCache) Close()                {}

type bigcacheCache struct{ c *bigcache.BigCache }

func newBigcache(l Limits[string, string]) (Store[string, string], error) {
	config := bigcache.DefaultConfig(l.TTL)
	config.Verbose = false
	config.HardMaxCacheSize = int(max(1, l.Bytes>>20)) // it counts in MiB
	c, err := bigcache.New(context.Background(), config)
	return bigcacheCache{c}, err
}

func (b bigcacheCache) Get(key string) (string, bool) {
	value, err := b.c.Get(key)
	return keep(value), err == nil
}

// Set lets the cache refuse what does not fit its shard.
func (b bigcacheCache) Set(key, value string) { _ = b.c.Set(key, lend(value)) }
func (b bigcacheCache) Len() int              { return b.c.Len() }
func (b bigcacheCache) Settle()               {}
func (b bigcacheCache) Close()                { _ = b.c.Close() } // always nil

// fastcacheCache has no time to live, because fastcache has none, and skips entries
// of 64 KB and more.
type fastcacheCache struct{ c *fastcache.Cache }

func newFastcache(l Limits[string, string]) (Store[string, string], error) {
	return fastcacheCache{fastcache.New(int(l.Bytes))}, nil
}

func (f fastcacheCache) Get(key string) (string, bool) {
	value, ok := f.c.HasGet(nil, lend(key))
	return keep(value), ok
}
func (f fastcacheCache) Set(key, value string) { f.c.Set(lend(key), lend(value)) }
func (f fastcacheCache) Settle()               {}
func (f fastcacheCache) Close()                { f.c.Reset() } // gives its memory to the next

func (f fastcacheCache) Len() int       { return int(f.stats().EntriesCount) }
func (f fastcacheCache) OffHeap() int64 { return int64(f.stats().BytesSize) }

func (f fastcacheCache) stats() (s fastcache.Stats) {
	f.c.UpdateStats(&s)
	return s
}
