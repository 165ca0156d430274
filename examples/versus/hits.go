package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/ministryfinder/bounded/examples/internal/chart"
	"github.com/ministryfinder/bounded/examples/versus/internal/peer"
	"github.com/ministryfinder/bounded/examples/versus/internal/trace"
)

// hits replays traces through the caches, one goroutine to each: Get, and Set on a miss.
type hits struct {
	traces   string // directory; empty: made-up traces
	accesses int    // of a made-up trace
	workers  int
	large    int // rows with this capacity and more count in the mean
}

func newHits() *hits { return &hits{accesses: 400_000, workers: 2, large: 100} }

func (h *hits) name() string { return "hits" }

func (h *hits) flags(set *flag.FlagSet) {
	set.StringVar(&h.traces, "traces", "", "hits: read *.txt and *.txt.gz of this `directory`, one access a line: key, or key and size")
	set.IntVar(&h.workers, "workers", h.workers, "hits: `number` of rows replayed at a time")
}

// shares are the capacities: hundredths of the distinct keys, or of their bytes.
var shares = []int64{1, 5, 10, 25}

// A contender is a peer, as it comes or waited for.
type contender struct {
	peer.Peer[uint64, uint32]
	wait bool // after each Set, until it has done the maintenance that it puts off
}

// waited is what the name of a contender ends in that is waited for.
const waited = ", waited"

// contenders returns the peers, and those that put off maintenance a second time.
func contenders(peers []peer.Peer[uint64, uint32]) (list []contender) {
	for _, p := range peers {
		list = append(list, contender{Peer: p})
		if p.Modes&peer.Defers != 0 {
			p.Name += waited
			list = append(list, contender{Peer: p, wait: true})
		}
	}
	return list
}

// A replay is one row: a trace at a capacity.
type replay struct {
	trace    *trace.Trace
	share    int64
	capacity int64
	byBytes  bool

	scores []trace.Score // one for each peer, then LRU, then the clairvoyant
	most   []int         // the most entries that each peer held
}

func (h *hits) run(e *env) error {
	traces := trace.Synthetic(h.accesses)
	if h.traces != "" {
		var err error
		if traces, err = trace.ReadDir(os.DirFS(h.traces)); err != nil {
			return err
		}
	}
	byEntries := contenders(choose(e, peer.Numbers[uint32](), peer.ByEntries))
	byBytes := contenders(choose(e, peer.All[uint64, uint32](), peer.ByBytes))
	var rows, sized []*replay
	for i := range traces {
		t := &traces[i]
		for _, share := range shares {
			rows = append(rows, &replay{trace: t, share: share, capacity: max(1, int64(t.Distinct)*share/100)})
			if t.Sizes != nil {
				sized = append(sized, &replay{trace: t, share: share, capacity: t.Bytes() * share / 100, byBytes: true})
			}
		}
	}
	m := e.meter(h.name(), len(rows)*len(byEntries)+len(sized)*len(byBytes))
	if err := h.replayAll(m, rows, byEntries); err != nil {
		return err
	}
	if err := h.replayAll(m, sized, byBytes); err != nil {
		return err
	}
	h.reportEntries(e, rows, names(byEntries))
	if len(sized) > 0 {
		h.reportBytes(e, sized, names(byBytes))
	}
	return h.drawShares(e, rows, names(byEntries))
}

func names(peers []contender) (list []string) {
	for _, p := range peers {
		list = append(list, p.Name)
	}
	return list
}

// replayAll replays all rows, some at a time.
func (h *hits) replayAll(m *meter, rows []*replay, peers []contender) error {
	work := make(chan *replay)
	errs := make([]error, h.workers)
	var group sync.WaitGroup
	for w := range h.workers {
		group.Go(func() {
			for row := range work {
				errs[w] = errors.Join(errs[w], h.replay(m, row, peers))
			}
		})
	}
	for _, row := range rows {
		work <- row
	}
	close(work)
	group.Wait()
	return errors.Join(errs...)
}

func (h *hits) replay(m *meter, row *replay, peers []contender) error {
	for _, p := range peers {
		score, most, err := through(row, p)
		if err != nil {
			return fmt.Errorf("%s at %d: %s: %w", row.trace.Name, row.capacity, p.Name, err)
		}
		row.scores, row.most = append(row.scores, score), append(row.most, most)
		m.step(fmt.Sprintf("%s at %d, %s", row.trace.Name, row.capacity, p.Name))
	}
	row.scores = append(row.scores, row.trace.LRU(row.capacity, row.byBytes))
	if !row.byBytes {
		row.scores = append(row.scores, row.trace.Belady(int(row.capacity)))
	}
	return nil
}

// through replays a row through a cache, and looks how many entries it holds after
// each Set, or after each hundredth if it is large. The value of an entry is its size.
func through(row *replay, p contender) (score trace.Score, most int, err error) {
	limits := peer.Limits[uint64, uint32]{TTL: 24 * time.Hour}
	if row.byBytes {
		limits.Bytes, limits.Measure = row.capacity, true
		limits.Weigh = func(_ uint64, size uint32) int64 { return int64(size) }
	} else {
		limits.Entries = int(row.capacity)
	}
	s, err := p.New(limits)
	if err != nil {
		return score, 0, err
	}
	defer s.Close()
	look := 1
	if row.capacity > 1000 {
		look = 100
	}
	sets := 0
	for i, number := range row.trace.Keys {
		size := uint32(1)
		if row.trace.Sizes != nil {
			size = row.trace.Sizes[i]
		}
		key := mix(uint64(number))
		_, hit := s.Get(key)
		score.Count(int64(size), hit)
		if hit {
			continue
		}
		s.Set(key, size)
		if p.wait {
			s.Settle()
		}
		if sets++; sets%look == 0 {
			most = max(most, s.Len())
		}
	}
	return score, max(most, s.Len()), nil
}

