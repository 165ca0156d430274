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

	// GrowthWindow is the time over which [Growth] is measured. Zero means 1 hour. A
	// leak shows after a quarter of it and is suspected after the whole.
	GrowthWindow time.Duration

	// GrowthHorizon and GrowthConfidence say when a leak is suspected: when with this
	// confidence the memory grows, and at the present rate reaches the limit within
	// this time. Zero means 24 hours and 0.999. The suspicion ends at a confidence below 0.9
	// or at a limit twice as far away.
	// The confidence is that of one look, and there are 32 in a GrowthWindow: low-water marks
	// without a trend that vary by some percent of the limit are suspected about once in four
	// days at 0.999, and once in six weeks at 0.9999, with a window of 1 hour (simulated).
	GrowthHorizon    time.Duration
	GrowthConfidence float64

	// OnGrowth is told when a leak is suspected and when it no longer is, as OnChange is
	// of levels. Nil means that [slog.Default] logs it.
	OnGrowth func(Growth)

	// Profiles gets a heap profile whenever the level rises and whenever a leak
	// becomes suspected, before OnChange or OnGrowth is called. Nil means none.
	Profiles *Profiles
}

// Validate reports the first field of c that breaks its rule, or nil.
func (c WatchConfig) Validate() error {
	if c.Limit < 0 {
		return fmt.Errorf("metrics: WatchConfig.Limit is %d, want zero or more", c.Limit)
	}
	if c.Dwell < 0 {
		return fmt.Errorf("metrics: WatchConfig.Dwell is %v, want zero or more", c.Dwell)
	}
	if c.GrowthWindow < 0 {
		return fmt.Errorf("metrics: WatchConfig.GrowthWindow is %v, want zero or more", c.GrowthWindow)
	}
	if c.GrowthHorizon < 0 {
		return fmt.Errorf("metrics: WatchConfig.GrowthHorizon is %v, want zero or more", c.GrowthHorizon)
	}
	d := c.withDefaults()
	if !(d.GrowthConfidence >= growthClearConfidence && d.GrowthConfidence < 1) {
		return fmt.Errorf("metrics: WatchConfig.GrowthConfidence is %v, want %v or more and less than 1", c.GrowthConfidence, growthClearConfidence)
	}
	if !(d.Critical > 0 && d.Critical <= 1) {
		return fmt.Errorf("metrics: WatchConfig.Critical is %v, want more than 0 and at most 1", d.Critical)
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
	c.GrowthWindow = orDefault(c.GrowthWindow, defaultGrowthWindow)
	c.GrowthHorizon = orDefault(c.GrowthHorizon, defaultGrowthHorizon)
	c.GrowthConfidence = orDefault(c.GrowthConfidence, defaultGrowthConfidence)
	if c.Read == nil {
		c.Read = ReadMemory
	}
	if c.OnChange == nil {
		c.OnChange = logChange
	}
	if c.OnGrowth == nil {
		c.OnGrowth = logGrowth
	}
	return c
}

// An Event is one change of a [Watch]'s level.
type Event struct {
	From, To Level
	Share    float64 // of the limit, which caused it
	Memory   Memory  // which it was computed from
	At       time.Time
	Profile  string // name of the heap profile that was written, if one was
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
// short, when it is no longer so, and when it grows as if it leaked. It starts no goroutine: the
// janitor of package sweep, or whoever likes, calls Sweep, every ten seconds say.
//
// The level rises as soon as the share of the limit reaches High or Critical. It
// falls when the share has been Hysteresis below that for Dwell, to the lowest level of
// which that is true, so that a share which wavers at a threshold, or falls below all of
// them for a moment, causes one event, not many.
type Watch struct {
	config WatchConfig // with defaults filled in
	start  time.Time

	panics atomic.Uint64

	mu     sync.Mutex // guards what follows
	alert  alert
	trend  trend
	limits limits
	growth Growth
	state  WatchState
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
	Panics  uint64    // in Read, OnChange and OnGrowth

	ProfileErrors uint64 // heap profiles that could not be written
	ProfileError  error  // why, the last time
}

// NewWatch returns a watch at LevelOK, or the error of [WatchConfig.Validate].
func NewWatch(c WatchConfig) (*Watch, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	now := time.Now()
	return &Watch{
		config: c, start: now, state: WatchState{Since: now},
		trend: trend{block: max(c.GrowthWindow/trendPoints, 1)},
	}, nil
}

// Level returns the level as of the last Sweep.
func (w *Watch) Level() Level {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.alert.level
}

// Growth returns how fast the memory grows, as of the last Sweep.
func (w *Watch) Growth() Growth {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.growth
}

// State returns what the watch knows as of the last Sweep.
func (w *Watch) State() WatchState {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.state
	s.Panics = w.panics.Load()
	return s
}

// Sweep reads the memory and, if that changes the level or the suspicion of a leak, writes
// the heap profile and calls OnChange and OnGrowth before it returns. It removes nothing and
// returns 0. When several goroutines call Sweep at once, their events may be told
// in another order than they happened.
func (w *Watch) Sweep() (removed int) {
	var m Memory
	guard(&w.panics, func() { m = w.config.Read() })
	event, growth := w.note(m)
	if event != nil {
		if event.To > event.From {
			event.Profile = w.profile(event.To.String())
		}
		guard(&w.panics, func() { w.config.OnChange(*event) })
	}
	if growth != nil {
		if growth.Suspected {
			w.profile("growth")
		}
		guard(&w.panics, func() { w.config.OnGrowth(*growth) })
	}
	return 0
}

// profile writes a heap profile, if that is wanted, and returns its name.
func (w *Watch) profile(reason string) (name string) {
	if w.config.Profiles == nil {
		return ""
	}
	p, err := w.config.Profiles.Write(reason)
	if err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.state.ProfileErrors++
		w.state.ProfileError = err
	}
	return p.Name
}

// use returns the tightest of what m uses of its limits and of w's own.
func (w *Watch) use(m Memory) use {
	u := m.tightest()
	if w.config.Limit > 0 {
		return u.larger(use{m.RSS, BytesOf(w.config.Limit)})
	}
	return u
}

// note takes a reading in and returns the event it causes, and the growth if the
// suspicion of a leak has changed.
func (w *Watch) note(m Memory) (event *Event, growth *Growth) {
	u := w.use(m)
	share, known := u.share()
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now() // with the lock, so that the trend's times do not go back
	w.state.Checks++
	w.state.Memory = m
	if !known {
		w.state.Unknown++
		return nil, nil
	}
	w.state.Share = share
	if w.limits.change(m) {
		w.trend.reset() // shares of different limits are no series
	}
	if before := w.alert.level; w.advance(share, now) {
		event = &Event{From: before, To: w.alert.level, Share: share, Memory: m, At: now}
	}
	if w.trend.add(now.Sub(w.start), share) && w.measure(u.limit, now) {
		g := w.growth
		growth = &g
	}
	return event, growth
}

// advance takes the share into the level and reports whether it has changed. w.mu
// is held.
func (w *Watch) advance(share float64, now time.Time) (changed bool) {
	before := w.alert.level
	w.alert = w.alert.next(w.config, share, now.Sub(w.start))
	if w.alert.level == before {
		return false
	}
	w.state.Level, w.state.Since = w.alert.level, now
	w.state.Changes++
	return true
}

// measure computes the growth and reports whether the suspicion has changed. w.mu
// is held.
func (w *Watch) measure(limit Bytes, now time.Time) (changed bool) {
	s, ok := w.trend.estimate()
	if !ok {
		return false // an earlier measurement stands, as does a suspicion
	}
	before := w.growth.Suspected
	w.growth = growthOf(s, float64(limit.n), now.Add(s.at-now.Sub(w.start)))
	w.growth.Suspected = w.growth.suspected(w.config, before)
	return w.growth.Suspected != before
}
