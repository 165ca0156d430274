package ratelimit

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Lookup returns what is known of the source of addr, and reports whether it is in
// the table.
func (t *Tracker) Lookup(addr netip.Addr) (Record, bool) {
	s, ok := sourceOf(addr)
	if !ok {
		return Record{}, false
	}
	hash, sh := t.lock(s)
	defer sh.mu.Unlock()
	i, ok := sh.find(hash, s)
	if !ok {
		return Record{}, false
	}
	return sh.record(i, t.now()), true
}

// An Explanation says why an address is denied, or how far it is from that.
type Explanation struct {
	Source   netip.Prefix
	Err      error // what Begin would return
	Exempt   bool  // it is in Config.Allow
	Tracked  bool  // it is in the table; if not, Charges are those that it would inherit
	Record   Record
	Charges  []Charge // in the window, the newest first
	Long     int      // charges in the long window
	Networks []Network
}

// A Charge is one that counts against a source.
type Charge struct {
	Time time.Time
	Kind ChargeKind
}

// A ChargeKind says what became of the attempt.
type ChargeKind uint8

// The kinds of charges.
const (
	Failed    ChargeKind = iota + 1 // it failed
	Open                            // nobody has said yet
	Inherited                       // may be one of another source that the table had to forget
)

// String returns the kind as a word for a log.
func (k ChargeKind) String() string {
	switch k {
	case Failed:
		return "failed"
	case Open:
		return "open"
	case Inherited:
		return "inherited"
	}
	return "unknown"
}

// kindOf returns the kind of charge j of entry i.
func (t *table) kindOf(i uint32, j int) ChargeKind {
	switch {
	case t.openOf(i)>>j&1 != 0:
		return Open
	case j >= int(t.pool.entries[i].own):
		return Inherited
	}
	return Failed
}

// A Network is one that a source is in.
type Network struct {
	Prefix  netip.Prefix
	Charges int // at the most, as others may be counted with it; of more than the limit some may be left out
	Limit   PrefixLimit
}

// Explain returns all that is known of addr, for an administrator. It charges nothing.
// The only error is [ErrAddress].
func (t *Tracker) Explain(addr netip.Addr) (Explanation, error) {
	s, ok := sourceOf(addr)
	if !ok {
		return Explanation{}, ErrAddress
	}
	x := Explanation{Source: s.prefix()}
	if denied, exempt := t.listed(addr, s); denied != nil {
		x.Err = denied
	} else if x.Exempt = exempt; !exempt {
		x.Err = t.Check(addr)
	}
	hash, tb := t.lock(s)
	defer tb.mu.Unlock()
	now := t.now()
	i, ok := tb.find(hash, s)
	if x.Tracked = ok; ok {
		x.Record, x.Long = tb.record(i, now), tb.longNow(i, now)
	}
	stamps := make([]int64, tb.rule.failures)
	if ok {
		copy(stamps, tb.stampsOf(i, new([nearCharges]int64)))
	} else {
		tb.sketches[s.family()].recall(hash, stamps, now, tb.rule.longBuckets.at(now))
	}
	for j, stamp := range stamps {
		kind := Inherited
		if ok {
			kind = tb.kindOf(i, j)
		}
		if !tb.inWindow(stamp, now) {
			break
		}
		x.Charges = append(x.Charges, Charge{t.shared.clock.at(stamp), kind})
	}
	wider := unbounded
	for n := range tb.rule.tiers[s.family()] {
		p := &tb.rule.tiers[s.family()][n]
		at := p.spots(p.hash(s))
		most := p.count(&tb.networks[at.line], at, tb.rule.buckets.at(now))
		wider.admits(p, most)
		x.Networks = append(x.Networks, Network{
			Prefix: s.network(p.bits), Charges: min(most, int(wider)),
			Limit: PrefixLimit{IPv4: s.family() == ipv4, Bits: p.bits, Failures: p.limit, Observe: p.observe},
		})
	}
	return x, nil
}

// String returns a few lines for an administrator.
func (x Explanation) String() string {
	var b strings.Builder
	busy, denied := x.Err.(*BusyError)
	switch {
	case x.Exempt:
		fmt.Fprintf(&b, "%v is exempt", x.Source)
	case denied:
		fmt.Fprintf(&b, "%v %s", x.Source, busy.sentence())
	case x.Err != nil:
		b.WriteString(strings.TrimPrefix(x.Err.Error(), "ratelimit: "))
	default:
		fmt.Fprintf(&b, "%v may make attempts", x.Source)
	}
	for _, c := range x.Charges {
		fmt.Fprintf(&b, "\n%s %v", c.Time.Format(time.DateTime), c.Kind)
	}
	if x.Long > 0 {
		fmt.Fprintf(&b, "\n%d in the long window", x.Long)
	}
	for _, n := range x.Networks {
		fmt.Fprintf(&b, "\n%v has %d of %d", n.Prefix, n.Charges, n.Limit.Failures)
	}
	return b.String()
}
