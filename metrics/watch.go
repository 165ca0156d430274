package metrics

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// A Level says how short of memory a process is.
type Level int

const (
	LevelOK       Level = iota // there is room
	LevelHigh                  // WatchConfig.High has been reached
	LevelCritical              // WatchConfig.Critical has been reached
)

// String returns "ok", "high" or "critical".
func (l Level) String() string {
	switch l {
	case LevelOK:
		return "ok"
	case LevelHigh:
		return "high"
	case LevelCritical:
		return "critical"
	}
	return fmt.Sprintf("Level(%d)", int(l))
}

// MarshalText returns what String does.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

const (
	defaultHigh       = 0.80
	defaultCritical   = 0.92
	defaultHysteresis = 0.05
	defaultDwell      = time.Minute
)

// WatchConfig configures a [Watch]. Its zero value is usable.
type WatchConfig struct {
	// Limit is how much memory the process should use at most, in bytes of RSS.
	// Zero means no limit besides those that [Memory.Pressure] knows.
	Limit int64

	// High and Critical are the shares of the limit at which the level rises. Zero
	// means 0.80 and 0.92. High must be less than Critical.
	High, Critical float64

	// Hysteresis is by how much the share must have fallen below High or Critical
	// before the level falls. Zero means 0.05. It must be less than High.
	Hysteresis float64

	// Dwell is how long the share must have been that low before the level falls.
	// Zero means 1 minute. Levels rise at once.
	Dwell time.Duration

	// Read returns the memory figures. Nil means [ReadMemory].
	Read func() Memory

	// OnChange is told of each change of the level, on the goroutine that called
	// Sweep and with no lock held: the place to call Shrink of a cache. A panic in
	// it is recovered and counted. Nil means that [slog.Default] logs it.
	OnChange func(Event)
}

// Validate reports the first field of c that breaks its rule, or nil.
func (c WatchConfig) Validate() error {
	if c.Limit < 0 {
		return fmt.Errorf("metrics: WatchConfig.Limit is %d, want zero or more", c.Limit)
	}
	if c.Dwell < 0 {
		return fmt.Errorf("metrics: WatchConfig.Dwell is %v, want zero or more", c.Dwell)
	}
	d := c.withDefaults()
	if !(d.Critical > 0 && d.Critical <= 1) {
		return fmt.Errorf("metrics: WatchConfig.Critical is %v, want more than 0 and at most 1", c.Critical)
	}
	if !(d.High > 0 && d.High < d.Critical) {
		return fmt.Errorf("metrics: WatchConfig.High is %v, want more than 0 and less than Critical, %v", d.High, d.Critical)
	}
	if !(d.Hysteresis >= 0 && d.Hysteresis < d.High) {
		return fmt.Errorf("metrics: WatchConfig.Hysteresis is %v, want zero or more and less than High, %v", d.Hysteresis, d.High)
	}
	return nil
}

func (c WatchConfig) withDefaults() WatchConfig {
	c.High = orDefault(c.High, defaultHigh)
	c.Critical = orDefault(c.Critical, defaultCritical)
	c.Hysteresis = orDefault(c.Hysteresis, defaultHysteresis)
	c.Dwell = orDefault(c.Dwell, defaultDwell)
	if c.Read == nil {
		c.Read = ReadMemory
	}
	if c.OnChange == nil {
		c.OnChange = logChange
	}
	return c
}

// An Event is one change of a [Watch]'s level.
type Event struct {
	From, To Level
	Share    float64 // of the limit, which caused it
	Memory   Memory  // which it was computed from
	At       time.Time
}

// String returns the event as a sentence.
func (e Event) String() string {
	return fmt.Sprintf("memory %v, was %v: %.0f%% of the limit; %v", e.To, e.From, 100*e.Share, e.Memory)
}

func logChange(e Event) {
	level := slog.LevelWarn
	if e.To < e.From {
		level = slog.LevelInfo
	}
	slog.Log(context.Background(), level, "metrics: memory level changed", "from", e.From, "to", e.To, "share", e.Share, "memory", e.Memory.String())
}

// A Watch looks at the memory whenever Sweep is called and says when it gets
// short and when it is no longer so. It starts no goroutine: a janitor calls
// Sweep, every ten seconds say.
//
// The level rises as soon as the share of the limit reaches High or Critical. It
// falls when the share has been Hysteresis below that for Dwell, so that a
// share which wavers at a threshold causes one event, not many.
type Watch struct {
	config WatchConfig // with defaults filled in
	start  time.Time

	panics atomic.Uint64

	mu    sync.Mutex // guards what follows
	alert alert
	state WatchState
}

// WatchState is what a [Watch] knows.
type WatchState struct {
	Level   Level
	Since   time.Time // when the level was reached; the watch's making at first
	Share   float64   // of the limit, at the last check that could tell
	Memory  Memory    // at the last check
	Checks  uint64    // calls to Sweep
	Unknown uint64    // of these, how many could not tell the share; they change nothing
	Changes uint64    // of the level
	Panics  uint64    // in Read and OnChange
}

// NewWatch returns a watch at LevelOK, or the error of [WatchConfig.Validate].
func NewWatch(c WatchConfig) (*Watch, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	now := time.Now()
	return &Watch{config: c.withDefaults(), start: now, state: WatchState{Since: now}}, nil
}

// Level returns the level as of the last Sweep.
func (w *Watch) Level() Level {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.alert.level
}

// State returns what the watch knows as of the last Sweep.
func (w *Watch) State() WatchState {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.state
	s.Panics = w.panics.Load()
	return s
}

// Sweep reads the memory and, if that changes the level, calls OnChange before it
// returns. It removes nothing and returns 0. When several goroutines call Sweep
// at once, their events may be told in another order than they happened.
func (w *Watch) Sweep() (removed int) {
	var m Memory
	guard(&w.panics, func() { m = w.config.Read() })
	share, known := w.share(m)
	if event, changed := w.note(m, share, known); changed {
		guard(&w.panics, func() { w.config.OnChange(event) })
	}
	return 0
}

// share returns the share of the limit that m is.
func (w *Watch) share(m Memory) (share float64, known bool) {
	share, known = m.Pressure()
	if w.config.Limit > 0 {
		return larger(share, known)(ratio(m.RSS, BytesOf(w.config.Limit)))
	}
	return share, known
}

// note takes a reading in and returns the event it causes, if any.
func (w *Watch) note(m Memory, share float64, known bool) (event Event, changed bool) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state.Checks++
	w.state.Memory = m
	if !known {
		w.state.Unknown++
		return Event{}, false
	}
	w.state.Share = share
	before := w.alert.level
	w.alert = w.alert.next(w.config, share, now.Sub(w.start))
	if w.alert.level == before {
		return Event{}, false
	}
	w.state.Level, w.state.Since = w.alert.level, now
	w.state.Changes++
	return Event{From: before, To: w.alert.level, Share: share, Memory: m, At: now}, true
}

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
