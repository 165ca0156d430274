package cache

import (
	"fmt"
	"math/rand"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// A bench is a policy over slots that hold nothing but their headers.
type bench struct {
	*policy
	slots []header
}

func newBench(slots int, weighted bool) *bench {
	b := &bench{policy: &policy{}, slots: make([]header, slots)}
	var costs []uint32
	if weighted {
		b.base, costs = 1, make([]uint32, slots)
	}
	b.reset()
	b.move(nil, slots, headers{unsafe.Pointer(&b.slots[0]), unsafe.Sizeof(header{})}, costs)
	return b
}

// put gives slot i another entry.
func (b *bench) put(i, hash uint32) {
	b.slots[i].head.Store(uint64(hash))
	b.slots[i].meta.Store(0)
	b.add(i)
}

func (b *bench) setHits(i uint32, n uint64) { b.slots[i].meta.Store(n) }

// checkPolicy walks both queues of p and compares them with the slots in use.
func checkPolicy(t testing.TB, p *policy, used map[uint32]bool) {
	t.Helper()
	seen := map[uint32]bool{}
	for _, q := range []*queue{&p.small, &p.main} {
		var cost int64
		n, prev := 0, none
		for i := q.tail; i != none; i = p.nodes[i].newer() {
			if seen[i] || !used[i] {
				t.Fatalf("slot %d: seen %v, used %v", i, seen[i], used[i])
			}
			if prev != none && p.nodes[i].older() != prev {
				t.Fatalf("slot %d: older is %d, want %d", i, p.nodes[i].older(), prev)
			}
			if p.queueOf(i) != q {
				t.Fatalf("slot %d: the stamp names the other queue", i)
			}
			seen[i], prev = true, i
			cost += int64(p.weight(i))
			n++
		}
		if q.head != prev || q.len != n || q.cost != cost {
			t.Fatalf("head %d, want %d; len %d, want %d; cost %d, want %d", q.head, prev, q.len, n, q.cost, cost)
		}
	}
	if len(seen) != len(used) {
		t.Fatalf("%d in the queues, %d in use", len(seen), len(used))
	}
	if p.share < minShare || p.share > maxShare || p.gate < 0 || p.gate > openGate {
		t.Fatalf("share %v, gate %v", p.share, p.gate)
	}
}

func TestPolicyRandomOperations(t *testing.T) {
	for seed := range int64(30) {
		r := rand.New(rand.NewSource(seed))
		n := 1 + r.Intn(60)
		b := newBench(n, true)
		used := map[uint32]bool{}
		for range 4000 {
			i := uint32(r.Intn(n))
			switch op := r.Intn(100); {
			case op < 60 && !used[i]:
				used[i] = true
				b.costs[i] = uint32(r.Intn(9))
				b.put(i, uint32(r.Intn(3*n))*2654435769)
			case op < 60:
				b.setHits(i, min(3, b.slots[i].hits()+1))
			case op < 80:
				v := b.victim()
				if (v != none) != (len(used) > 0) || v != none && !used[v] {
					t.Fatalf("victim %d of %d", v, len(used))
				}
				delete(used, v)
			case op < 94 && used[i]:
				b.remove(i)
				delete(used, i)
			case op < 98 && used[i]:
				before := b.weight(i)
				b.costs[i] = uint32(r.Intn(9))
				b.recost(i, before, b.weight(i))
			case op == 98:
				// Compaction in a random order.
				moved := make([]uint32, n)
				next := newBench(n, true)
				now := map[uint32]bool{}
				perm := r.Perm(n)
				for i := range used {
					j := uint32(perm[i])
					moved[i] = j + 1
					next.slots[j].head.Store(b.slots[i].head.Load())
					next.slots[j].meta.Store(b.slots[i].meta.Load())
					next.costs[j] = b.costs[i]
					now[j] = true
				}
				b.move(moved, n, next.policy.slots, next.costs)
				b.slots, used = next.slots, now
			case op == 99 && r.Intn(20) == 0:
				b = newBench(n, true)
				used = map[uint32]bool{}
			}
			checkPolicy(t, b.policy, used)
		}
	}
}

// A newcomer outlives the eviction after its own, however hot main is: it goes only to make
// room for a younger one, or when the entry before it in small was hit and it was not.
func TestPolicyNewcomerResidency(t *testing.T) {
	for _, n := range []int{2, 16, 1000} {
		b := newBench(n, false)
		r := rand.New(rand.NewSource(1))
		i, last := uint32(0), none
		for k := range 20 * n {
			if k < n {
				i = uint32(k)
			} else {
				i = b.victim()
				if i == last {
					t.Fatalf("n %d: the newcomer was evicted at once, add %d", n, k)
				}
			}
			b.put(i, r.Uint32())
			last = i
			for range 3 {
				if j := r.Intn(min(n, k+1)); b.nodes[j]&inMain != 0 {
					b.setHits(uint32(j), 3)
				}
			}
		}
	}
}

// A victim looks at few entries even if every reader is hitting everything.
func TestPolicyBoundedSweep(t *testing.T) {
	const n = 10_000
	b := newBench(n, false)
	for i := range uint32(n) {
		b.put(i, i*2654435769)
		b.setHits(i, 3)
	}
	sum := func() (hits uint64) {
		for i := range b.slots {
			hits += b.slots[i].hits()
		}
		return hits
	}
	for range 100 {
		before := sum()
		i := b.victim()
		if i == none || before-sum() > maxSpared {
			t.Fatalf("%d after %d looks", i, before-sum())
		}
		b.setHits(i, 0)
	}
}

// A scan that goes to and fro over twice what fits hits two times of five. Each turn brings back what small lost
// of late, and the border must not follow: with each step taken it would be one time of four.
func TestToAndFro(t *testing.T) {
	for _, n := range []int{500, 5000} {
		c, err := New(Config[int, int]{MaxEntries: n})
		require.NoError(t, err)
		for pass := range 20 {
			for i := range 2 * n {
				if pass%2 == 1 {
					i = 2*n - 1 - i
				}
				if _, ok := c.Get(i); !ok {
					c.Set(i, i)
				}
			}
		}
		require.Greater(t, c.Stats().HitRatio(), 0.39, "of %d", n)
	}
}

// A cache whose keys are all replaced by others has these before it was turned over once.
func TestChangedKeySet(t *testing.T) {
	const n = 5000
	c, err := New(Config[int, int]{MaxEntries: n})
	require.NoError(t, err)
	r := rand.New(rand.NewSource(1))
	for phase := range 8 {
		before := c.Stats()
		for range 10 * n {
			k := phase*n + r.Intn(n*9/10)
			if _, ok := c.Get(k); !ok {
				c.Set(k, k)
			}
		}
		after := c.Stats()
		require.Less(t, after.Misses-before.Misses, uint64(2*n), "phase %d", phase)
	}
}

func TestPolicyAllocates(t *testing.T) {
	if n := testing.AllocsPerRun(10_000, steady(1000)); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

// steady fills a policy and returns a step that evicts and adds.
func steady(n int) (step func()) {
	b := newBench(n, false)
	z := rand.NewZipf(rand.New(rand.NewSource(1)), 1.01, 1, uint64(20*n))
	keys := make([]uint32, 1<<20)
	for i := range keys {
		keys[i] = uint32(z.Uint64()) * 2654435769
	}
	k := 0
	for i := range uint32(n) {
		b.put(i, keys[k])
		k++
	}
	step = func() {
		i := b.victim()
		k++
		b.put(i, keys[k&(1<<20-1)])
		j := keys[(k*7)&(1<<20-1)] % uint32(n) // a hit somewhere
		b.setHits(j, min(3, b.slots[j].hits()+1))
	}
	for range 4 * n {
		step()
	}
	return step
}

func BenchmarkPolicyAddVictim(b *testing.B) {
	for _, n := range []int{16, 1000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) {
			step := steady(n)
			b.ReportAllocs()
			for b.Loop() {
				step()
			}
		})
	}
}

