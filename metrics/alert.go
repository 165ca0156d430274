package metrics

import "time"

// An alert is the state machine of a Watch. Times are since the watch's start.
type alert struct {
	level    Level
	relaxing bool          // whether the share allows a lower level
	relaxed  time.Duration // since when, if so
}

// next returns the state after a share of the limit was seen at now.
func (a alert) next(c WatchConfig, share float64, now time.Duration) alert {
	if up := levelOf(c, share); up > a.level {
		return alert{level: up}
	}
	down := levelOf(c, share+c.Hysteresis)
	if down >= a.level {
		return alert{level: a.level}
	}
	if !a.relaxing {
		a.relaxing, a.relaxed = true, now
	}
	if now-a.relaxed < c.Dwell {
		return a
	}
	return alert{level: down}
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
