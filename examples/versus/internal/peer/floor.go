package peer

// Floor is a Go map that takes entries until it is full, and then is only read: without a lock, expiry,
// eviction or counts. It is no cache, but says what a read costs at the least.
func Floor[K Key, V any]() Peer[K, V] {
	return Peer[K, V]{Name: "map", Modes: ByEntries | ReadOnly, New: newPlainMap[K, V]}
}

type plainMap[K Key, V any] struct {
	entries map[K]V
	most    int
}

func newPlainMap[K Key, V any](l Limits[K, V]) (Store[K, V], error) {
	return &plainMap[K, V]{make(map[K]V, l.Entries), l.Entries}, nil
}

func (p *plainMap[K, V]) Get(key K) (V, bool) {
	v, ok := p.entries[key]
	return v, ok
}

// Set is for one goroutine.
func (p *plainMap[K, V]) Set(key K, value V) {
	if _, ok := p.entries[key]; ok || len(p.entries) < p.most {
		p.entries[key] = value
	}
}

func (p *plainMap[K, V]) Len() int { return len(p.entries) }
func (p *plainMap[K, V]) Settle()  {}
func (p *plainMap[K, V]) Close()   {}