// A ghost is found for ghostLife ticks and never after, while the clock runs as it does.
func TestGhostLife(t *testing.T) {
	const live = 64
	var g ghosts
	g.fit(live)
	g.setPace(live)
	for _, after := range []int{0, 1, ghostLife, ghostLife + 1, 63, 64, 65, 70, 128, 130} {
		const hash = 123456789
		g.put(hash, 9, true)
		tick := uint16(9)
		for m := range after * live / ticksPerTurn {
			tick = uint16(9 + (m+1)*ticksPerTurn/live)
			g.expire(tick)
		}
		for range live { // all of one round at this very tick
			g.expire(tick)
		}
		got := g.take(hash, tick)
		want := ghost{}
		if after <= ghostLife {
			want = ghost{found: true, age: uint16(after), leftMain: true}
		}
		if got.found != want.found || want.found && got != want {
			t.Fatalf("after %d ticks: %+v, want %+v", after, got, want)
		}
		if g.take(hash, tick).found {
			t.Fatal("found twice")
		}
	}
}

// A bucket remembers four, one whose fingerprint would be zero among them, and forgets the oldest for a fifth,
// wherever that is.
func TestAFullBucketForgetsTheOldest(t *testing.T) {
	hashes := []uint32{0, 2, 3, 4}
	for oldest := range hashes {
		g := ghosts{buckets: make([]ghostBucket, 1)}
		for i, h := range hashes {
			tick := uint16(20 + i)
			if i == oldest {
				tick = 10
			}
			g.put(h, tick, i%2 == 0)
		}
		g.put(5, 30, false)
		require.True(t, g.take(5, 30).found)
		for i, h := range hashes {
			want := ghost{}
			if i != oldest {
				want = ghost{found: true, age: uint16(10 - i), leftMain: i%2 == 0}
			}
			require.Equal(t, want, g.take(h, 30), "%d, the oldest is %d", i, oldest)
		}
		require.Zero(t, g.buckets[0])
	}
}
