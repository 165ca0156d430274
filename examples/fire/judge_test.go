package main

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/examples/internal/trend"
)

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// shot is what the database has of a submission that a program sent with the n-th mark.
func shot(id, mark string) stored { return stored{id, []string{mark}} }

// What is lost, doubled, changed or made up is found when the books are compared.
func TestBrokenPromisesAreFound(t *testing.T) {
	said := func() promises {
		p := make(promises)
		p.add("A", "shot-1")
		p.add("B", "shot-2")
		p.add("FORM", "")
		return p
	}
	form := stored{"FORM", []string{"rosary", "choir"}}
	for _, test := range []struct {
		name  string
		have  []stored
		wrong string // "": nothing
	}{
		{"kept", []stored{shot("A", "shot-1"), shot("B", "shot-2"), form}, ""},
		{"stored-but-not-answered", []stored{shot("A", "shot-1"), shot("B", "shot-2"), form, shot("C", "shot-3"), {"MATCH", []string{"choir"}}}, ""},
		{"lost", []stored{shot("A", "shot-1"), form}, "submission B is lost"},
		{"form-lost", []stored{shot("A", "shot-1"), shot("B", "shot-2")}, "submission FORM is lost"},
		{"doubled", []stored{shot("A", "shot-1"), shot("B", "shot-2"), form, shot("C", "shot-2")}, "submission B is there again as C"},
		{"same-row-twice", []stored{shot("A", "shot-1"), shot("B", "shot-2"), form, form}, "submission FORM is there twice"},
		{"exchanged", []stored{shot("A", "shot-2"), shot("B", "shot-1"), form}, `bears the mark "shot-`},
		{"made-up", []stored{shot("A", "shot-1"), shot("B", "shot-2"), form, shot("C", "shot-4")}, "submission C bears shot-4, which nobody sent"},
	} {
		t.Run(test.name, func(t *testing.T) {
			wrong := said().compare(test.have, 3)
			if test.wrong == "" {
				require.Empty(t, wrong)
				return
			}
			require.NotEmpty(t, wrong)
			require.Contains(t, wrong[0], test.wrong)
		})
	}
	twice := said()
	twice.add("A", "shot-3")
	require.Contains(t, twice.compare([]stored{shot("A", "shot-1"), shot("B", "shot-2"), form}, 3)[0], "2 answers bear the name A")
}

// Only the fault excuses a 5xx, and it excuses nothing else.
func TestOnlyTheFaultExcusesA5xx(t *testing.T) {
	fault := span{noon, noon.Add(10 * time.Second)}
	at := func(second, status int, always bool) []trouble {
		began := noon.Add(time.Duration(second) * time.Second)
		return []trouble{{kind: submit, began: began, ended: began.Add(time.Second / 2), status: status, text: "a\nb", always: always}}
	}
	require.Empty(t, judgeTroubles(at(5, 503, false), fault))
	require.Empty(t, judgeTroubles(at(10, 503, false), fault), "begun before the end")
	require.Empty(t, judgeTroubles([]trouble{{began: noon.Add(-time.Second), ended: noon.Add(time.Second), status: 500}}, fault))
	for _, wrong := range [][]trouble{at(-2, 503, false), at(11, 503, false), at(5, 404, true), at(5, 0, true), at(5, 0, false), at(5, 503, true)} {
		require.Len(t, judgeTroubles(wrong, fault), 1)
	}
	require.Contains(t, judgeTroubles(at(11, 503, false), fault)[0], "POST /api/submit: status 503 after 500ms: a b")
}

// Two minutes of the noise that a collector makes: what leaks a MB a minute is found in it, and what is flat is
// not taken for that.
func TestMemoryThatRisesIsFound(t *testing.T) {
	series := func(perMinute float64) (list []trend.Point) {
		for i := range 480 {
			minutes := float64(i) / 240 // four a second
			list = append(list, trend.Point{At: noon.Add(time.Duration(i) * 250 * time.Millisecond), Value: 40 + float64(i%7)/3 + perMinute*minutes})
		}
		return list
	}
	require.Empty(t, judgeMemory(series(0)))
	require.Empty(t, judgeMemory(series(-20)), "what falls is no leak")
	require.Len(t, judgeMemory(series(1)), 1)
	require.Contains(t, judgeMemory(series(1))[0], "it rises: slope +1.00 MB a minute, with 95 % confidence +0.9")
	require.Contains(t, judgeMemory(series(0)[:5])[0], "5 times only")
}

