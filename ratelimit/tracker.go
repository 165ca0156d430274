// Package ratelimit provides a tracker of login attempts by address that holds at most
// a fixed number of addresses and never forgets one that matters.
//
// A login handler begins an attempt before it looks at the password and says afterwards
// how it went:
//
//	attempt, err := tracker.Begin(addr) // charges the attempt
//	if err != nil {                     // locked: 429, see RetryAfter
//		return err
//	}
//	if !passwordIsRight {
//		attempt.Fail()
//		return errWrongPassword
//	}
//	attempt.Succeed() // gives the charge back
//
// # Charge first
//
// Begin counts the attempt as a failure until it is known to be none, so a thousand
// guesses made at once get five, and an attempt that panics or is forgotten
// stays charged. Attempts that are still open deny others, but never lock.
//
// # Window and lock-out
//
// The window slides exactly: each source has at most Config.Failures charges in any Config.Window, by the time
// of each charge, to the nanosecond (of a Window of more than 18 minutes, to a part in 500,000 million). As
// many failures in one window lock the source for Config.Lockout, which is counted apart from the window, lasts
// its full time and is not prolonged by knocking. Each further lock-out is twice as long, up to
// Config.MaxLockout, until the source has been quiet for as long as that.
//
// # Sources
//
// An IPv4 source is an address, an IPv6 source a /64, which is what one customer gets. IPv4 addresses inside
// IPv6 (mapped, 6to4, NAT64 of all or of one network, Teredo) are IPv4. Zones do not matter.
//
// # Bounds
//
// The tracker holds at most Config.MaxAddresses sources; neither family can take the
// half of the other. At the bound the least suspicious source goes. What it did is
// kept, coarsely, in a sketch of fixed size, and a source that is new to the table begins with what
// the sketch says at least. So no flood of other addresses, however large, buys a source more
// than Config.Failures charges in a window: see sketch for the proof. The sketch may
// mistake one source for another; that denies an attempt for a while, as a [*BusyError], and never
// locks. What it remembers of the window is rounded up, to a 61st of it or a quarter of a second.
//
// # Memory
//
// All of it is taken when the tracker is made, except the errors of attempts that are refused, 16 bytes each,
// which are made when they are first returned and then kept: up to one for each address and 16,384, and some
// hundreds that strangers share. [Tracker.Bytes] says how much it is, with those: 313 kB for 1,000 addresses,
// 2.9 MB for 10,000, and 137 MB for a million. Of the 313 kB
//
//   - 74 are entries, each of 64 bytes without a pointer, and the lists by suspicion; 16 are their long windows;
//   - 59 are the sketches, one for each family, which keep 99 of 100 strangers from being denied by a flood of
//     the other thousands;
//   - 51 are accounts and who has logged in to them, and 20 marks of which charge was against which account;
//   - 25 are networks;
//   - 32 are errors: 24 of addresses, 8 of strangers;
//   - 25 are tables and their indexes;
//   - 7 are events that wait.
//
// What is turned off takes nothing: without limits on accounts (Config.AccountFailures), on networks
// (Config.Prefixes) and in the long window (Config.LongFailures) it is 208 kB. Nothing that a client sends is
// kept.
//
// # Concurrency
//
// All methods may be called from any goroutine. An attempt takes one of up to 64 locks, which it shares with
// the other sources of its network, for less than a microsecond. It allocates nothing, whether it is let in or
// refused: an error is made when it is first said, and those who are told the same later get the same one. Only
// of more than 16,384 addresses some have to make theirs again. See DESIGNS.md for what an attempt takes, and
// what else was tried.
package ratelimit

import (
	"errors"
	"iter"
	"net/netip"
	"sync/atomic"
	"time"
)

// A Tracker counts failed login attempts by source. It needs no goroutine and no
// Close. [Tracker.Sweep] only gives entries back sooner.
type Tracker struct {
	shared  *shared
	shards  []shard
	journal atomic.Pointer[Journal] // nil: none

	allow, proxies []netip.Prefix
	deny           []DeniedError
	bytes          int64

	deniedList, exempt, forgottenProxy, journalErrors atomic.Uint64
}

// ErrAddress is returned for the zero netip.Addr, of which nothing can be said. A
// handler that gets it should refuse the attempt.
var ErrAddress = errors.New("ratelimit: the address is the zero netip.Addr, want a valid one")

// NewTracker returns an empty tracker, or an error that names the field of config
// that is wrong, its value and what was wanted.
func NewTracker(config Config) (*Tracker, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	config = config.withDefaults()
	return newTracker(config, shardsFor(config)), nil
}

// newTracker returns a tracker with so many shards, a power of two.
func newTracker(config Config, shards int) *Tracker {
	base := time.Now().Add(-2 * config.LongWindow) // what a journal tells was before now
	t := &Tracker{
		shared: newShared(config, newClock(base), shards),
		shards: make([]shard, shards),
		allow:  canonical(config.Allow), deny: denials(config.Deny), proxies: canonical(config.Proxies),
	}
	for i := range t.shards {
		t.shards[i].table = newTable(t.shared, shards)
	}
	t.bytes = t.measure()
	return t
}

