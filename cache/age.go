package cache

import "time"

// ages tells how old the last victim was, to a tick of the policy: without a column
// for the time of each insertion, and without a look at the clock for each eviction.
type ages struct {
	ticks     [64]instant // when each of the last ticks began, by its number modulo 64
	tick      uint16      // the last one
	victimAt  instant     // when the last victim went; zero: there was none
	victimAge instant
}

// turn notes that the policy's clock stands at tick since now.
func (a *ages) turn(tick uint16, now instant) {
	if a.tick != tick || a.ticks[tick&63] == 0 {
		a.tick = tick
		a.ticks[tick&63] = now
	}
}

// evicted notes the age of a victim, in ticks since it was placed in its queue. What
// is older than the ring is as old as the ring.
func (a *ages) evicted(age uint16) {
	a.victimAt = a.ticks[a.tick&63]
	a.victimAge = a.victimAt - a.ticks[(a.tick-min(age, a.tick, 63))&63]
}

// later returns whichever knows of the later victim.
func (a *ages) later(b *ages) *ages {
	if b.victimAt > a.victimAt {
		return b
	}
	return a
}

func (a *ages) lastVictim() time.Duration { return time.Duration(a.victimAge << instantShift) }
