package ratelimit

import (
	"net/netip"
	"sync/atomic"
	"time"
)

// queuedEvents is how many events wait for somebody to receive them. They are for the time until a receiver
// gets a processor: who receives nothing for longer than that loses events of a flood, however many there are.
const queuedEvents = 64

// An Event is something that whoever runs a server may want to know at once.
type Event struct {
	Kind     EventKind
	Observed bool // PrefixFull: nobody is denied
	Time     time.Time
	Source   netip.Prefix  // an address or a /64, or for PrefixFull the network; zero if there is none
	Wait     time.Duration // how long the source is denied
	Strikes  int           // LockedOut: as in a [Record]
	Accounts int           // LockedOut: how many accounts the failures were against, if accounts are known
	Account  uint64        // AccountSlowed: a hash of the account, of this tracker only
}

// An EventKind says what happened.
type EventKind uint8

// The kinds of events.
const (
	LockedOut      EventKind = iota + 1 // a lock-out began
	Unlocked                            // [Tracker.Unlock] freed a source that was denied
	PrefixFull                          // a network has as many charges as its [PrefixLimit]
	AccountSlowed                       // an account has as many charges as Config.AccountFailures
	Alarm                               // there were Config.AlarmFailures in a window, and less in the one before
	ProxyFailing                        // one of Config.Proxies would have been locked out: it seems to name no clients
	ProxyForgotten                      // a peer in a private network names a client, and is not one of Config.Proxies; sent once
	JournalCorrupt                      // a [Journal] began anew
	JournalFailed                       // a [Journal] could not be written
)

// String returns the kind as a word for a log.
func (k EventKind) String() string {
	switch k {
	case LockedOut:
		return "locked out"
	case Unlocked:
		return "unlocked"
	case PrefixFull:
		return "prefix full"
	case AccountSlowed:
		return "account slowed"
	case Alarm:
		return "alarm"
	case ProxyFailing:
		return "proxy failing"
	case ProxyForgotten:
		return "proxy forgotten"
	case JournalCorrupt:
		return "journal corrupt"
	case JournalFailed:
		return "journal failed"
	}
	return "unknown"
}

// Events returns the channel that all events are sent to, the same each time. It holds 64 that
// nobody has received; what comes then is dropped and counted in [Stats]. So a
// slow receiver delays no attempt. The channel is never closed.
func (t *Tracker) Events() <-chan Event { return t.shared.events.queue }

type events struct {
	queue   chan Event
	dropped atomic.Uint64
}

func newEvents() events { return events{queue: make(chan Event, queuedEvents)} }

// emit queues an event that happened at a time.
func (s *shared) emit(e Event, at int64) {
	e.Time = s.clock.at(at)
	select {
	case s.events.queue <- e:
	default:
		s.events.dropped.Add(1)
	}
}
