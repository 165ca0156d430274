package trace

import "math/rand/v2"

// Synthetic makes up traces of the four kinds that tell policies apart, of so many accesses each,
// always the same ones.
func Synthetic(accesses int) []Trace {
	distinct := max(accesses/10, 10)
	return []Trace{
		number("zipf", zipf(accesses, distinct)),
		number("zipf-scan", zipfWithScans(accesses, distinct)),
		number("loop", loops(accesses, distinct)),
		number("shift", shifting(accesses, distinct)),
	}
}

// zipf is skewed as the requests of a web site are.
func zipf(accesses, distinct int) []int {
	return zipfOver(source(1), 1.01, accesses, distinct)
}

func zipfOver(r *rand.Rand, skew float64, accesses, distinct int) []int {
	z := rand.NewZipf(r, skew, 1, uint64(distinct-1))
	keys := make([]int, accesses)
	for i := range keys {
		keys[i] = int(z.Uint64())
	}
	return keys
}

// zipfWithScans is interrupted, now and then, by a walk over keys that never come again.
func zipfWithScans(accesses, distinct int) []int {
	keys := zipfOver(source(2), 1.2, accesses, distinct)
	next := distinct
	scan := max(distinct/4, 1)
	for start := scan; start+scan <= accesses; start += 4 * scan {
		for i := range scan {
			keys[start+i] = next
			next++
		}
	}
	return keys
}

// loops walks over a set of keys again and again, then over one four times as
// large: what LRU does worst.
func loops(accesses, distinct int) []int {
	keys := make([]int, accesses)
	small, large := max(distinct/10, 1), max(distinct*4/10, 1)
	for i := range keys {
		if i < accesses/2 {
			keys[i] = i % small
		} else {
			keys[i] = small + i%large
		}
	}
	return keys
}

// shifting replaces its hot keys by others ten times.
func shifting(accesses, distinct int) []int {
	keys := zipfOver(source(3), 1.1, accesses, distinct/5+2)
	for i := range keys {
		keys[i] += i * 10 / accesses * (distinct/5 + 2)
	}
	return keys
}

func source(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// number renumbers keys in order of first sight.
func number(name string, keys []int) Trace {
	t := Trace{Name: name, Keys: make([]uint32, len(keys))}
	numbers := make(map[int]uint32)
	for i, key := range keys {
		n, seen := numbers[key]
		if !seen {
			n = uint32(len(numbers))
			numbers[key] = n
		}
		t.Keys[i] = n
	}
	t.Distinct = len(numbers)
	return t
}