// now returns the time; the tables take zero for never.
func (t *Tracker) now() int64 { return t.shared.clock.now() }

// Begin charges an attempt from addr, and returns it for the caller to say how it
// went. If the source is locked it returns a [*LockedError], if it may not be charged for
// another reason a [*BusyError], and if it is on the list a [*DeniedError]; nothing is charged then.
func (t *Tracker) Begin(addr netip.Addr) (Attempt, error) {
	s, counts, err := t.admit(addr)
	if !counts {
		return Attempt{}, err
	}
	var l login
	t.shared.name(&l, s)
	id, at, err := t.begin(&l)
	if err != nil {
		return Attempt{}, err
	}
	return Attempt{tracker: t, source: s, id: id, place: newPlace(t.shardNumber(l.network), at, 0)}, nil
}

// begin charges an attempt, and returns the name of the charge and the entry that has it.
func (t *Tracker) begin(l *login) (id int64, at uint32, err error) {
	sh := t.shard(l.network)
	sh.mu.Lock()
	id, at, err = t.charge(sh, l)
	sh.mu.Unlock()
	return id, at, err
}

// charge charges an attempt in a shard, which must be locked, and returns the name of the charge and the entry
// that has it. Whoever is locked out is told so by the coarse clock, if he is for a while to come.
func (t *Tracker) charge(sh *shard, l *login) (id int64, at uint32, err error) {
	i, ok := sh.find(l.hash, l.source)
	if ok && l.account == 0 && sh.pool.entries[i].lockedUntil != 0 {
		if e := &sh.pool.entries[i]; e.locked(t.shared.clock.past() + slack) {
			sh.often.deniedLocked++
			return 0, 0, t.shared.lockedOut(i, e.source, e.lockedUntil)
		}
	}
	l.roomy = sh.roomy(l)
	for {
		now := t.now()
		id, at, v := sh.charge(l, i, ok, now)
		switch v.kind {
		case allowed:
			return id, at, nil
		case noRoom:
			t.makeRoom(sh, l.source.family(), now)
			i, ok = sh.find(l.hash, l.source)
			l.roomy = false
		default:
			return 0, 0, t.shared.refuse(v, l.source, i, ok, now)
		}
	}
}

// Check returns the error that Begin would return for addr, or nil. It charges
// nothing and leaves no trace.
func (t *Tracker) Check(addr netip.Addr) error {
	s, ok := sourceOf(addr)
	if !ok {
		return ErrAddress
	}
	if denied, exempt := t.listed(addr, s); denied != nil {
		return denied
	} else if exempt {
		return nil
	}
	var l login
	t.shared.name(&l, s)
	sh := t.shard(l.network)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	i, ok := sh.find(l.hash, s)
	now := t.now()
	v := sh.verdict(&l, i, ok, now)
	if v.kind == allowed {
		return nil
	}
	return t.shared.refuse(v, s, i, ok, now)
}

// Fail records a failure of addr: it is Begin and [Attempt.Fail] in one, for a caller who
// learns of failures only, from a log. It returns the error of Begin.
func (t *Tracker) Fail(addr netip.Addr) error {
	s, counts, err := t.admit(addr)
	if !counts {
		return err
	}
	var l login
	t.shared.name(&l, s)
	sh := t.shard(l.network)
	sh.mu.Lock()
	id, at, err := t.charge(sh, &l)
	if err == nil && !sh.confirmAt(at, 0) {
		sh.settle(&l, id, failed, t.now())
	}
	t.unlockAndWrite(sh)
	return err
}

// Succeed forgets the failures of addr that are in the table, but no lock-out and no open attempt. A login
// that succeeded is no reason to call it, as [Attempt.Succeed] gives back what it charged: whoever
// has one account could guess at all others between two logins of his own.
func (t *Tracker) Succeed(addr netip.Addr) {
	if s, ok := sourceOf(addr); ok {
		_, sh := t.lock(s)
		defer sh.mu.Unlock()
		sh.pardon(s, t.now())
	}
}

// Unlock forgets what is known of the source of addr, its lock-out included, and reports whether it was denied
// for that: for an administrator. What was counted against its networks stays, and so do strikes that it had
// before the table forgot it. A source that had been forgotten may be denied again if more others than fit are
// locked out meanwhile.
func (t *Tracker) Unlock(addr netip.Addr) (wasDenied bool) {
	s, ok := sourceOf(addr)
	if !ok {
		return false
	}
	_, sh := t.lock(s)
	defer t.unlockAndWrite(sh)
	t.inRoom(sh, s, func() (ok bool) {
		wasDenied, ok = sh.unlock(s, t.now())
		return ok
	})
	if wasDenied {
		t.shared.emit(Event{Kind: Unlocked, Source: s.prefix()}, t.now())
	}
	return wasDenied
}

