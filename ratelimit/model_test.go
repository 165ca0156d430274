package ratelimit

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Of trackers of all kinds none lets a source, a network or an account have more than it may, in the window and
// in the long one, whatever was evicted and whichever attempts end in whatever order, and no lock-out ends
// early: compared with a model that forgets nothing.
func TestNoTrackerLetsMoreInThanItMay(t *testing.T) {
	if RaceDetector {
		t.Skip("one goroutine alone")
	}
	var letIn, denied, evicted int
	for seed := range uint64(40) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			m := newModel(t, rand.New(rand.NewPCG(seed, 77)))
			for n := 0; n < 6000 && m.now < int64(25*365*24*time.Hour); n++ {
				m.pass()
				l := m.someone()
				m.attempt(l)
				for len(m.open) > 0 && m.r.IntN(3) > 0 {
					m.settle()
				}
				if m.r.IntN(300) == 0 {
					clockwork{m.tracker}.sweep(m.now)
				}
				if n%500 == 0 {
					checkInvariants(t, m.tracker)
				}
			}
			checkInvariants(t, m.tracker)
			letIn, denied, evicted = letIn+m.letIn, denied+m.denied, evicted+int(m.tracker.Stats().EvictedLive)
		})
	}
	require.Greater(t, min(letIn, denied, evicted), 10_000)
}

// A model remembers every charge of every source, network and account of a tracker that was let in and not given
// back, for ever, and every lock-out.
type model struct {
	t       *testing.T
	r       *rand.Rand
	config  Config
	tracker *Tracker
	now     int64
	step    int64 // from one attempt to the next, in the mean

	charges       map[any][]int64  // by source, longKey, networkKey or accountKey
	lockouts      map[source]int64 // the latest end
	open          []guessed
	letIn, denied int
}

type guessed struct {
	login
	id int64
}

type networkKey struct {
	bits int
	of   uint64
}

type accountKey uint64

// A longKey is a source in the long window, since it came to the table.
type longKey source

// pick returns one of some numbers.
func pick(r *rand.Rand, of ...int64) int64 { return of[r.IntN(len(of))] }

// randomConfig returns one that is valid, of few addresses, so that most are evicted.
func randomConfig(r *rand.Rand) (c Config) {
	c.Failures = int(pick(r, 1, 2, 3, 5, 5, 6, 11, 64))
	c.Window = time.Duration(pick(r, 1, 1000, 1e9, 20e9, 900e9, 901e9+7, 86400e9, 30*86400e9, 365*86400e9))
	c.MaxAddresses = int(pick(r, 1, 2, 3, 5, 16, 30))
	c.AccountFailures = int(pick(r, -1, 1, 3, 10, 255))
	if c.LongWindow = c.Window * time.Duration(pick(r, 1, 2, 90)); c.LongWindow > longest {
		c.LongWindow = c.Window
	}
	c.LongFailures = int(pick(r, -1, int64(c.Failures), int64(min(255, 3*c.Failures)), 255))
	lockout := max(1, c.Window*time.Duration(pick(r, 0, 1, 1, 4))/time.Duration(pick(r, 1, 3)))
	c.Lockout, c.MaxLockout = min(lockout, longest), min(lockout*time.Duration(pick(r, 1, 5, 24)), longest)
	c.Prefixes = []PrefixLimit{}
	if r.IntN(2) == 0 {
		c.Prefixes = append(c.Prefixes, PrefixLimit{Bits: 60, Failures: 4 + r.IntN(60)},
			PrefixLimit{Bits: 56, Failures: 10 + r.IntN(240)}, PrefixLimit{IPv4: true, Bits: 28, Failures: 3 + r.IntN(100)})
	}
	return c.withDefaults()
}

func newModel(t *testing.T, r *rand.Rand) *model {
	c := randomConfig(r)
	require.NoError(t, c.Validate())
	return &model{
		t: t, r: r, config: c, tracker: newTracker(c, int(pick(r, 1, 2, 4))),
		now:     1 + r.Int64N(int64(c.LongWindow)*2),
		step:    max(1, int64(c.Window)/pick(r, 50, 300, 3000)),
		charges: map[any][]int64{}, lockouts: map[source]int64{},
	}
}

// pass lets time pass: now and then some windows.
func (m *model) pass() {
	m.now += m.r.Int64N(2*m.step + 1)
	if m.r.IntN(800) == 0 {
		m.now += m.r.Int64N(3 * int64(m.config.Window))
	}
}

// someone returns a login from one of a few sources, a third of the time from one that guesses a lot, and every
// other one to an account.
func (m *model) someone() (l login) {
	s := newSource(uint64(m.r.IntN(40))*uint64(pick(m.r, 1, 1, 9)), family(m.r.IntN(2)))
	if m.r.IntN(3) == 0 {
		s = newSource(3, family(m.r.IntN(2)))
	}
	m.tracker.shared.name(&l, s)
	if m.r.IntN(2) == 0 {
		l.account = m.tracker.shared.hash(source(m.r.IntN(4))) | 1
	}
	return l
}

