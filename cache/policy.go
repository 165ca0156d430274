package cache

// A policy chooses what a full shard evicts. It knows slots by number, and neither
// keys nor values nor locks: the shard's lock must be held around every call.
//
// It is S3-FIFO (Yang et al., SOSP 2023) with the admission rule of LIRS (Jiang and
// Zhang, SIGMETRICS 2002) and a border that moves as in ARC (Megiddo and Modha, FAST
// 2003). A hit only raises a counter in the slot, which the policy meets here later:
//
//   - small is a queue for newcomers, so that each gets a first residency. What
//     leaves it is remembered as a ghost.
//   - main is a queue for entries that came back. Both are CLOCKs: an entry at the
//     tail that was hit goes to the head again and pays for it with one hit.
//   - A ghost that returns enters main if it was away for less than gate times as long
//     as main's next victim has been idle; otherwise it is a newcomer. In a loop
//     over more keys than fit, every entry of main is hit before it is idle for long:
//     nothing is replaced, and main keeps hitting.
//   - A ghost that returns at once says that its queue was too short, and the border
//     between the queues moves its way.
//   - Admissions that were not hit before they were evicted close the gate, those
//     that were open it: it closes where coming back says nothing about the future,
//     as in a scan that goes to and fro.
//
// Invariants: each entry is in exactly one queue, that of its node; a queue's cost is
// the sum of its entries' costs. checkPolicy walks them.
//
// Time is counted in misses. A tick is a sixteenth of the number of live entries, so
// that all that is said in ticks scales with the cache, which grows and shrinks.
type policy struct {
	// What belongs to each slot. A reader may raise the hits in a header at any time, up to three.
	slots headers
	nodes []node
	costs []uint32 // nil: zero for all
	base  uint32   // what a slot costs beside that; zero: whatever there is, all cost one

	ghosts ghosts // from its hand on, each eviction writes what follows: see shard

	small, main queue

	share  float32 // of all cost, for small to hold
	moved  float32 // how far ghosts have moved share in this tick
	gate   float32
	misses int32 // since the last tick
	peak   int64 // highest cost so far; a cache that exceeds it is filling up
	tick   uint16
	last   lastVictim
}

// live returns the number of entries.
func (p *policy) live() int { return p.small.len + p.main.len }

const (
	ticksPerTurn = 16     // ticks in as many misses as there are entries
	maxSpared    = 64     // entries a call gives another round: bounds the time under the lock
	startShare   = 0.02   // of small
	minShare     = 0.01   //
	maxShare     = 0.9    // main must be there to say that small is too long
	shareStep    = 0.01   // per ghost that returned at once
	shareReach   = 0.05   // the most that these move it in one tick
	shareDrift   = 0.0001 // per eviction from small: it shrinks unless ghosts widen it
	openGate     = 0.75   // less than 1: a loop's ghosts and victims are equally old
	gateStep     = 0.02   // per outcome of an admission
	gateDrift    = 0.0004 // per refusal, so that a closed gate opens in the end
)

// reset forgets all entries and ghosts.
func (p *policy) reset() {
	*p = policy{
		base:  p.base,
		small: emptyQueue,
		main:  emptyQueue,
		share: startShare,
		gate:  openGate,
		tick:  p.tick,
		last:  p.last,
	}
}

// add enters slot i, whose entry is new and has no hits yet. It takes constant time.
func (p *policy) add(i uint32) {
	p.miss()
	cost := int64(p.weight(i))
	total := p.small.cost + p.main.cost + cost
	ghost := p.ghosts.take(p.slots.at(i).hash(), p.tick)
	room := (ghost.found || total > p.peak) && p.main.cost+cost <= total-p.target(total)
	if ghost.found && ghost.age <= 1 {
		p.moveBorder(ghost.leftMain)
	}
	switch {
	case room:
		// Main is founded with what comes first: if it waited for ghosts, it
		// would stay empty in a loop, which fills the cache but leaves too early.
		p.push(&p.main, i, inMain)
	case ghost.found && !ghost.leftMain && p.admit(ghost.age, cost):
		p.push(&p.main, i, inMain|onTrial)
	default:
		p.push(&p.small, i, 0)
	}
	p.peak = max(p.peak, total)
}

// remove forgets slot i, whose entry was deleted or has expired.
func (p *policy) remove(i uint32) { p.unlink(p.queueOf(i), i) }

// recost tells that the cost of the entry in slot i changes.
func (p *policy) recost(i uint32, from, to uint32) {
	p.queueOf(i).cost += int64(to) - int64(from)
}

// weight returns the cost of the entry in slot i, at least one. See recost.
func (p *policy) weight(i uint32) uint32 {
	switch {
	case p.base == 0:
		return 1
	case p.costs == nil:
		return p.base
	}
	return p.base + p.costs[i]
}

