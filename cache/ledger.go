package cache

import "sync/atomic"

// A ledger is one bound and what is used of it. Room is taken before it is filled
// and given back after it is emptied, so that used is never less than the truth
// and never more than the bound.
type ledger struct {
	used  atomic.Int64
	bound atomic.Int64
}

// lacks reports whether less than n is free.
func (l *ledger) lacks(n int64) bool { return l.used.Load()+n > l.bound.Load() }

// take reserves n if that much is free, and reports whether it was.
func (l *ledger) take(n int64) bool {
	for {
		used := l.used.Load()
		if used+n > l.bound.Load() {
			return false
		}
		if l.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

// give gives back n.
func (l *ledger) give(n int64) {
	if n != 0 {
		l.used.Add(-n)
	}
}
