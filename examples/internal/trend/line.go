package trend

import "math"

// lineBlocks is how many means a Line is drawn through.
const lineBlocks = 20

// A Line is the straight line that fits a series of points best, that of least squares, with how sure its slope is.
//
// Neighbours resemble each other (what is resident now was so a moment ago), so that hundreds of them say no
// more than a few: an interval that took each for a witness of its own would be far too narrow. That is met
// twice. The line is drawn through the means of at most twenty blocks of points. And if neighbouring blocks
// still lie on the same side of the line, they count as fewer, as n(1-r)/(1+r) if r is their correlation
// (Santer et al., Journal of Geophysical Research 105, 2000, pages 7337 to 7356).
type Line struct {
	PerHour   float64 // the slope
	Error     float64 // its standard error
	Low, High float64 // where the slope is, with a confidence of 95 %
}

// Through returns the line through points, oldest first, and false if there are fewer than five blocks of them or
// all are of one moment.
func Through(points []Point) (Line, bool) {
	n := min(lineBlocks, len(points)/blockPoints)
	if n < 5 || !points[0].At.Before(points[len(points)-1].At) {
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
	slope, rests := xy/xx, make([]float64, n)
	for i := range n {
		rests[i] = y[i] - meanY - slope*(x[i]-meanX)
	}
	witnesses, squares := effective(rests)
	l := Line{PerHour: slope, Error: math.Sqrt(squares / (witnesses - 2) / xx)}
	reach := student(witnesses-2) * l.Error
	l.Low, l.High = slope-reach, slope+reach
	return l, true
}

// effective returns how many witnesses the rests of a line are worth, at least four, and the sum of their squares.
func effective(rests []float64) (witnesses, squares float64) {
	together := 0.0
	for i, rest := range rests {
		squares += rest * rest
		if i > 0 {
			together += rest * rests[i-1]
		}
	}
	n := float64(len(rests))
	if squares == 0 {
		return n, 0
	}
	// The correlation of a short series comes out too small (Kendall, Biometrika 41, 1954, pages 403 to 404).
	r := ((n-1)*together/squares + 1) / (n - 4)
	if r <= 0 { // they alternate: that makes no line more certain
		return n, squares
	}
	return max(n*(1-r)/(1+r), 4), squares
}

// student returns what a variable of Student's distribution, with two degrees of freedom or more, exceeds in
// one direction or the other once in twenty times: to a hundredth of it (Abramowitz and Stegun, Handbook of
// Mathematical Functions, 26.7.5).
func student(freedom float64) float64 {
	const z = 1.959964 // that of the normal distribution
	const z2 = z * z
	v := 1 / freedom
	return z * (1 + v*((z2+1)/4+v*((5*z2*z2+16*z2+3)/96+v*((3*z2*z2*z2+19*z2*z2+17*z2-15)/384+
		v*(79*z2*z2*z2*z2+776*z2*z2*z2+1482*z2*z2-1920*z2-945)/92160))))
}

// Rises reports whether the slope is above zero with that confidence, which is an accident once in some forty times.
func (l Line) Rises() bool { return l.Low > 0 }