// over returns the queue that holds more than its part, which is not empty unless both are.
func (p *policy) over() *queue {
	if p.main.len == 0 || p.small.len > 0 && p.small.cost >= p.target(p.small.cost+p.main.cost) {
		return &p.small
	}
	return &p.main
}

// victim takes out the entry to evict, and returns it; none is none. It spares at most maxSpared entries, each of
// which has paid for it with a hit: so its time is bounded, and constant per hit and eviction on average.
func (p *policy) victim() uint32 {
	if p.live() == 0 {
		return none
	}
	return p.victimOf(p.over())
}

// victimOf is victim for who knows already which queue is over.
func (p *policy) victimOf(q *queue) uint32 {
	if q == &p.small {
		p.share = max(minShare, p.share-shareDrift)
	}
	for range maxSpared {
		if !p.spare(q) {
			break
		}
	}
	i, n := p.pop(q)
	if n&onTrial != 0 {
		p.moveGate(-gateStep)
	}
	p.last = lastVictim{tick: p.tick, idle: p.since(n), any: true}
	p.ghosts.put(p.slots.at(i).hash(), p.tick, q == &p.main)
	return i
}

// policyBytes returns what a policy of so many slots costs beside its own words.
func policyBytes(slots int) int64 {
	return roundUp(int64(slots)*8, false) + roundUp(int64(ghostBuckets(slots))*8, false)
}

// move renumbers the slots: an entry in slot i is now in slot moved[i]-1, and slots
// whose number is zero hold none. There are now n slots, and moved has
// one for each that may have held an entry.
func (p *policy) move(moved []uint32, n int, slots headers, costs []uint32) {
	renumber := func(i uint32) uint32 {
		if i == none {
			return none
		}
		return (moved[i] - 1) & none // it may be none by now: see pop
	}
	nodes := make([]node, n)
	for i, m := range moved {
		if m != 0 {
			d := p.nodes[i]
			nodes[m-1] = nodeOf(renumber(d.newer()), renumber(d.older()), d.stamp())
		}
	}
	p.slots, p.nodes, p.costs = slots, nodes, costs
	p.ghosts.fit(n)
	p.ghosts.setPace(p.live() + 1)
	for _, q := range []*queue{&p.small, &p.main} {
		q.head, q.tail = renumber(q.head), renumber(q.tail)
	}
}

// miss advances the clock.
func (p *policy) miss() {
	if p.misses++; int(p.misses)*ticksPerTurn > p.live() {
		p.misses, p.moved = 0, 0
		p.tick++
		p.ghosts.setPace(p.live() + 1)
	}
	p.ghosts.expire(p.tick)
}

// target returns the cost that small should hold of a total. It is two at least, so that
// where every cost is one a newcomer is not the next to go, unless the one before it
// was hit and it was not.
func (p *policy) target(total int64) int64 {
	return max(2, int64(float64(p.share)*float64(total)))
}

// moveBorder gives room to the queue that an entry left just before it was wanted.
// Main gets it back twice as fast as it loses it.
//
// What returns in one burst says less than what goes on returning: where a scan turns
// round, all that small lost of late comes back at once, and is not wanted again until the next turn. So
// the border moves no further than shareReach in a tick.
func (p *policy) moveBorder(toMain bool) {
	by := float32(shareStep)
	if toMain {
		by *= -2
	}
	moved := min(shareReach, max(-shareReach, p.moved+by))
	p.share = min(maxShare, max(minShare, p.share+moved-p.moved))
	p.moved = moved
}

func (p *policy) moveGate(by float32) {
	p.gate = min(openGate, max(0, p.gate+by))
}

// admit decides whether an entry of the given cost, that was away for age ticks,
// is worth more than main's next victim, which will then be evicted in its turn. Both
// are weighed by the cost that they occupy for so long to give one hit.
func (p *policy) admit(age uint16, cost int64) bool {
	for range maxSpared {
		if p.spare(&p.main) {
			continue
		}
		v := p.main.tail
		if v == none {
			return true
		}
		if float64(age)*float64(cost) <= float64(p.gate)*float64(p.idle(v))*float64(p.weight(v)) {
			return true
		}
		p.moveGate(gateDrift)
		return false
	}
	return false
}

// idle returns for how many ticks slot i has been in its place.
func (p *policy) idle(i uint32) uint16 { return p.since(p.nodes[i]) }

func (p *policy) since(n node) uint16 { return (p.tick - n.tick()) & tickMask }

// spare gives the entry at the tail of q another round for one of its hits, and
// reports whether it had one.
func (p *policy) spare(q *queue) bool {
	i := q.tail
	if i == none {
		return false
	}
	sl := p.slots.at(i)
	hits := sl.hits()
	if hits == 0 {
		return false
	}
	if p.nodes[i]&onTrial != 0 {
		p.moveGate(3 * gateStep)
	}
	sl.setHits(hits - 1)
	_, n := p.pop(q)
	p.push(q, i, n&inMain)
	return true
}
