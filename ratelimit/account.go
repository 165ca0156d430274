package ratelimit

import (
	"hash/maphash"
	"math/bits"
	"net/netip"
	"slices"
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
type accounts struct {
	tier    tier // one table's, for all; a limit of zero: accounts are not limited
	buckets ruler
	pace    int64

	mu    sync.Mutex // guards what follows; it may be taken by who holds the lock of a table, and no other is taken then
	cells []thirds   // of the tier
	last  []moment   // one to a cell: the last charge
	named int64      // the last charge of an acquaintance: no other has its time
	known known
}

func newAccounts(c Config) accounts {
	if c.AccountFailures < 0 {
		return accounts{}
	}
	tier := newTier(PrefixLimit{Bits: 64, Failures: c.AccountFailures}, c.MaxAddresses, 1)
	return accounts{
		tier:    tier,
		buckets: thirdsRuler(int64(c.Window)),
		pace:    max(1, int64(c.Window)/int64(c.AccountFailures)),
		cells:   make([]thirds, sketchRows*tier.row),
		last:    make([]moment, sketchRows*tier.row),
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
	if a.count(l, now) < a.tier.limit || a.known.find(l) != nil {
		return verdict{}
	}
	last := min(a.last[a.tier.at(l.account, 0)], a.last[a.tier.at(l.account, 1)])
	if until := last.time() + a.pace; until > now {
		return verdict{kind: slowed, until: until}
	}
	return verdict{}
}

// charge charges an account, and reports whether that makes it slow.
func (a *accounts) charge(l *login, now int64) (slow bool) {
	if !a.counts(l) {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for row := range sketchRows {
		at := a.tier.at(l.account, row)
		a.last[at] = max(a.last[at], coarsen(now))
		a.cells[at].add(a.buckets.at(now))
	}
	return a.count(l, now) == a.tier.limit
}

// refund gives a charge back that was made at a time.
func (a *accounts) refund(l *login, at int64) {
	if !a.counts(l) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for row := range sketchRows {
		a.cells[a.tier.at(l.account, row)].sub(a.buckets.at(at))
	}
}

// count returns how many charges an account may have had in the window, and up to a third of it before. a.mu must be held.
func (a *accounts) count(l *login, now int64) int {
	bucket := a.buckets.at(now)
	return min(a.cells[a.tier.at(l.account, 0)].total(bucket), a.cells[a.tier.at(l.account, 1)].total(bucket))
}

// befriend makes the address and the device of a login known.
func (a *accounts) befriend(l *login, now int64) {
	if !a.counts(l) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known.add(l, now)
}

// chargeKnown charges an acquaintance for an attempt that a stranger would be denied. It returns the time that
// names the charge, and reports whether there is such an acquaintance with a budget left.
func (a *accounts) chargeKnown(l *login, now int64) (id int64, ok bool) {
	if !a.counts(l) {
		return 0, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now = max(now, a.named+1)
	if !a.known.charge(l, now) {
		return 0, false
	}
	a.named = now
	return now, true
}

// settleKnown says how the attempt of an acquaintance went, and reports whether it was under way.
func (a *accounts) settleKnown(l *login, id int64, how outcome) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.known.settle(l, id, how)
}

// known remembers who has logged in to an account: an address or a device of which
// one attempt succeeded. It is a hash table of sets of four; the one of a set that was used longest ago
// goes.
type known struct {
	key    key
	budget int // charges
	ruler  ruler
	mask   uint64
	sets   [][4]acquaintance
}

// An acquaintance has a budget of its own, for when others have used up that of its
// address or account.
type acquaintance struct {
	hash    uint64
	last    moment
	charges thirds
	open    [4]uint32 // attempts under way, by the lower bits of the times that name them, which are odd; those that are forgotten lapse
	since   [4]uint8  // the lower bits of their buckets
}

// openName is what an acquaintance keeps of the name of an attempt. Two that are under way have the same once in two thousand million times.
func openName(id int64) uint32 { return uint32(id)<<1 | 1 }

func newKnown(c Config) known {
	sets := 1
	for sets*4 < min(c.MaxAddresses, 1<<16) {
		sets *= 2
	}
	return known{
		key: newKey(), budget: c.Failures, ruler: thirdsRuler(int64(max(c.Lockout, c.Window))),
		mask: uint64(sets - 1), sets: make([][4]acquaintance, sets),
	}
}

// pair returns the hash of an account with a source.
func (k *known) pair(l *login) uint64 {
	return atLeastOne(k.key.hash(l.account ^ bits.RotateLeft64(l.hash, 32)))
}

func (k *known) get(hash uint64) *acquaintance {
	if hash == 0 || k.sets == nil {
		return nil
	}
	set := &k.sets[hash>>32&k.mask]
	for i := range set {
		if set[i].hash == hash {
			return &set[i]
		}
	}
	return nil
}

// find returns who is known of a login: its device, or its address.
func (k *known) find(l *login) *acquaintance {
	if a := k.get(l.device); a != nil {
		return a
	}
	return k.get(k.pair(l))
}

// add makes the address and the device of a login known.
func (k *known) add(l *login, now int64) {
	for _, hash := range [...]uint64{k.pair(l), l.device} {
		if hash == 0 || k.sets == nil {
			continue
		}
		a := k.get(hash)
		if a == nil {
			set := &k.sets[hash>>32&k.mask]
			a = &set[0]
			for i := range set {
				if set[i].last < a.last {
					a = &set[i]
				}
			}
			*a = acquaintance{hash: hash}
		}
		a.last = coarsen(now)
	}
}

// charge charges the budget of an acquaintance, if there is one and it has some left.
func (k *known) charge(l *login, now int64) bool {
	a := k.find(l)
	if a == nil {
		return false
	}
	bucket := k.ruler.at(now)
	for n, since := range a.since {
		if uint8(bucket)-since >= thirdsBuckets {
			a.open[n] = 0
		}
	}
	at := slices.Index(a.open[:], 0)
	if a.charges.total(bucket) >= k.budget || at < 0 {
		return false
	}
	a.open[at], a.since[at] = openName(now), uint8(bucket)
	a.charges.add(bucket)
	return true
}

// settle ends the attempt that was charged at id, and reports whether it was under
// way. It gives the charge back unless it was a failure.
func (k *known) settle(l *login, id int64, how outcome) bool {
	a := k.find(l)
	if a == nil {
		return false
	}
	at := slices.Index(a.open[:], openName(id))
	if at < 0 {
		return false
	}
	a.open[at] = 0
	if how != failed {
		a.charges.sub(k.ruler.at(id))
	}
	return true
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
// An address or device that has logged in to the account before is not denied for what
// others do: it has a budget of its own, of Config.Failures in a Config.Lockout, or in a Window if that is longer, and up to a third of that more, for attempts
// that are denied to others, even where its address is locked. So at the account, and at no other that it has not logged in to,
// it has twice as many failures as a stranger at the most, and an address from which a device of the account is used three times as many.
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