func (h *hits) reportEntries(e *env, rows []*replay, peers []string) {
	fmt.Fprintf(e.out, "## Hit ratio\n\n")
	fmt.Fprintf(e.out, "Reads that hit, in per cent, at capacities of %v %% of the distinct keys; each cache is driven by one goroutine\n", shares)
	fmt.Fprintf(e.out, "with Get and, on a miss, Set. A star marks a row in which the cache was seen to hold more than the bound. Those that put maintenance\n")
	fmt.Fprintf(e.out, "off come a second time, waited for after each Set: otter by CleanUp, theine and ristretto by Wait. LRU is a plain simulation,\n")
	fmt.Fprintf(e.out, "Belady the optimum that knows the future; the last column is the distance to the best of all that kept the bound.\n\n")
	tab := table{header: append(append([]string{"trace", "capacity"}, peers...), "LRU", "Belady", "ours - best")}
	var all, large []*replay
	for _, row := range rows {
		tab.add(h.cells(row)...)
		all = append(all, row)
		if row.capacity >= int64(h.large) {
			large = append(large, row)
		}
	}
	tab.add(meanCells("mean of all", all)...)
	tab.add(meanCells(fmt.Sprintf("mean, capacity >= %d", h.large), large)...)
	tab.print(e.out)
	over := table{header: []string{"cache", "rows over the bound", "largest excess"}}
	for i, name := range peers {
		count, excess, at := 0, 0, ""
		for _, row := range rows {
			by := row.most[i] - int(row.capacity)
			if by > 0 {
				count++
			}
			if by > excess {
				excess, at = by, fmt.Sprintf("+%d at %d, %s", by, row.capacity, row.trace.Name)
			}
		}
		over.add(name, fmt.Sprint(count), at)
	}
	over.print(e.out)
}

// cells writes a row with the distance of ours, which comes first, to the best peer that kept the bound.
func (h *hits) cells(row *replay) []string {
	cells := []string{row.trace.Name, fmt.Sprint(row.capacity)}
	best := 0.0
	for i, score := range row.scores {
		cell := fmt.Sprintf("%.2f", 100*score.Ratio())
		over := i < len(row.most) && row.most[i] > int(row.capacity)
		if over {
			cell += "*"
		}
		isPeer := i > 0 && i < len(row.scores)-1 // the last is the clairvoyant
		if isPeer && !over {
			best = max(best, score.Ratio())
		}
		cells = append(cells, cell)
	}
	return append(cells, fmt.Sprintf("%+.2f", 100*(row.scores[0].Ratio()-best)))
}

func meanCells(label string, rows []*replay) []string {
	cells := []string{label, fmt.Sprintf("%d rows", len(rows))}
	for _, mean := range means(rows) {
		cells = append(cells, fmt.Sprintf("%.2f", mean))
	}
	return cells
}

// means returns the mean hit ratio of each cache over some rows, in per cent.
func means(rows []*replay) []float64 {
	if len(rows) == 0 {
		return nil
	}
	sums := make([]float64, len(rows[0].scores))
	for _, row := range rows {
		for i, score := range row.scores {
			sums[i] += 100 * score.Ratio() / float64(len(rows))
		}
	}
	return sums
}

func (h *hits) reportBytes(e *env, rows []*replay, peers []string) {
	fmt.Fprintf(e.out, "## Hit ratio under a bound on bytes\n\n")
	fmt.Fprintf(e.out, "Reads that hit / bytes that hit, in per cent, at %v %% of the bytes of the distinct keys. The bound of ours holds for\nall that the cache is made of, those of the others for the sizes alone.\n\n", shares)
	tab := table{header: append(append([]string{"trace", "bytes"}, peers...), "LRU")}
	for _, row := range rows {
		cells := []string{row.trace.Name, fmt.Sprint(row.capacity)}
		for _, score := range row.scores {
			cells = append(cells, fmt.Sprintf("%.2f / %.2f", 100*score.Ratio(), 100*score.ByteRatio()))
		}
		tab.add(cells...)
	}
	tab.print(e.out)
}

// drawShares draws the mean over the traces at each capacity, of each peer as it comes.
func (h *hits) drawShares(e *env, rows []*replay, peers []string) error {
	lines := chart.Lines{Title: "Hit ratio, in per cent", Note: "Mean over the traces, by capacity as a share of the distinct keys. Higher is better."}
	for i, name := range append(append([]string{}, peers...), "LRU", "clairvoyant") {
		if strings.HasSuffix(name, waited) {
			continue
		}
		line := chart.Line{Label: name, Ours: name == peer.Ours}
		for _, share := range shares {
			var some []*replay
			for _, row := range rows {
				if row.share == share {
					some = append(some, row)
				}
			}
			line.Values = append(line.Values, means(some)[i])
		}
		lines.Lines = append(lines.Lines, line)
	}
	for _, share := range shares {
		lines.Points = append(lines.Points, fmt.Sprintf("%d %%", share))
	}
	return e.draw("hits.svg", lines)
}