// LockNow locks the source of addr out for a time, or for longer if it is already: for an
// administrator. A span of zero or less means Config.Lockout. It is no strike. One of Config.Proxies is not
// locked out: that is counted, as if it had failed. The only error is [ErrAddress].
func (t *Tracker) LockNow(addr netip.Addr, span time.Duration) error {
	s, ok := sourceOf(addr)
	if !ok {
		return ErrAddress
	}
	if span <= 0 {
		span = time.Duration(t.shared.rule.lockout)
	}
	_, sh := t.lock(s)
	defer t.unlockAndWrite(sh)
	t.inRoom(sh, s, func() bool { return sh.lockNow(s, int64(min(span, longest)), t.now()) })
	return nil
}

// Len returns the number of sources in the table. It is never more than MaxAddresses.
func (t *Tracker) Len() int {
	n := t.shared.pool.len()
	return n[ipv4] + n[ipv6]
}

// Bytes returns what the tracker takes of the heap, to a fiftieth, with the errors that it may come to keep. It
// does not change.
func (t *Tracker) Bytes() int64 { return t.bytes }

// A Record is what is known of one source.
type Record struct {
	Failures    int       // in the window
	Open        int       // attempts in the window that nobody has said the end of
	Inherited   int       // charges in the window that may be those of another source
	Strikes     int       // lock-outs that are not forgiven, the present one included, as far as each makes the next longer
	LockedUntil time.Time // zero: not locked
	Last        time.Time // the last charge
}

// All iterates over the sources in the table, in no order, as they are when it is
// called. It allocates a copy of them; the body may use the tracker.
func (t *Tracker) All() iter.Seq2[netip.Prefix, Record] {
	return func(yield func(netip.Prefix, Record) bool) {
		sources := make([]source, 0, t.Len())
		records := make([]Record, 0, t.Len())
		t.inChunks(func(sh *shard, from, to int) {
			now := t.now()
			sh.each(from, to, func(i uint32) {
				sources = append(sources, sh.pool.entries[i].source)
				records = append(records, sh.record(i, now))
			})
		})
		for i, s := range sources {
			if !yield(s.prefix(), records[i]) {
				return
			}
		}
	}
}

// record returns what is known of entry i.
func (t *table) record(i uint32, now int64) Record {
	e := &t.pool.entries[i]
	open, inherited, failures := t.tally(i, now)
	r := Record{Failures: failures, Open: open, Inherited: inherited, Strikes: t.strikes(e, now)}
	if e.locked(now) {
		r.LockedUntil = t.clock.at(e.lockedUntil)
	}
	if e.newest != 0 {
		r.Last = t.clock.at(e.newest)
	}
	return r
}

// Sweep removes the sources of which nothing needs to be known any more, and returns
// how many. It holds a lock for some microseconds at a time: with a million addresses, for 30.
func (t *Tracker) Sweep() (removed int) {
	t.inChunks(func(sh *shard, from, to int) { removed += sh.sweep(from, to, t.now()) })
	return removed
}

// An Attempt is one that Begin has charged. Of Succeed, Fail and Cancel the first
// that is called counts; if none is, it counts as a failure that does not lock. So does one whose source the
// table forgot meanwhile, whatever is called. The zero Attempt does nothing.
type Attempt struct { // in six words: seven are returned in registers beside an error
	tracker         *Tracker
	source          source
	id              int64 // the name of the charge
	account, device uint64
	place           place
}

// A place is where an attempt was charged: the number of the table, that of the entry, and the secret besides,
// in a word.
type place uint64

func newPlace(shard int, at uint32, secret uint16) place {
	return place(shard)<<48 | place(secret)<<32 | place(at)
}

func (p place) shard() int     { return int(p >> 48) }
func (p place) secret() uint16 { return uint16(p >> 32) }
func (p place) entry() uint32  { return uint32(p) }

// Succeed gives the charge back. It forgets no other failure: see [Tracker.Succeed].
func (a Attempt) Succeed() {
	if a.tracker != nil {
		a.end(succeeded)
	}
}

// Fail makes the charge a failure, and locks the source if that were as many as are allowed.
func (a Attempt) Fail() {
	if a.tracker != nil {
		a.end(failed)
	}
}

// Cancel gives the charge back of an attempt that was not decided, because the
// database did not answer or the client went away.
func (a Attempt) Cancel() {
	if a.tracker != nil {
		a.end(cancelled)
	}
}

func (a Attempt) end(how outcome) {
	t := a.tracker
	sh := &t.shards[a.place.shard()]
	sh.mu.Lock()
	if how != failed || a.place.secret() != 0 || !sh.confirm(a.place.entry(), a.source, a.id) {
		var l login
		t.shared.name(&l, a.source)
		l.account, l.device, l.secret = a.account, a.device, a.place.secret()
		sh.settle(&l, a.id, how, t.now())
	}
	t.unlockAndWrite(sh)
}
