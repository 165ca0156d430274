package ratelimit

import (
	"math/bits"
	"slices"
	"time"
)

// known remembers who has logged in to an account: an address or a device of which
// one attempt succeeded. It is a hash table of sets of four; the one of a set whose last success is longest ago
// goes. There are as many as sources in the table, and no more than 65,536.
//
// A pair of an address or device and an account that never logged in is taken for one that has if it falls into
// the same set with the same 32 bits of a keyed hash: for one in a thousand million. It then has the other's
// budget besides its own.
type known struct {
	key    key
	budget int   // charges
	ruler  ruler // of thirds of what the budget is for
	sets   []acquaintances
}

const (
	mostKnown    = 1 << 16
	knownBuckets = 4 // the present one, and three that have passed, which are as long as what the budget is for
)

// acquaintances are those of a set: the one with the latest success is the first.
type acquaintances struct {
	base uint32 // the newest bucket
	of   [4]acquaintance
}

// An acquaintance has a budget of its own, for when others have used up that of its
// address or account. It counts each charge for up to a third of the time too long.
type acquaintance struct {
	hash    uint32              // zero: nobody
	charges [knownBuckets]uint8 // by the lower bits of the numbers of buckets; a budget is no more than 64
	open    [4]uint16           // attempts under way: see openName; zero: none
}

// openNow are the bits of the time in the name of an attempt. Above them are those of its bucket.
const openNow = 14

// openName is what an acquaintance keeps of the name of an attempt, which is the time at which it was charged:
// the lower bits of that and of the number of its bucket. Two that are under way never have the same. One that
// is ended twice may end another the second time, if that began since, in the same bucket, and at a time of the
// same lower bits, which is one nanosecond in 16,384: the budget is then one more.
func openName(id int64, bucket uint32) uint16 {
	return uint16(bucket<<openNow) | uint16(id&(1<<openNow-1))
}

func newKnown(c Config) known {
	third := (max(int64(c.Lockout), int64(c.Window)) + knownBuckets - 2) / (knownBuckets - 1)
	return known{
		key: newKey(), budget: c.Failures, ruler: newRuler(max(third, int64(time.Second))),
		sets: make([]acquaintances, (min(c.MaxAddresses, mostKnown)+3)/4),
	}
}

// pair returns the hash of an account with a source.
func (k *known) pair(l *login) uint64 {
	return atLeastOne(k.key.hash(l.account ^ bits.RotateLeft64(l.hash, 32)))
}

// set returns that of a hash.
func (k *known) set(hash uint64) *acquaintances {
	n, _ := bits.Mul32(uint32(hash>>32), uint32(len(k.sets)))
	return &k.sets[n]
}

// get returns the acquaintance of a hash, or nil.
func (s *acquaintances) get(hash uint64) *acquaintance {
	for i := range s.of {
		if s.of[i].hash == uint32(hash) {
			return &s.of[i]
		}
	}
	return nil
}

// hashes returns those by which a login may be known: that of its device, or zero, and that of its address.
func (k *known) hashes(l *login) [2]uint64 { return [...]uint64{l.device, k.pair(l)} }

// find returns who is known of a login, and the set: its device, or else its address.
func (k *known) find(l *login) (*acquaintances, *acquaintance) {
	for _, hash := range k.hashes(l) {
		s := k.set(hash)
		if a := s.get(hash); hash != 0 && a != nil {
			return s, a
		}
	}
	return nil, nil
}

// add makes the address and the device of a login known.
func (k *known) add(l *login) {
	for _, hash := range k.hashes(l) {
		if hash != 0 {
			k.set(hash).add(hash)
		}
	}
}

// add puts the acquaintance of a hash first, in place of the last if it is new.
func (s *acquaintances) add(hash uint64) {
	a := acquaintance{hash: uint32(hash)}
	i := 0
	for i < len(s.of)-1 && s.of[i].hash != a.hash {
		i++
	}
	if s.of[i].hash == a.hash {
		a = s.of[i]
	}
	copy(s.of[1:i+1], s.of[:i])
	s.of[0] = a
}

// charge charges the budget of an acquaintance, if there is one and it has some left, and returns the name of
// the charge: the time, or some nanoseconds later.
func (k *known) charge(l *login, now int64) (id int64, ok bool) {
	s, a := k.find(l)
	if a == nil {
		return 0, false
	}
	name := openName(now, k.ruler.at(now))
	for name == 0 || slices.Contains(a.open[:], name) {
		now++
		name = openName(now, k.ruler.at(now))
	}
	bucket := k.ruler.at(now)
	s.advance(bucket)
	at := slices.Index(a.open[:], 0)
	if a.total() >= k.budget || at < 0 {
		return 0, false
	}
	a.open[at] = name
	a.charges[bucket%knownBuckets]++
	return now, true
}

// settle ends the attempt that was charged at id, and reports whether it was under
// way. It gives the charge back unless it was a failure.
func (k *known) settle(l *login, id int64, how outcome) bool {
	bucket := k.ruler.at(id)
	for _, hash := range k.hashes(l) { // whoever was known by his address may be by his device by now
		a := k.set(hash).get(hash)
		if hash == 0 || a == nil {
			continue
		}
		if at := slices.Index(a.open[:], openName(id, bucket)); at >= 0 {
			a.open[at] = 0
			if how != failed {
				a.charges[bucket%knownBuckets]-- // it is there: both lapse together
			}
			return true
		}
	}
	return false
}

// total returns how many charges are counted.
func (a *acquaintance) total() (n int) {
	for _, c := range a.charges {
		n += int(c)
	}
	return n
}

// advance makes a bucket the newest of a set. What is as many buckets older lapses: charges, and attempts that
// are forgotten.
func (s *acquaintances) advance(now uint32) {
	for n := range min(knownBuckets, max(now, s.base)-s.base) {
		bucket := (s.base + 1 + n) % knownBuckets
		for i := range s.of {
			a := &s.of[i]
			a.charges[bucket] = 0
			for j, name := range a.open {
				if uint32(name>>openNow) == bucket {
					a.open[j] = 0
				}
			}
		}
	}
	s.base = max(now, s.base)
}
