package trend

import "math"

// lineBlocks is how many means a Line is drawn through.
const lineBlocks = 20

// A Line is the straight line that fits a series of points best: that of least squares.
//
// It is drawn through the means of at most twenty blocks of points. Neighbours resemble each other (what is resident
// now was so a moment ago), so that hundreds of them say no more than a few: a standard error that took each for a witness of
// its own would be far too small.
type Line struct {
	PerHour float64 // the slope
	Error   float64 // its standard error
	Hours   float64 // between the first and the last point
}

// Through returns the line through points, oldest first, and false if there are fewer than three blocks of them or
// all are of one moment.
func Through(points []Point) (Line, bool) {
	n := min(lineBlocks, len(points)/blockPoints)
	if n < 3 || !points[0].At.Before(points[len(points)-1].At) {
		return Line{}, false
	}
	x, y := make([]float64, n), make([]float64, n)
	var meanX, meanY float64
	for i := range n {
		b := block(points, i, n)
		for _, p := range b {
			x[i] += p.At.Sub(points[0].At).Hours() / float64(len(b))
			y[i] += p.Value / float64(len(b))
		}
		meanX += x[i] / float64(n)
		meanY += y[i] / float64(n)
	}
	var xx, xy float64
	for i := range n {
		xx += (x[i] - meanX) * (x[i] - meanX)
		xy += (x[i] - meanX) * (y[i] - meanY)
	}
	if xx == 0 {
		return Line{}, false
	}
	slope, rest := xy/xx, 0.0
	for i := range n {
		off := y[i] - meanY - slope*(x[i]-meanX)
		rest += off * off
	}
	hours := points[len(points)-1].At.Sub(points[0].At).Hours()
	return Line{slope, math.Sqrt(rest / float64(n-2) / xx), hours}, true
}

// Rises reports whether the slope is more than three standard errors above zero, which is an accident once in
// some three hundred times.
func (l Line) Rises() bool { return l.PerHour > 3*l.Error }

// Grown returns how much the line rises from the first point to the last.
func (l Line) Grown() float64 { return l.PerHour * l.Hours }
