package ratelimit

import "sync/atomic"

// An alarm counts the failures of all sources, in windows that follow each other. It is one word: the number of the window in the
// upper half, then whether the alarm was raised in it or in those before it without a pause, then the failures.
type alarm struct{ atomic.Uint64 }

const alarmRaised = 1 << 31

// raiseAlarm counts a failure.
func (s *shared) raiseAlarm(now int64) {
	if s.rule.alarm < 0 {
		return
	}
	limit, window := uint64(s.rule.alarm), uint32(now/s.rule.window)
	for {
		was := s.alarm.Load()
		is, passed := was, int32(window-uint32(was>>32))
		if passed > 0 { // and if it is less than zero, another was faster
			is = uint64(window) << 32
			if passed == 1 && was&(alarmRaised-1) >= limit {
				is |= was & alarmRaised
			}
		}
		if is&(alarmRaised-1) < alarmRaised-1 {
			is++
		}
		raise := is&(alarmRaised-1) == limit && is&alarmRaised == 0
		if raise {
			is |= alarmRaised
		}
		if s.alarm.CompareAndSwap(was, is) {
			if raise {
				s.emit(Event{Kind: Alarm}, now)
			}
			return
		}
	}
}
