package ratelimit

import "sync/atomic"

// An alarm counts the failures of all sources, in windows that follow each other. It is one word: the number of
// the window in the upper half, then whether the alarm was raised in it or in those before it without a pause,
// then the failures.
type alarm struct {
	_ [128]byte // what is written often is in lines of its own
	atomic.Uint64
	_ [128]byte
}

const alarmRaised = 1 << 31

// alarmLate says by what part of its limit the alarm may come too late. Tables tell it of several failures at a
// time, for else all processors would wait for its word.
const alarmLate = 8

// raiseAlarm counts a failure.
func (t *table) raiseAlarm(now int64) {
	if t.rule.alarm < 0 {
		return
	}
	if window := t.rule.alarms.at(now); window != t.window {
		t.window, t.alarmed = window, 0
	}
	if t.alarmed++; t.alarmed < t.share {
		return
	}
	if was := t.alarm.Load(); uint32(was>>32) == t.window && was&(alarmRaised-1) >= uint64(t.rule.alarm) {
		t.alarmed = 0 // more failures in the window make no difference, and to count them all would wait for each other
		return
	}
	if t.alarm.raise(uint64(t.alarmed), t.window, uint64(t.rule.alarm)) {
		t.emit(Event{Kind: Alarm}, now)
	}
	t.alarmed = 0
}

// raise counts failures in a window, and reports whether they are the first that reach the limit.
func (a *alarm) raise(failures uint64, window uint32, limit uint64) bool {
	for {
		was := a.Load()
		is, passed := was, int32(window-uint32(was>>32))
		if passed > 0 { // and if it is less than zero, another was faster
			is = uint64(window) << 32
			if passed == 1 && was&(alarmRaised-1) >= limit {
				is |= was & alarmRaised
			}
		}
		count := min(is&(alarmRaised-1)+failures, alarmRaised-1)
		raise := count >= limit && is&alarmRaised == 0
		is = is&^(alarmRaised-1) | count
		if raise {
			is |= alarmRaised
		}
		if a.CompareAndSwap(was, is) {
			return raise
		}
	}
}
