package peer

import (
	"encoding/binary"

	"github.com/viccon/sturdyc"
)

type sturdycCache[V any] struct{ c *sturdyc.Client[V] }

// newSturdyc takes ten shards and evicts a tenth of one at a time, as its README
// does, and leaves out the goroutine that could not be stopped.
func newSturdyc[V any](l Limits[string, V]) (Store[string, V], error) {
	shards := min(10, l.Entries)
	return sturdycCache[V]{sturdyc.New[V](l.Entries, shards, l.TTL, 10, sturdyc.WithNoContinuousEvictions())}, nil
}

func (s sturdycCache[V]) Get(key string) (V, bool) { return s.c.Get(key) }
func (s sturdycCache[V]) Set(key string, value V)  { s.c.Set(key, value) }
func (s sturdycCache[V]) Len() int                 { return s.c.Size() }
func (s sturdycCache[V]) Settle()                  {}
func (s sturdycCache[V]) Close()                   {}

// A numbered cache has strings for keys and is used with numbers.
type numbered[V any] struct{ Store[string, V] }

func newNumbered[V any](l Limits[uint64, V]) (Store[uint64, V], error) {
	s, err := newSturdyc(Limits[string, V]{Entries: l.Entries, TTL: l.TTL})
	return numbered[V]{s}, err
}

func (n numbered[V]) Get(key uint64) (V, bool) { return n.Store.Get(digits(key)) }
func (n numbered[V]) Set(key uint64, value V)  { n.Store.Set(digits(key), value) }

func digits(key uint64) string { return string(binary.BigEndian.AppendUint64(nil, key)) }
