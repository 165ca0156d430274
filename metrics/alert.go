package metrics

import "time"

// An alert is the state machine of a Watch. Times are since the watch's start.
type alert struct {
	level Level
	below [LevelCritical]struct { // of each level that can be fallen to
		allowed bool          // by the last share
		since   time.Duration // if so, by all since then
	}
}

// next returns the state after a share of the limit was seen at now.
func (a alert) next(c WatchConfig, share float64, now time.Duration) alert {
	lowest := levelOf(c, share+c.Hysteresis)
	for level := range LevelCritical {
		switch b := &a.below[level]; {
		case level < lowest:
			b.allowed = false
		case !b.allowed:
			b.allowed, b.since = true, now
		}
	}
	a.level = max(a.level, levelOf(c, share))
	for level := range a.level {
		if b := a.below[level]; b.allowed && now-b.since >= c.Dwell {
			a.level = level
			break
		}
	}
	return a
}

// levelOf returns the level of a share, without regard to what was before.
func levelOf(c WatchConfig, share float64) Level {
	switch {
	case share >= c.Critical:
		return LevelCritical
	case share >= c.High:
		return LevelHigh
	}
	return LevelOK
}
