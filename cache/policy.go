package cache

// A policy chooses which entry goes: CLOCK over the slots of a shard.
type policy struct {
	hand uint32
	used []bool
}

func policyBytes(slots int) int64 { return roundUp(int64(slots), false) }

func (p *policy) add(i, h uint32) { p.used[i] = true }

func (p *policy) remove(i uint32) { p.used[i] = false }

type hitter interface {
	hits(i uint32) uint8
	setHits(i uint32, n uint8)
}

func (p *policy) victim(slots hitter) uint32 {
	for {
		p.hand++
		if int(p.hand) >= len(p.used) {
			p.hand = 0
		}
		if !p.used[p.hand] {
			continue
		}
		if h := slots.hits(p.hand); h > 0 {
			slots.setHits(p.hand, h-1)
			continue
		}
		p.used[p.hand] = false
		return p.hand
	}
}

func (p *policy) reset() { *p = policy{} }

func (p *policy) move(moved []uint32, slots int) {
	q := make([]bool, slots)
	for i, m := range moved {
		if m != 0 && p.used[i] {
			q[m-1] = true
		}
	}
	p.used, p.hand = q, 0
}
