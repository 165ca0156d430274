package metrics

import (
	"fmt"
	"slices"
	"time"
)

const (
	defaultMaxEndpoints  = 50
	defaultMaxErrors     = 100
	defaultTimes         = 100
	defaultSlowAfter     = 2 * time.Second
	defaultErrorRate     = 0.1
	defaultErrorMin      = 10
	defaultErrorWindow   = time.Minute
	defaultIdleAfter     = time.Hour
	defaultWarnEvery     = time.Minute
	defaultMaxLabelBytes = 128
	defaultMaxGauges     = 300

	maxSeries     = 10_000
	maxTimes      = 1 << 16
	minLabelBytes = 16
	maxLabelBytes = 4096
	maxGauges     = 10_000
)

// RecorderConfig configures a [Recorder]. Its zero value is usable.
type RecorderConfig struct {
	// Routes are endpoints that always have a series, whatever else comes: the
	// patterns of the routes of the service. The [UnmatchedName] is always among
	// them. At most 10,000, no longer than MaxLabelBytes, valid UTF-8.
	Routes []string

	// MaxEndpoints is how many endpoints besides the pinned ones have a series at
	// a time. Zero means 50; -1 means none. At most 10,000.
	MaxEndpoints int

	// MaxErrors is how many error kinds have a series at a time. Zero means 100;
	// -1 means none. At most 10,000.
	MaxErrors int

	// MaxLabelBytes is how long the name of a series may be, in bytes. Zero means
	// 128. It must be between 16 and 4,096.
	MaxLabelBytes int

	// MaxGauges is how many names of figures the application may add. Zero means 300.
	// At most 10,000.
	MaxGauges int

	// Times is how many of the last response times are kept for all endpoints
	// together, and as many for each. Zero means 100. At most 65,536. Each takes
	// 8 bytes; the next power of two is allocated.
	Times int

	// TimesMaxAge is how long a response time counts. Zero means 5 minutes.
	TimesMaxAge time.Duration

	// SlowAfter is how long a request takes that is counted as slow, and warned of.
	// Zero means 2 seconds.
	SlowAfter time.Duration

	// ErrorRate is the share of requests answered with a status of 500 to 599,
	// within ErrorWindow, from which on a warning is given. Zero means 0.1. It must
	// be at most 1.
	ErrorRate float64

	// ErrorMin is how many requests there must be within ErrorWindow before
	// ErrorRate is looked at. Zero means 10.
	ErrorMin int

	// ErrorWindow is the time over which the error rate is taken. It slides in
	// twelfths of itself. Zero means 1 minute.
	ErrorWindow time.Duration

	// IdleAfter is how long an endpoint or error kind that is not pinned may be
	// unused before Sweep removes it, or less by up to 1.2 seconds. Zero means 1 hour.
	IdleAfter time.Duration

	// OnWarn is told of slow requests and of a high error rate, on the goroutine
	// of the request that showed it and with no lock held. Nil means that
	// [slog.Default] logs it as a warning.
	OnWarn func(Warning)

	// WarnEvery is the least time between two warnings of one kind. Those left out
	// are counted in the next one. Zero means 1 minute.
	WarnEvery time.Duration
}

// Validate reports the first field of c that breaks its rule, or nil.
func (c RecorderConfig) Validate() error {
	for _, f := range []struct {
		name     string
		value    int
		min, max int
	}{
		{"MaxEndpoints", c.MaxEndpoints, -1, maxSeries},
		{"MaxErrors", c.MaxErrors, -1, maxSeries},
		{"MaxGauges", c.MaxGauges, 0, maxGauges},
		{"Times", c.Times, 0, maxTimes},
		{"ErrorMin", c.ErrorMin, 0, 1 << 30},
	} {
		if f.value < f.min || f.value > f.max {
			return fmt.Errorf("metrics: RecorderConfig.%s is %d, want %d to %d", f.name, f.value, f.min, f.max)
		}
	}
	if c.MaxLabelBytes != 0 && (c.MaxLabelBytes < minLabelBytes || c.MaxLabelBytes > maxLabelBytes) {
		return fmt.Errorf("metrics: RecorderConfig.MaxLabelBytes is %d, want 0 or %d to %d",
			c.MaxLabelBytes, minLabelBytes, maxLabelBytes)
	}
	for _, f := range []struct {
		name  string
		value time.Duration
	}{
		{"TimesMaxAge", c.TimesMaxAge},
		{"SlowAfter", c.SlowAfter},
		{"ErrorWindow", c.ErrorWindow},
		{"IdleAfter", c.IdleAfter},
		{"WarnEvery", c.WarnEvery},
	} {
		if f.value < 0 {
			return fmt.Errorf("metrics: RecorderConfig.%s is %v, want zero or more", f.name, f.value)
		}
	}
	if !(c.ErrorRate >= 0 && c.ErrorRate <= 1) {
		return fmt.Errorf("metrics: RecorderConfig.ErrorRate is %v, want 0 to 1", c.ErrorRate)
	}
	return validatePinned("RecorderConfig.Routes", c.Routes, c.withDefaults().MaxLabelBytes)
}

// validatePinned checks the names of series that are always there.
func validatePinned(field string, names []string, limit int) error {
	if len(names) > maxSeries {
		return fmt.Errorf("metrics: %s has %d names, want at most %d", field, len(names), maxSeries)
	}
	for i, name := range names {
		if _, changed := clip(name, limit); changed || name == "" {
			return fmt.Errorf("metrics: %s[%d] is %.100q, want UTF-8 of 1 to %d bytes", field, i, name, limit)
		}
		if name == OtherName || name == RetiredName {
			return fmt.Errorf("metrics: %s[%d] is %q, want a name that is not reserved", field, i, name)
		}
	}
	return nil
}

// withDefaults returns c with each zero replaced by what it means, and with
// UnmatchedName among the routes.
func (c RecorderConfig) withDefaults() RecorderConfig {
	c.Routes = append(slices.Clone(c.Routes), UnmatchedName)
	c.MaxEndpoints = orDefault(c.MaxEndpoints, defaultMaxEndpoints)
	c.MaxErrors = orDefault(c.MaxErrors, defaultMaxErrors)
	c.MaxLabelBytes = orDefault(c.MaxLabelBytes, defaultMaxLabelBytes)
	c.MaxGauges = orDefault(c.MaxGauges, defaultMaxGauges)
	c.Times = orDefault(c.Times, defaultTimes)
	c.TimesMaxAge = orDefault(c.TimesMaxAge, defaultMaxAge)
	c.SlowAfter = orDefault(c.SlowAfter, defaultSlowAfter)
	c.ErrorRate = orDefault(c.ErrorRate, defaultErrorRate)
	c.ErrorMin = orDefault(c.ErrorMin, defaultErrorMin)
	c.ErrorWindow = orDefault(c.ErrorWindow, defaultErrorWindow)
	c.IdleAfter = orDefault(c.IdleAfter, defaultIdleAfter)
	c.WarnEvery = orDefault(c.WarnEvery, defaultWarnEvery)
	c.MaxEndpoints = max(c.MaxEndpoints, 0)
	c.MaxErrors = max(c.MaxErrors, 0)
	return c
}

// orDefault returns v, or def if v is the zero value.
func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}