// The memory is watched from the end of the warm-up to the end of the load; if that is too short, it is not
// judged, and the report says so.
func TestOnlyWarmMemoryIsJudged(t *testing.T) {
	seen := func(load time.Duration) *report {
		r := &report{plan: plan{clients: 16, warmUp: time.Minute, load: load}, storm: newStorm(), back: true, said: "Stopped.", restored: noon.Add(load + 8*time.Second)}
		r.load = span{noon, noon.Add(load)}
		r.fault = span{r.load.to, r.restored}
		for at := -r.plan.warmUp; at < load+10*time.Second; at += time.Second / 4 {
			memory := min(40, 40+at.Seconds()/6) // 30 to 40 MB while it warms up
			if at > load {
				memory = 60
			}
			f := figures{at: noon.Add(at), values: map[string]float64{resident: 1e6 * (memory + float64(len(r.samples)%2)), live: 6e6, goroutines: 12}}
			for _, b := range bounds {
				f.values[b.figure], f.values[b.bound] = 1, 2
			}
			r.samples = append(r.samples, f)
		}
		r.before, r.after = r.samples[0], r.samples[0]
		r.judge()
		return r
	}
	r, out := seen(2*time.Minute), strings.Builder{}
	r.print(&out)
	require.Empty(t, r.wrong(), out.String())
	require.Contains(t, out.String(), "kept     the resident memory is flat")
	require.Contains(t, out.String(), "resident memory when warm, for 2m0s: 40.0 to 41.0 MB, slope ")
	c, err := r.chart()
	require.NoError(t, err)
	require.Len(t, c.Spans, 1)
	require.Regexp(t, `^[+-]0\.\d\d MB a minute \(-0\.\d\d to \+0\.\d\d\)$`, c.Spans[0].Label)
	require.InDelta(t, 60, float64(c.Spans[0].From)/drawPoints*190, 3, "seconds")
	require.InDelta(t, 180, float64(c.Spans[0].To)/drawPoints*190, 3, "seconds")

	r, out = seen(30*time.Second), strings.Builder{}
	r.print(&out)
	require.Contains(t, out.String(), "unknown  whether the resident memory is flat: it must be watched for 1m0s")
	require.NotContains(t, out.String(), "kept     the resident memory")
	_, err = new(report).chart()
	require.Error(t, err)
}

func TestBoundsGoroutinesAndTheEndAreLookedAt(t *testing.T) {
	all := func(n float64) (f figures) {
		f.values = map[string]float64{goroutines: n}
		for _, b := range bounds {
			f.values[b.figure], f.values[b.bound] = n, 20
		}
		return f
	}
	require.Empty(t, judgeBounds([]figures{all(3), all(20), all(7)}))
	require.Len(t, judgeBounds([]figures{all(3), all(21), all(7)}), len(bounds))
	require.Len(t, judgeBounds(nil), len(bounds), "what nobody tells is not kept")

	require.Empty(t, judgeGoroutines(all(12), all(12)))
	require.Empty(t, judgeGoroutines(all(12), all(11)))
	require.Len(t, judgeGoroutines(all(12), all(13)), 1)
	require.Len(t, judgeGoroutines(figures{}, figures{}), 1)

	require.Empty(t, judgeEnd(nil, "Stopped.\n"))
	require.Len(t, judgeEnd(errors.New("exit status 1"), "Stopped.\n"), 1)
	require.Len(t, judgeEnd(nil, ""), 1)
}

func TestBadFlags(t *testing.T) {
	for _, test := range [][]string{
		{"-duration is 1s, want 10s to 1h", "-duration", "1s"}, {"-clients is 0, want 1 to 1000", "-clients", "0"},
		{"-warm-up is -1s, want 0s to 1h", "-warm-up", "-1s"}, {"not defined", "-wrong"},
	} {
		require.ErrorContains(t, run(t.Context(), test[1:], io.Discard, io.Discard), test[0])
	}
}

func TestFiguresWithoutLabelsAreRead(t *testing.T) {
	f, err := parseFigures(strings.NewReader("# HELP go_goroutines x\n# TYPE go_goroutines gauge\ngo_goroutines 12\n" +
		"http_requests_total{endpoint=\"GET /\"} 7\nprocess_resident_memory_bytes 4.5e+07\nnonsense\n"))
	require.NoError(t, err)
	require.Equal(t, map[string]float64{goroutines: 12, resident: 4.5e7}, f.values)
}

// A client notes what is not as it should be, and a service that goes away when it was told to is as it should be.
func TestClientsNoteWhatIsWrong(t *testing.T) {
	var answer atomic.Value // http.HandlerFunc
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer.Load().(http.HandlerFunc)(w, r) }))
	defer server.Close()
	s := newStorm()
	c := newClient(server.URL, s, 1)
	defer c.http.CloseIdleConnections()
	try := func(h http.HandlerFunc, ask func()) []trouble {
		answer.Store(h)
		s.troubles = nil
		ask()
		return s.troubles
	}
	says := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	submits := func() { c.submit(t.Context()) }
	signsIn := func() { c.ask(t.Context(), signIn, http.MethodPost, "/admin/sign-in", formType, "") }

	require.Empty(t, try(says(200, `{"success": true, "message": "kept", "submission_id": "X"}`), submits))
	require.Equal(t, promises{"X": {"shot-1"}}, s.promised)
	refused := try(says(503, `{"success": false, "message": "full", "submission_id": ""}`), submits)
	require.Len(t, refused, 1)
	require.False(t, refused[0].always)
	require.Len(t, s.promised, 1)
	for _, contradiction := range []http.HandlerFunc{
		says(200, `{"success": false, "message": "full", "submission_id": ""}`),
		says(200, `{"success": true, "message": "kept", "submission_id": ""}`),
		says(200, `<html>`),
	} {
		wrong := try(contradiction, submits)
		require.Len(t, wrong, 1)
		require.True(t, wrong[0].always)
	}
	require.Empty(t, try(says(401, ""), signsIn))
	require.True(t, try(says(429, ""), signsIn)[0].always, "without Retry-After")
	require.True(t, try(says(200, ""), signsIn)[0].always, "a wrong password is let in")

	cut := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte("{"))
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	none := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	require.True(t, try(none, submits)[0].always)
	require.False(t, c.gone)
	s.over.Store(true)
	require.Empty(t, try(none, submits), "the door is closed")
	require.True(t, c.gone)
	require.True(t, try(cut, submits)[0].always, "half an answer is lost, whenever")
}
