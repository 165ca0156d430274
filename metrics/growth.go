package metrics

import (
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/dustin/go-humanize"
)

const (
	defaultGrowthWindow     = time.Hour
	defaultGrowthHorizon    = 24 * time.Hour
	defaultGrowthConfidence = 0.999

	// A suspicion ends below this confidence, or when the limit is twice as far away
	// as it may be.
	growthClearConfidence = 0.9
	growthClearHorizons   = 2
)

// Growth is how fast the share of the limit grows that a [Watch] looks at. Rates
// are slopes of its low-water marks, one each 32nd of WatchConfig.GrowthWindow, so
// that neither the collector's saw-tooth nor page cache counts as growth. A cache
// that fills does, until it is full.
type Growth struct {
	At     time.Time     // when the last low-water mark was taken; zero: there are too few yet
	Marks  int           // low-water marks that the rest is computed from: 8 to 32, or 0
	Window time.Duration // time between the first and the last of them

	SharePerHour float64 // median of the slopes between any two marks
	SlowestShare float64 // lower and upper end of
	FastestShare float64 // its 95 % confidence interval
	BytesPerHour float64 // SharePerHour of the present limit

	// Confidence is the probability with which marks without a trend would have shown
	// less of one upwards: 0.5 says nothing, and more than 0.999 is growth. It assumes that
	// such marks come in any order, so that waves longer than GrowthWindow
	// are growth for as long as they rise.
	Confidence float64

	// LimitAt is when the limit is reached at SharePerHour, and LimitSoonest and
	// LimitLatest are when it is at the ends of the interval. A zero time is never,
	// or later than in a hundred years.
	LimitAt, LimitSoonest, LimitLatest time.Time

	// Suspected says that this looks like a leak: see WatchConfig.OnGrowth.
	Suspected bool
}

// String returns the growth as a sentence.
func (g Growth) String() string {
	if g.Marks == 0 {
		return "memory growth not known yet"
	}
	rate := "does not grow"
	if g.SharePerHour != 0 {
		verb := "grows"
		if g.SharePerHour < 0 {
			verb = "shrinks"
		}
		rate = fmt.Sprintf("%s by %s (%.2g%% of the limit) an hour", verb,
			humanize.Bytes(uint64(math.Abs(g.BytesPerHour))), 100*math.Abs(g.SharePerHour))
	}
	s := fmt.Sprintf("memory %s over the last %v, growth at %.4g%% confidence", rate, g.Window.Round(time.Second), 100*g.Confidence)
	if g.LimitAt.IsZero() {
		return s
	}
	s += fmt.Sprintf("; the limit is reached in %v", g.until(g.LimitAt))
	if !g.LimitSoonest.IsZero() && !g.LimitLatest.IsZero() {
		s += fmt.Sprintf(" (%v to %v)", g.until(g.LimitSoonest), g.until(g.LimitLatest))
	}
	return s
}

// until returns the time from the last mark to limit, in steps that can be read.
func (g Growth) until(limit time.Time) time.Duration {
	d := limit.Sub(g.At)
	if d > time.Hour {
		return d.Round(time.Minute)
	}
	return d.Round(time.Second)
}

// growthOf returns what s means, whose values are shares of limit and whose last mark was taken at that time.
func growthOf(s slope, limit float64, at time.Time) Growth {
	const hour = 3600
	in := func(rate float64) time.Time {
		const farthest = 100 * 365 * 24 * hour
		seconds := max(0, 1-s.last) / rate
		if !(rate > 0) || seconds > farthest {
			return time.Time{}
		}
		return at.Add(time.Duration(seconds * float64(time.Second)))
	}
	return Growth{
		At: at, Marks: s.points, Window: s.window,
		SharePerHour: s.rate * hour, SlowestShare: s.low * hour, FastestShare: s.high * hour,
		BytesPerHour: s.rate * hour * limit,
		Confidence:   s.confidence,
		LimitAt:      in(s.rate), LimitSoonest: in(s.high), LimitLatest: in(s.low),
	}
}

// suspected reports whether g looks like a leak, given whether it did before.
func (g Growth) suspected(c WatchConfig, before bool) bool {
	if g.LimitAt.IsZero() {
		return false
	}
	left := g.LimitAt.Sub(g.At)
	if before {
		return g.Confidence >= growthClearConfidence && left/growthClearHorizons <= c.GrowthHorizon
	}
	return g.Marks == trendPoints && g.Confidence >= c.GrowthConfidence && left <= c.GrowthHorizon
}

func logGrowth(g Growth) {
	if g.Suspected {
		slog.Warn("metrics: memory may leak", "growth", g.String())
	} else {
		slog.Info("metrics: memory does not seem to leak any more", "growth", g.String())
	}
}
