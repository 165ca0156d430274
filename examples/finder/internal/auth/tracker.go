package auth

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/ministryfinder/bounded/cache"
)

// The rule: five failures within 15 minutes lock an address for an hour.
const (
	maxFailures = 5
	window      = 15 * time.Minute
	lockout     = time.Hour
)

// A Tracker remembers which addresses have failed to sign in. It remembers a bounded number of them: when it is
// full, a newcomer takes the place of an address that was hardly heard of. An IPv6 address stands for its /64.
type Tracker struct {
	mu      sync.Mutex // makes the look at a record and its change one step
	records *cache.Cache[netip.Prefix, record]
}

// A record is what is known of one address. It is a plain value: the newest failures, the oldest first.
type record struct {
	failures [maxFailures]time.Time
	n        int
	until    time.Time // locked until then
}

// drop forgets the failures that were before the window.
func (r *record) drop(now time.Time) {
	fresh := slices.DeleteFunc(r.failures[:r.n], func(t time.Time) bool { return now.Sub(t) >= window })
	r.n = len(fresh)
}

func newTracker(addresses int) (*Tracker, error) {
	records, err := cache.New(cache.Config[netip.Prefix, record]{MaxEntries: addresses})
	if err != nil {
		return nil, err
	}
	return &Tracker{records: records}, nil
}

// An attempt has been charged as a failure at time at.
type attempt struct {
	tracker *Tracker
	key     netip.Prefix
	at      time.Time
}

// begin charges an attempt, or returns a *LockedError. Knocking at a locked door does not lock it for longer.
func (t *Tracker) begin(addr netip.Addr, now time.Time) (attempt, error) {
	key := source(addr)
	t.mu.Lock()
	defer t.mu.Unlock()
	r, _ := t.records.Get(key)
	if wait := r.until.Sub(now); wait > 0 {
		return attempt{}, &LockedError{RetryAfter: wait}
	}
	r.drop(now) // leaves room: a full record was locked for longer than the window
	r.failures[r.n] = now
	r.n++
	keep := window
	if r.n == maxFailures {
		r.until = now.Add(lockout)
		keep = lockout
	}
	t.records.SetTTL(key, r, keep)
	return attempt{t, key, now}, nil
}

// succeed forgets the failures of the address: whoever knows the password is not guessing.
func (a attempt) succeed() {
	a.tracker.mu.Lock()
	defer a.tracker.mu.Unlock()
	a.tracker.records.Delete(a.key)
}

// cancel takes the charge back: the password was never looked at.
func (a attempt) cancel() {
	a.tracker.mu.Lock()
	defer a.tracker.mu.Unlock()
	r, ok := a.tracker.records.Get(a.key)
	if !ok {
		return
	}
	if i := slices.IndexFunc(r.failures[:r.n], a.at.Equal); i >= 0 {
		r.n = len(slices.Delete(r.failures[:r.n], i, i+1))
		r.until = time.Time{}
		if r.n == 0 {
			a.tracker.records.Delete(a.key)
			return
		}
		a.tracker.records.SetTTL(a.key, r, window)
	}
}

func (t *Tracker) unlock(addr netip.Addr) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.records.Delete(source(addr))
}

// A Suspect is an address that has failed lately.
type Suspect struct {
	Prefix   netip.Prefix
	Failures int
	Until    time.Time // locked until then; in the past or zero: not locked
	Locked   bool
}

func (t *Tracker) suspects(now time.Time, limit int) []Suspect {
	var suspects []Suspect
	for prefix, r := range t.records.All() {
		r.drop(now)
		suspects = append(suspects, Suspect{prefix, r.n, r.until, r.until.After(now)})
	}
	slices.SortFunc(suspects, func(a, b Suspect) int {
		return cmp.Or(b.Until.Compare(a.Until), cmp.Compare(b.Failures, a.Failures), a.Prefix.Compare(b.Prefix))
	})
	return suspects[:min(limit, len(suspects))]
}

// Sweep removes the addresses whose time is over, Len is how many there are, Cap how many there may be, and
// Bytes the memory they take.
func (t *Tracker) Sweep() int   { return t.records.Sweep() }
func (t *Tracker) Len() int     { return t.records.Len() }
func (t *Tracker) Cap() int     { return t.records.MaxEntries() }
func (t *Tracker) Bytes() int64 { return t.records.Bytes() }
