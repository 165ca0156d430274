package cache

import (
	"runtime/metrics"
	"sync"
)

// largestClass is the largest size, in bytes, that the allocator rounds to a size
// class; what is larger gets whole pages.
const largestClass = 32 << 10

// sizeClasses are, by size in units of eight bytes, what the allocator takes for that
// size.
type sizeClasses [largestClass/8 + 1]uint16

// classes asks the runtime, which has a histogram with a bucket for each class.
var classes = sync.OnceValue(func() *sizeClasses {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs-by-size:bytes"}}
	metrics.Read(sample)
	var sizes []int
	if sample[0].Value.Kind() == metrics.KindFloat64Histogram {
		for _, bound := range sample[0].Value.Float64Histogram().Buckets {
			if bound > 1 && bound <= largestClass+1 {
				sizes = append(sizes, int(bound)-1) // a bucket ends one above its class
			}
		}
	}
	table := new(sizeClasses)
	for i := 1; i < len(table); i++ {
		for len(sizes) > 0 && sizes[0] < i*8 {
			sizes = sizes[1:]
		}
		table[i] = uint16(i * 8)
		if len(sizes) > 0 {
			table[i] = uint16(sizes[0])
		}
	}
	return table
})

// roundUp returns what the allocator takes for n bytes: its size classes, with a
// header of eight bytes for most of what holds pointers, and whole pages of 8 KiB beyond.
func roundUp(n int64, pointers bool) int64 {
	if pointers && n > 512 && n <= largestClass-8 {
		n += 8
	}
	return classes().round(n)
}

// round is roundUp for what holds no pointers.
func (c *sizeClasses) round(n int64) int64 {
	if n > largestClass {
		return (n + 8191) &^ 8191
	}
	return int64(c[(n+7)/8])
}
