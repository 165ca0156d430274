package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// A terminal is what the screen's bytes make of it: lines, of which the last ones may be taken back.
type terminal struct {
	t     *testing.T
	width int
	lines []string
}

var upAndClear = regexp.MustCompile(`^\x1b\[(\d+)A\x1b\[J`)

func (v *terminal) Write(p []byte) (int, error) {
	for text := string(p); text != ""; {
		if m := upAndClear.FindStringSubmatch(text); m != nil {
			n, _ := strconv.Atoi(m[1])
			require.LessOrEqual(v.t, n, len(v.lines))
			v.lines, text = v.lines[:len(v.lines)-n], text[len(m[0]):]
			continue
		}
		line, rest, ended := strings.Cut(text, "\n")
		require.True(v.t, ended, "lines are written as a whole")
		require.NotContains(v.t, line, "\x1b")
		require.NotContains(v.t, line, "\r")
		v.lines, text = append(v.lines, line), rest
	}
	return len(p), nil
}

// onTerminal returns a console on a terminal of that size.
func onTerminal(t *testing.T, width, height int) (*terminal, *console) {
	v := &terminal{t: t, width: width}
	return v, &console{v, &screen{out: v, size: func() (int, int, error) { return width, height, nil }}}
}

// The measurements scroll, and below them is one chart and one bar, which move along and fit.
func TestTheChartAndTheBarStayBelowTheLines(t *testing.T) {
	v, c := onTerminal(t, 100, 30)
	s := newSeries(10)
	for i := range 40 {
		m := measurement{At: time.Unix(int64(i), 0), RSS: exactly(100 + float64(i)), Health: "healthy"}
		s.add(m)
		p := progress{time.Duration(i) * time.Minute, 40 * time.Minute}
		c.measured(&m, []string{"warning: of something"}, s, p)
		c.goOn(s, p)
	}
	text := strings.Join(v.lines, "\n")
	require.Equal(t, 40, strings.Count(text, "RSS "))
	require.Equal(t, 40, strings.Count(text, "warning: of something"))
	require.Equal(t, 1, strings.Count(text, "resident memory in MB"))
	require.Equal(t, 1, strings.Count(text, "of 40m0s"))
	require.Contains(t, v.lines[len(v.lines)-1], "97% ")
	require.Contains(t, v.lines[len(v.lines)-1], "39m0s of 40m0s")
	for _, line := range v.lines[80:] {
		require.Less(t, utf8.RuneCountInString(line), 100)
	}
	require.Equal(t, 80+10+1+1+1, len(v.lines), "ten rows and one, the caption, and the bar")
}

func TestTheScreenTakesWhatRoomThereIs(t *testing.T) {
	for _, test := range []struct{ width, height, lines int }{
		{100, 8, 1},    // a bar only
		{39, 30, 0},    // nothing
		{40, 12, 7},    // a small one
		{300, 100, 15}, // no more than needed
	} {
		v, c := onTerminal(t, test.width, test.height)
		s := newSeries(10)
		for i := range 3 {
			s.add(measurement{RSS: exactly(float64(1000 * i))})
		}
		c.screen.draw(s, progress{time.Second, time.Minute})
		require.Len(t, v.lines, test.lines, "%+v", test)
		for _, line := range v.lines {
			require.Less(t, utf8.RuneCountInString(line), test.width)
		}
	}
}

func TestWithoutADurationThereIsNoBar(t *testing.T) {
	require.Equal(t, "1m30s watched, Ctrl-C ends it", progress{90 * time.Second, 0}.bar(80))
	half := progress{30 * time.Second, time.Minute}.bar(60)
	require.Regexp(t, `^ ?50% \|█+ +\| 30s of 1m0s$`, half)
	require.LessOrEqual(t, utf8.RuneCountInString(half), 60)
}

// The page has the verdict, the table and the charts, and nothing of it comes from elsewhere or is what a
// service made it.
func TestTheReportStandsAlone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "memory.html")
	service := newService(func(i int) float64 { return 100 + float64(i) })
	service.status, service.issues = "warning", `["<script>alert(1)</script>"]`
	_, _, w := observe(t, service, "-interval 30 -duration 3600 -report "+file)
	page, err := os.ReadFile(file)
	require.NoError(t, err)
	text := string(page)
	require.Contains(t, text, `class="verdict leak"`)
	require.Contains(t, text, "Memory of http://service")
	require.Contains(t, text, "121 measurements from ")
	require.Equal(t, 4, strings.Count(text, "<svg "))
	require.Regexp(t, `resident memory MB<td>100\.0<td>160\.0<td>220\.0`, text)
	require.NotContains(t, text, "<script")
	require.NotRegexp(t, `(src|href)=`, text)
	require.NotContains(t, text, "NaN")

	// A curve begins and ends with what was measured first and last.
	r := record{Summary: w.summarize(), Measurements: w.series.kept}
	lines := r.lines([]curve{{"resident", func(m *measurement) number { return m.RSS }, true}})
	require.Len(t, lines.Points, chartPoints)
	require.Equal(t, 100.0, lines.Lines[0].Values[0])
	require.Equal(t, 220.0, lines.Lines[0].Values[chartPoints-1])
	require.Equal(t, 160.0, lines.Lines[0].Values[chartPoints/2])
}

func TestAReportOfNothingSaysSo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "memory.html")
	observe(t, &away{service: newService(level), to: 1 << 62}, "-interval 30 -duration 60 -report "+file)
	page, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(page), `class="verdict unknown">nothing could be measured`)
	require.Contains(t, string(page), "too few measurements for charts")
}
