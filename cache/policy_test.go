package cache

import (
	"fmt"
	"math/rand"
	"testing"
)

// entries is what a policy needs to know, kept in plain columns.
type entries struct {
	hashes  []uint32
	counts  []uint8
	weights []uint32
}

func (m *entries) hash(i uint32) uint32       { return m.hashes[i] }
func (m *entries) hits(i uint32) uint8        { return m.counts[i] }
func (m *entries) setHits(i uint32, n uint8)  { m.counts[i] = n }
func (m *entries) foresee(i, _ uint32) uint32 { return m.hash(i) }
func (m *entries) weight(i uint32) uint32 {
	if m.weights == nil {
		return 1
	}
	return m.weights[i]
}

func newPolicy(meta slotMeta, slots int) *policy {
	p := &policy{meta: meta}
	p.reset()
	p.move(nil, slots)
	return p
}

// checkPolicy walks both queues of p and compares them with the slots in use.
func checkPolicy(t *testing.T, p *policy, used map[uint32]bool) {
	t.Helper()
	seen := map[uint32]bool{}
	for _, q := range []*queue{&p.small, &p.main} {
		var cost int64
		n, prev := 0, none
		for i := q.head; i != none; i = p.links[i].next {
			if seen[i] || !used[i] {
				t.Fatalf("slot %d: seen %v, used %v", i, seen[i], used[i])
			}
			if p.links[i].prev != prev {
				t.Fatalf("slot %d: prev is %d, want %d", i, p.links[i].prev, prev)
			}
			if p.queueOf(i) != q {
				t.Fatalf("slot %d: the stamp names the other queue", i)
			}
			seen[i], prev = true, i
			cost += int64(p.meta.weight(i))
			n++
		}
		if q.tail != prev || q.len != n || q.cost != cost {
			t.Fatalf("tail %d, want %d; len %d, want %d; cost %d, want %d", q.tail, prev, q.len, n, q.cost, cost)
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
		m := &entries{hashes: make([]uint32, n), counts: make([]uint8, n), weights: make([]uint32, n)}
		p := newPolicy(m, n)
		used := map[uint32]bool{}
		for range 4000 {
			i := uint32(r.Intn(n))
			switch op := r.Intn(100); {
			case op < 60 && !used[i]:
				m.hashes[i], m.counts[i], m.weights[i] = uint32(r.Intn(3*n))*2654435769, 0, uint32(1+r.Intn(9))
				used[i] = true
				p.add(i)
			case op < 60:
				m.counts[i] = min(3, m.counts[i]+1)
			case op < 80:
				v, ok := p.victim()
				if ok != (len(used) > 0) || ok && !used[v] {
					t.Fatalf("victim %d %v of %d", v, ok, len(used))
				}
				delete(used, v)
			case op < 94 && used[i]:
				p.remove(i)
				delete(used, i)
			case op < 98 && used[i]:
				c := uint32(1 + r.Intn(9))
				p.recost(i, m.weights[i], c)
				m.weights[i] = c
			case op == 98:
				// Compaction in a random order.
				moved := make([]uint32, n)
				old := *m
				*m = entries{hashes: make([]uint32, n), counts: make([]uint8, n), weights: make([]uint32, n)}
				now := map[uint32]bool{}
				perm := r.Perm(n)
				for i := range used {
					j := uint32(perm[i])
					moved[i] = j + 1
					m.hashes[j], m.counts[j], m.weights[j] = old.hashes[i], old.counts[i], old.weights[i]
					now[j] = true
				}
				p.move(moved, n)
				used = now
			case op == 99 && r.Intn(20) == 0:
				p.reset()
				p.move(nil, n)
				used = map[uint32]bool{}
			}
			checkPolicy(t, p, used)
		}
	}
}

// A newcomer outlives the eviction after its own, however hot main is: it goes only to make
// room for a younger one, or when the entry before it in small was hit and it was not.
func TestPolicyNewcomerResidency(t *testing.T) {
	for _, n := range []int{2, 16, 1000} {
		m := &entries{hashes: make([]uint32, n), counts: make([]uint8, n)}
		p := newPolicy(m, n)
		r := rand.New(rand.NewSource(1))
		i, last := uint32(0), none
		for k := range 20 * n {
			if k < n {
				i = uint32(k)
			} else {
				i, _ = p.victim()
				if i == last {
					t.Fatalf("n %d: the newcomer was evicted at once, add %d", n, k)
				}
			}
			m.hashes[i], m.counts[i] = r.Uint32(), 0
			p.add(i)
			last = i
			for range 3 {
				if j := r.Intn(min(n, k+1)); p.stamp[j]&inMain != 0 {
					m.counts[j] = 3
				}
			}
		}
	}
}

// A victim looks at few entries even if every reader is hitting everything.
func TestPolicyBoundedSweep(t *testing.T) {
	const n = 10_000
	m := &countingEntries{entries: entries{hashes: make([]uint32, n), counts: make([]uint8, n)}}
	p := newPolicy(m, n)
	for i := range uint32(n) {
		m.counts[i] = 3
		p.add(i)
	}
	for range 100 {
		m.looks = 0
		if _, ok := p.victim(); !ok || m.looks > maxSpared {
			t.Fatalf("%v after %d looks", ok, m.looks)
		}
	}
}

type countingEntries struct {
	entries
	looks int
}

func (m *countingEntries) hits(i uint32) uint8 { m.looks++; return m.entries.hits(i) }

func TestPolicyAllocates(t *testing.T) {
	p, step := steady(1000)
	if n := testing.AllocsPerRun(10_000, step); n != 0 {
		t.Fatalf("%v allocations", n)
	}
	_ = p
}

// steady returns a full policy and a step that evicts and adds.
func steady(n int) (*policy, func()) {
	m := &entries{hashes: make([]uint32, n), counts: make([]uint8, n)}
	p := newPolicy(m, n)
	z := rand.NewZipf(rand.New(rand.NewSource(1)), 1.01, 1, uint64(20*n))
	keys := make([]uint32, 1<<20)
	for i := range keys {
		keys[i] = uint32(z.Uint64()) * 2654435769
	}
	k := 0
	for i := range uint32(n) {
		m.hashes[i] = keys[k]
		k++
		p.add(i)
	}
	step := func() {
		i, _ := p.victim()
		k++
		m.hashes[i], m.counts[i] = keys[k&(1<<20-1)], 0
		p.add(i)
		j := keys[(k*7)&(1<<20-1)] % uint32(n) // a hit somewhere
		if m.counts[j] < 3 {
			m.counts[j]++
		}
	}
	for range 4 * n {
		step()
	}
	return p, step
}

func BenchmarkPolicyAddVictim(b *testing.B) {
	for _, n := range []int{16, 1000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) {
			_, step := steady(n)
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
	for _, after := range []int{0, 1, ghostLife, ghostLife + 1, 63, 64, 65, 70, 128, 130} {
		const hash = 123456789
		g.put(hash, 9, true)
		tick := uint16(9)
		for m := range after * live / ticksPerTurn {
			tick = uint16(9 + (m+1)*ticksPerTurn/live)
			g.expire(tick, live)
		}
		for range live { // all of one round at this very tick
			g.expire(tick, live)
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
