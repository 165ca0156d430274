package auth

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/ministryfinder/bounded/ratelimit"
)

// A Tracker remembers which addresses have failed to sign in, and locks them.
type Tracker struct{ *ratelimit.Tracker }

func newTracker(c ratelimit.Config) (*Tracker, error) {
	t, err := ratelimit.NewTracker(c)
	if err != nil {
		return nil, err
	}
	return &Tracker{t}, nil
}

// A Suspect is an address, or the /64 of an IPv6 one, that has failed lately.
type Suspect struct {
	Prefix   netip.Prefix
	Failures int
	Until    time.Time // locked until then; in the past or zero: not locked
	Locked   bool
}

func (t *Tracker) suspects(now time.Time, limit int) []Suspect {
	var suspects []Suspect
	for prefix, r := range t.All() {
		locked := r.LockedUntil.After(now)
		if r.Failures > 0 || locked {
			suspects = append(suspects, Suspect{prefix, r.Failures, r.LockedUntil, locked})
		}
	}
	slices.SortFunc(suspects, func(a, b Suspect) int {
		return cmp.Or(b.Until.Compare(a.Until), cmp.Compare(b.Failures, a.Failures), a.Prefix.Compare(b.Prefix))
	})
	return suspects[:min(limit, len(suspects))]
}
