package ratelimit

import (
	"hash/maphash"
	"net/netip"
	"sync"
)

// A Login is an attempt of which more is known than the address: see
// [Tracker.BeginLogin]. Strings may be of any length; only hashes of them are kept, with a key
// that nobody knows.
type Login struct {
	// Addr is the address of the client: see [ClientIP].
	Addr netip.Addr

	// Account names the account that is tried. It should be what the name that was typed in
	// stands for, so that an account has one budget whatever it is called, and for names
	// that stand for nothing, the name. Empty means no account, not one with an empty name: only the address counts.
	Account string

	// Device is what proves that the client is a device that has logged in to the account
	// before: the content of a signed cookie, checked by the caller. Empty means none.
	Device string

	// Secret stands for the password that is tried: a keyed hash of it, never itself. The same
	// wrong one counts once, so that a mail program with an old password locks nobody out. Empty means that
	// each failure counts.
	Secret string
}

// a login is a Login with hashes for strings. Zero means that there is none.
type login struct {
	source
	hash            uint64 // of the source
	network         uint64 // of the widest of its networks that is limited
	account, device uint64 // the device with the account
	secret          uint16 // with the account
	roomy           bool   // each of its networks has room: see table.roomy
}

// name sets the source of a login. It does so in place: a literal would be made elsewhere and copied.
func (s *shared) name(l *login, from source) {
	l.source, l.hash, l.network = from, s.hash(from), s.network(from)
}

// login hashes the strings of a Login. Each kind of hash is of a type of its own, so
// no two ways to put strings together give one hash.
func (s *shared) login(l Login, from source) (hashed login) {
	s.name(&hashed, from)
	if l.Account == "" {
		return hashed
	}
	type device struct{ account, device string }
	type secret struct{ account, secret string }
	hashed.account = atLeastOne(maphash.String(s.seed, l.Account))
	if l.Device != "" {
		hashed.device = atLeastOne(maphash.Comparable(s.seed, device{l.Account, l.Device}))
	}
	if l.Secret != "" {
		hashed.secret = uint16(max(1, maphash.Comparable(s.seed, secret{l.Account, l.Secret})>>(64-secretBits)))
	}
	return hashed
}

// atLeastOne makes a hash, and the lower half of it, differ from zero.
func atLeastOne(hash uint64) uint64 {
	if uint32(hash) == 0 {
		hash++
	}
	return hash
}

// accounts is what is kept of accounts. It counts the charges of each as a network's
// are counted. An account that has as many in a window as are allowed is not locked, for then anybody
// could lock out anybody: from then on it takes one attempt at a time from strangers, a pace apart. Whoever has
// logged in to it before, from his address or with his device, is no stranger.
//
// The pace is from the newest charge of a tally, which is known by its bucket, and the tick of that in which it
// was made. If that charge is given back, nothing is known of the one before but its bucket, so that is then
// taken for one of the last tick.
type accounts struct {
	tier    tier // one table's, for all; a limit of zero: accounts are not limited
	buckets ruler
	ticks   ruler // of buckets
	pace    int64

	mu    sync.Mutex // guards what follows; it may be taken by who holds the lock of a table, and no other is taken then
	lines []line     // of the tier
	last  []uint8    // one to a tally: the tick of its newest charge
	named int64      // the last charge of an acquaintance: no other has its time
	known known
}

// accountTicks are as many as a bucket has, so at a pace of ten in a window an account is slow for a part of
// 140 longer.
const accountTicks = 128

func newAccounts(c Config) accounts {
	if c.AccountFailures < 0 {
		return accounts{}
	}
	tier := newTier(PrefixLimit{Bits: 64, Failures: c.AccountFailures}, c.MaxAddresses*5/4, 1) // their limit is small, so chance fills more of them
	tick := (tallyWidth(int64(c.Window)) + accountTicks - 1) / accountTicks
	return accounts{
		tier:    tier,
		buckets: newRuler(accountTicks * tick),
		ticks:   newRuler(tick),
		pace:    max(1, int64(c.Window)/int64(c.AccountFailures)),
		lines:   make([]line, tier.lines),
		last:    make([]uint8, tier.lines*tier.cells),
		known:   newKnown(c),
	}
}

// counts reports whether the account of a login is limited.
func (a *accounts) counts(l *login) bool { return l.account != 0 && a.tier.limit > 0 }

