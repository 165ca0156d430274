package main

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ministryfinder/bounded/examples/versus/internal/peer"
	"github.com/ministryfinder/bounded/examples/versus/internal/trace"
	"github.com/stretchr/testify/require"
)

// tiny runs a command without its flags and returns what it printed. Its charts are checked.
func tiny(t *testing.T, c command, charts ...string) string {
	t.Helper()
	var out strings.Builder
	e := &env{out: &out, progress: io.Discard, procs: processors{1, 2}, svg: filepath.Join(t.TempDir(), "new")}
	require.NoError(t, c.run(e))
	files, err := os.ReadDir(e.svg)
	if charts != nil {
		require.NoError(t, err)
	}
	var drawn []string
	for _, file := range files {
		drawn = append(drawn, file.Name())
		data, err := os.ReadFile(filepath.Join(e.svg, file.Name()))
		require.NoError(t, err)
		requireXML(t, data)
	}
	require.ElementsMatch(t, charts, drawn)
	return out.String()
}

func requireXML(t *testing.T, data []byte) {
	t.Helper()
	require.NotContains(t, string(data), "NaN")
	for d := xml.NewDecoder(strings.NewReader(string(data))); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else {
			require.NoError(t, err)
		}
	}
}

// requireRows fails the test if there are not so many rows that begin with label.
func requireRows(t *testing.T, want int, table, label string) {
	t.Helper()
	rows := regexp.MustCompile(`(?m)^\| `+regexp.QuoteMeta(label)+` +\|`).FindAllString(table, -1)
	require.Len(t, rows, want, "rows %q of\n%s", label, table)
}

func TestThroughputHasAllRows(t *testing.T) {
	c := &throughput{keys: 2000, capacity: 200, sequence: 3 << 10, rounds: 1, time: time.Millisecond}
	out := tiny(t, c, "throughput.svg")
	for _, kind := range []string{"ints", "strings"} {
		for _, procs := range []string{"1", "2"} {
			for _, traffic := range []string{"reads", "5 % writes", "25 % writes", "50 % writes", "writes", "new keys"} {
				want := 2 // ns and hits
				if traffic == "writes" || traffic == "new keys" {
					want = 1 // there are no reads to hit
				}
				requireRows(t, want, out, kind+", "+traffic+", "+procs)
			}
		}
	}
	for _, p := range append(peer.Strings(), peer.Floor[string, string]()) {
		require.Contains(t, out, " "+p.Name+" |")
	}
	require.NotContains(t, out, "("+floor+")", "it is not a peer to beat")
	require.Contains(t, out, "Geometric mean of the last column: ")
}

func TestMemoryHasAllRows(t *testing.T) {
	out := tiny(t, &memory{entries: 2000, bytes: 1 << 20, sizes: []int{256, 1024}}, "memory.svg", "memory-bound.svg")
	for _, p := range peer.All[uint64, uint64]() {
		requireRows(t, 1, out, p.Name)
	}
	requireRows(t, 1, out, "256 B")
	requireRows(t, 1, out, "1.0 KiB")
}

func TestHitsHasAllRows(t *testing.T) {
	out := tiny(t, &hits{accesses: 4000, workers: 2, large: 10}, "hits.svg")
	for _, tr := range trace.Synthetic(4000) {
		requireRows(t, len(shares), out, tr.Name)
	}
	for _, p := range peer.Numbers[uint32]() {
		requireRows(t, 1, out, p.Name)
	}
	for _, name := range []string{"otter", "theine", "ristretto"} {
		requireRows(t, 1, out, name+waited)
	}
	requireRows(t, 1, out, "mean, capacity >= 10")
	require.Regexp(t, `\| bounded +\| +0 \|`, out, "ours held more than its bound")
}

