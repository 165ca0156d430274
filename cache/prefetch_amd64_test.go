package cache

import (
	"testing"
	"unsafe"
)

// Whatever the processor knows, a hint changes nothing and may point anywhere.
func TestPrefetchIsAHint(t *testing.T) {
	defer func(known bool) { fetchesForWriting = known }(fetchesForWriting)
	for _, fetchesForWriting = range []bool{false, fetchesForWriting} {
		b := new([64]byte)
		p := unsafe.Pointer(b)
		prefetch(p, p, p, p, p)
		prefetch(nil, nil, nil, nil, nil)
		if *b != [64]byte{} {
			t.Fatal("written")
		}
		TestAShardThatCannotGrowEvicts(t)
	}
}