// judge says whether a stranger may try an account.
func (a *accounts) judge(l *login, now int64) verdict {
	if !a.counts(l) {
		return verdict{}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.count(l, now) < a.tier.limit {
		return verdict{}
	}
	if _, known := a.known.find(l); known != nil {
		return verdict{}
	}
	at := a.tier.spots(l.account)
	if until := min(a.lastOf(at.line, at.a), a.lastOf(at.line, at.b)) + a.pace; until > now {
		return verdict{kind: slowed, until: until}
	}
	return verdict{}
}

// lastOf returns when the newest charge was made in a tally of a line, which must have one, rounded up to a
// tick. a.mu must be held.
func (a *accounts) lastOf(line, tally uint32) int64 {
	l := &a.lines[line]
	return a.buckets.start(l.base-a.tier.tally(l, tally).newest()) + a.ticks.start(1+uint32(*a.tick(line, tally)))
}

// tick returns that of the newest charge in a tally of a line. a.mu must be held.
func (a *accounts) tick(line, tally uint32) *uint8 { return &a.last[line*a.tier.cells+tally] }

// charge charges an account, and reports whether that makes it slow.
func (a *accounts) charge(l *login, now int64) (slow bool) {
	if !a.counts(l) {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	at := a.tier.spots(l.account)
	line, bucket := &a.lines[at.line], a.buckets.at(now)
	a.tier.advance(line, bucket)
	tick := uint8(a.ticks.at(now) % accountTicks)
	if line.base > bucket {
		tick = 0 // another table has begun the next bucket
	}
	for _, n := range [...]uint32{at.a, at.b} {
		last := a.tick(at.line, n)
		if a.tier.tally(line, n).newest() > 0 {
			*last = 0
		}
		*last = max(*last, tick)
	}
	return a.tier.add(line, at, bucket) == a.tier.limit
}

// refund gives a charge back that was made at a time.
func (a *accounts) refund(l *login, at int64) {
	if !a.counts(l) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	its := a.tier.spots(l.account)
	line := &a.lines[its.line]
	both := [...]uint32{its.a, its.b}
	var was [len(both)]uint32
	for i, n := range both {
		was[i] = a.tier.tally(line, n).newest()
	}
	a.tier.sub(line, its, a.buckets.at(at))
	for i, n := range both {
		if a.tier.tally(line, n).newest() != was[i] {
			*a.tick(its.line, n) = accountTicks - 1
		}
	}
}

// count returns how many charges an account may have had in the window, and up to an eleventh of it before.
// a.mu must be held.
func (a *accounts) count(l *login, now int64) int {
	at := a.tier.spots(l.account)
	return a.tier.count(&a.lines[at.line], at, a.buckets.at(now))
}

// befriend makes the address and the device of a login known.
func (a *accounts) befriend(l *login) {
	if !a.counts(l) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known.add(l)
}

// chargeKnown charges an acquaintance for an attempt that a stranger would be denied. It returns the time that
// names the charge, and reports whether there is such an acquaintance with a budget left.
func (a *accounts) chargeKnown(l *login, now int64) (id int64, ok bool) {
	if !a.counts(l) {
		return 0, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if id, ok = a.known.charge(l, max(now, a.named+1)); ok {
		a.named = id
	}
	return id, ok
}

// settleKnown says how the attempt of an acquaintance went, and reports whether it was under way.
func (a *accounts) settleKnown(l *login, id int64, how outcome) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.known.settle(l, id, how)
}

// BeginLogin is [Tracker.Begin] for an attempt of which the account is known. It counts
// against the address as well as against the account.
//
// If more than Config.AccountFailures in a window count against the account, whatever
// addresses they came from, it returns a [*BusyError] with [TooManyForAccount], except to one attempt
// at a time, a Window divided by AccountFailures apart: an account is never locked.
// The response to that should be the same as to a wrong password, byte by byte, for else it
// tells which accounts there are.
//
// An address or device that has logged in to the account before is not denied for what others do: it has a
// budget of its own, of Config.Failures in a Config.Lockout, or in a Window if that is longer, and up to a
// third of that more, for attempts that are denied to others, even where its address is locked. So at the
// account, and at no other that it has not logged in to, it has twice as many failures as a stranger at the
// most, and an address from which a device of the account is used three times as many.
//
// Success makes the address and the device known, and gives back the charges of the
// same account from the same source, and no others.
func (t *Tracker) BeginLogin(l Login) (Attempt, error) {
	s, counts, err := t.admit(l.Addr)
	if !counts {
		return Attempt{}, err
	}
	hashed := t.shared.login(l, s)
	id, at, err := t.begin(&hashed)
	if err != nil {
		return Attempt{}, err
	}
	return Attempt{t, s, id, hashed.account, hashed.device, newPlace(t.shardNumber(hashed.network), at, hashed.secret)}, nil
}