func TestHitsReadsTracesWithSizes(t *testing.T) {
	dir := t.TempDir()
	var lines strings.Builder
	for i := range 3000 {
		lines.WriteString([]string{"1 500000\n", "2 900000\n", "3 70000\n"}[i%3])
		lines.WriteString(strings.Repeat("9", 1+i%5) + " 600000\n")
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sized.txt"), []byte(lines.String()), 0o600))
	out := tiny(t, &hits{traces: dir, workers: 1}, "hits.svg")
	requireRows(t, 2*len(shares), out, "sized")
	require.Contains(t, out, "Hit ratio under a bound on bytes")
}

func TestBoundHasAllRows(t *testing.T) {
	c := &bound{writers: 3, entries: []int{50, 100}, bytes: 2 << 20, valueSize: 1 << 10, time: 10 * time.Millisecond}
	out := tiny(t, c, "bound-entries.svg", "bound-bytes.svg")
	for _, p := range peer.Strings() {
		want := 0
		if p.Modes&peer.ByEntries != 0 && p.Name != "sturdyc" {
			want++
		}
		if p.Modes&peer.ByBytes != 0 {
			want++
		}
		requireRows(t, want, out, p.Name)
	}
	require.Regexp(t, `\| bounded +\| +50 \| +\+0\.0 % \| +100 \| +\+0\.0 % \|`, out)
}

func TestTailHasAllRows(t *testing.T) {
	c := newTail()
	c.entries, c.time = 2000, 60*time.Millisecond
	out := tiny(t, c)
	for _, d := range c.disturbances() {
		requireRows(t, len(c.names), out, d.what)
	}
}

// By hand: keys 1 2 1 3 1 2 at a capacity of 2. An LRU cache hits the second and third 1.
func TestThroughReplaysAsTheSimulatorDoes(t *testing.T) {
	tr, err := trace.Read(strings.NewReader("1\n2\n1\n3\n1\n2\n"))
	require.NoError(t, err)
	row := &replay{trace: &tr, capacity: 2}
	for _, p := range peer.Numbers[uint32]() {
		if p.Name != "hashicorp" && p.Name != "ttlcache" { // the two that are LRU without shards
			continue
		}
		score, most, err := through(row, contender{Peer: p})
		require.NoError(t, err)
		require.Equal(t, trace.Score{Hits: 2, Accesses: 6, HitBytes: 2, Bytes: 6}, score, p.Name)
		require.Equal(t, tr.LRU(2, false), score, p.Name)
		require.Equal(t, 2, most, p.Name)
	}
}

func TestHitsComparesWithTheBestThatKeptItsBound(t *testing.T) {
	score := func(hits int) trace.Score { return trace.Score{Hits: hits, Accesses: 100} }
	row := &replay{
		trace: &trace.Trace{Name: "t"}, capacity: 10,
		scores: []trace.Score{score(50), score(70), score(60), score(40), score(90)},
		most:   []int{10, 11, 10}, // the last two scores are those of the simulations
	}
	want := []string{"t", "10", "50.00", "70.00*", "60.00", "40.00", "90.00", "-10.00"}
	require.Equal(t, want, (&hits{}).cells(row))
	require.Equal(t, []float64{50, 70, 60, 40, 90}, means([]*replay{row, row}))
}

func TestRunSaysWhatWasMeasuredOnWhat(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run([]string{"bound", "-for", "1ms", "-peers", "phuslu"}, &out, io.Discard))
	require.Contains(t, out.String(), " cores, ")
	require.Contains(t, out.String(), time.Now().Format("2006-"))
	require.Contains(t, out.String(), "otter v2.")
	requireRows(t, 1, out.String(), "phuslu")
	requireRows(t, 0, out.String(), "otter")
}

func TestRunRefusesWhatItDoesNotKnow(t *testing.T) {
	require.ErrorContains(t, run(nil, io.Discard, io.Discard), "want a command")
	require.ErrorContains(t, run([]string{"load"}, io.Discard, io.Discard), `no command "load"`)
	require.ErrorContains(t, run([]string{"hits", "-x"}, io.Discard, io.Discard), "-x")
	require.ErrorIs(t, run([]string{"all", "-h"}, io.Discard, io.Discard), flag.ErrHelp)
	require.ErrorContains(t, run([]string{"hits", "-traces", t.TempDir()}, io.Discard, io.Discard), "hits: trace: no *.txt")
}

func TestLoads(t *testing.T) {
	var out strings.Builder
	l := newLoads()
	l.rounds, l.time, l.herd = 1, time.Millisecond, 100
	require.NoError(t, l.run(&env{out: &out, progress: io.Discard}))
	for _, name := range []string{"bounded", "otter", "theine", "sturdyc", "hot"} {
		requireRows(t, 1, out.String(), name)
	}
	require.Regexp(t, `bounded .* 1 \|\n`, out.String(), "a herd loads once")
}

func TestLogins(t *testing.T) {
	var out strings.Builder
	l := newLogins()
	l.rounds, l.time, l.flood, l.windows = 1, time.Millisecond, 2000, 3
	l.window = 5 * time.Millisecond
	require.NoError(t, l.run(&env{out: &out, progress: io.Discard, only: []string{"go-limiter"}}))
	require.Regexp(t, `bounded +\| +\d+ \| +[1-5] \| +5 \| +5 \|`, out.String(), "five, at the boundary (or fewer, on a busy machine), at once and after a flood")
	requireRows(t, 2, out.String(), "go-limiter")
}

func TestGuessesAreCountedByTheClock(t *testing.T) {
	begin := time.Now()
	at := func(from, to time.Duration) [2]time.Time { return [2]time.Time{begin.Add(from), begin.Add(to)} }
	require.Zero(t, guesses(nil).within(10))
	require.Equal(t, 2, guesses{at(0, 1), at(4, 5), at(9, 10), at(13, 20)}.within(10), "the first and the third may be a window apart")
	require.Equal(t, 3, guesses{at(0, 1), at(4, 5), at(8, 9)}.within(10))
	require.Equal(t, 1, guesses{at(0, 10), at(10, 20)}.within(10), "nobody knows when in that time")
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 2, 9}, 3}} {
		got, ok := median(c.values)
		require.True(t, ok)
		require.Equal(t, c.want, got)
	}
	_, ok := median(nil)
	require.False(t, ok)
}

func TestFastestLeavesOutWhoDropsWrites(t *testing.T) {
	r := &result{ns: map[string][]float64{peer.Ours: {1}, "ristretto": {2}, "otter": {3}}}
	list := []string{peer.Ours, "otter", "ristretto", "absent"}
	name, ns := r.fastest(list)
	require.Equal(t, "ristretto", name)
	require.Equal(t, 2.0, ns)
	r.drops = true
	name, _ = r.fastest(list)
	require.Equal(t, "otter", name)
}

func TestKeysOfStringsHaveTwelveBytes(t *testing.T) {
	seen := make(map[string]bool)
	for i := range uint64(10_000) {
		key := stringKey(i)
		require.Len(t, key, 12)
		require.False(t, seen[key])
		seen[key] = true
	}
}
