package cache

// ages tells how old the last victim was, to a tick of the policy: without a column
// for the time of each insertion, and without a look at the clock for each eviction.
type ages struct {
	ticks [64]instant // when each of the last ticks began, by its number modulo 64
}

// A lastVictim is the entry that was evicted last, in ticks of the policy.
type lastVictim struct {
	tick uint16 // when it went
	idle uint16 // for how long it had been in its place
	any  bool
}

// turn notes when a tick began.
func (a *ages) turn(tick uint16, now instant) { a.ticks[tick%64] = now }

// of returns when the last victim went and how old it was, at the given tick. What is older
// than the ring is as old as the ring.
func (a *ages) of(v lastVictim, tick uint16) (at, age instant) {
	if !v.any {
		return 0, 0
	}
	last := tick - 63 // the oldest tick in the ring
	if gone := tick - v.tick; gone > 63 {
		v.tick = last
	}
	came := v.tick - min(v.idle, v.tick-last)
	at = a.ticks[v.tick%64]
	return at, at - a.ticks[came%64]
}