// attempt makes one, and holds what became of it against the model.
func (m *model) attempt(l login) {
	sh := m.tracker.shardOf(l.source)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for {
		i, ok := sh.find(l.hash, l.source)
		if !ok {
			delete(m.charges, longKey(l.source)) // each time it comes it has a window's worth left
		}
		id, _, v := sh.charge(&l, i, ok, m.now)
		switch v.kind {
		case noRoom:
			m.tracker.makeRoom(sh, l.source.family(), m.now)
			continue
		case allowed:
			m.open = append(m.open, guessed{l, id})
			if id > 0 { // and else it is that of an acquaintance: see known
				m.letIn++
				m.charged(&l, id)
			}
		default:
			require.Greater(m.t, v.until, m.now)
			m.denied++
		}
		return
	}
}

// charged requires that a charge was allowed, and remembers it.
func (m *model) charged(l *login, id int64) {
	require.GreaterOrEqual(m.t, m.now, m.lockouts[l.source], "locked out until then")
	limits := m.limits(l)
	for key, limit := range limits {
		if _, ok := key.(accountKey); !ok {
			require.Less(m.t, m.within(key, id), limit, "%T %v", key, key)
		}
		m.charges[key] = append(m.charges[key], id)
	}
	key := accountKey(l.account)
	limit, ok := limits[key]
	if !ok {
		return
	}
	if _, known := m.tracker.shared.accounts.known.find(l); known != nil {
		return
	}
	if of := m.charges[key]; m.within(key, id) > limit && len(of) > 1 {
		pace := int64(m.config.Window) / int64(limit)
		require.GreaterOrEqual(m.t, id-of[len(of)-2], pace, "an account that has too many gets one at a time")
	}
}

// limits returns how many charges whatever a login is charged to may have in a window: its source, its networks
// and its account.
func (m *model) limits(l *login) map[any]int {
	limits := map[any]int{l.source: m.config.Failures}
	if m.config.LongFailures > 0 {
		limits[longKey(l.source)] = m.config.LongFailures
	}
	for _, p := range m.tracker.shared.rule.tiers[l.source.family()] {
		limits[networkKey{p.bits, uint64(l.source) >> p.shift}] = p.limit
	}
	if l.account != 0 && m.config.AccountFailures > 0 {
		limits[accountKey(l.account)] = m.config.AccountFailures
	}
	return limits
}

// within returns how many charges were made in the window, or in the long one.
func (m *model) within(key any, now int64) (n int) {
	span := m.config.Window
	if _, ok := key.(longKey); ok {
		span = m.config.LongWindow
	}
	for _, at := range m.charges[key] {
		if at+int64(span) > now {
			n++
		}
	}
	return n
}

// settle ends one of the attempts that are open, most of them as failures. Now and then it is ended again later.
func (m *model) settle() {
	k := m.r.IntN(len(m.open))
	g := &m.open[k]
	l, id := g.login, g.id
	if m.r.IntN(12) > 0 {
		*g = m.open[len(m.open)-1]
		m.open = m.open[:len(m.open)-1]
	}
	how := failed
	if m.r.IntN(6) == 0 {
		how = outcome(m.r.IntN(3))
	}
	sh := m.tracker.shardOf(l.source)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if how != failed && id > 0 {
		m.giveBack(sh, &l, id, how)
	}
	lockouts := sh.counts.lockouts
	if i, ok := sh.find(l.hash, l.source); !ok || how != failed || !sh.confirm(i, l.source, id) {
		sh.settle(&l, id, how, m.now)
	}
	if sh.counts.lockouts > lockouts {
		i, ok := sh.find(l.hash, l.source)
		require.True(m.t, ok)
		m.lockouts[l.source] = max(m.lockouts[l.source], sh.pool.entries[i].lockedUntil)
		require.GreaterOrEqual(m.t, m.within(l.source, m.now), m.config.Failures, "nobody is locked for what others did")
	}
}

// giveBack forgets what an attempt that ends gives back: its own charge, and if it succeeds those of the
// failures at its account.
func (m *model) giveBack(sh *shard, l *login, id int64, how outcome) {
	i, j, ok := sh.entryOf(l, id)
	if !ok {
		return
	}
	gone := []int64{id}
	if how == succeeded && l.account != 0 {
		var near [nearCharges]int64
		for k, at := range sh.stampsOf(i, &near) {
			if k != j && k < int(sh.pool.entries[i].own) && sh.openOf(i)>>k&1 == 0 && sh.marksOf(i)[k].account() == l.mark().account() {
				gone = append(gone, at)
			}
		}
	}
	for key := range m.limits(l) {
		for _, at := range gone {
			if j := slices.Index(m.charges[key], at); j >= 0 { // another table may have made one at the same time
				m.charges[key] = slices.Delete(m.charges[key], j, j+1)
			}
		}
	}
}
