package main

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/ministryfinder/bounded/examples/versus/internal/peer"
)

// accuracy measures how far the quantiles that observers answer are from the exact ones.
type accuracy struct {
	observations int
	recent       int // those at the end that the question is about
	rounds       int
}

func newAccuracy() *accuracy { return &accuracy{observations: 100_000, recent: 1024, rounds: 9} }

func (a *accuracy) name() string { return "accuracy" }

func (a *accuracy) flags(*flag.FlagSet) {}

// A shape draws response times in seconds, the one at a part of all observations between 0 and 1.
type shape struct {
	name string
	draw func(random *rand.Rand, part float64) float64
}

var shapes = []shape{
	{"uniform", func(r *rand.Rand, _ float64) float64 { return 0.001 + 0.999*r.Float64() }},
	{"log-normal", func(r *rand.Rand, _ float64) float64 { return 0.005 * math.Exp(r.NormFloat64()) }},
	{"Pareto, 1.2", func(r *rand.Rand, _ float64) float64 { return min(0.001*math.Pow(1-r.Float64(), -1/1.2), 50) }},
	{"bimodal, shifts", func(r *rand.Rand, part float64) float64 {
		slow := 0.1 // of the requests; seven in ten once half of them have been
		if part >= 0.5 {
			slow = 0.7
		}
		if r.Float64() < slow {
			return 0.2 * math.Exp(0.1*r.NormFloat64())
		}
		return 0.002 * math.Exp(0.1*r.NormFloat64())
	}},
}

var asked = []float64{0.5, 0.9, 0.99, 0.999}

func (a *accuracy) run(e *env) error {
	observers := observersOf(e)
	header := []string{"distribution", "observer"}
	for _, q := range asked {
		header = append(header, fmt.Sprintf("p%g", 100*q))
	}
	now, own := table{header: header}, table{header: header}
	m := e.meter(a.name(), len(shapes)*len(observers))
	for _, s := range shapes {
		for _, o := range observers {
			ofNow, ofOwn := make([][]miss, len(asked)), make([][]miss, len(asked))
			for round := range a.rounds {
				values := a.values(s, uint64(round))
				answers, err := answer(o, values)
				if err != nil {
					return fmt.Errorf("%s: %w", o.Name, err)
				}
				recent := sorted(values, a.recent)
				covered := sorted(values, o.Last)
				for i, q := range asked {
					ofNow[i] = append(ofNow[i], missed(recent, q, answers[i]))
					ofOwn[i] = append(ofOwn[i], missed(covered, q, answers[i]))
				}
			}
			rowNow, rowOwn := []string{s.name, o.Name}, []string{s.name, o.Name}
			for i := range asked {
				rowNow, rowOwn = append(rowNow, cell(ofNow[i])), append(rowOwn, cell(ofOwn[i]))
			}
			now.add(rowNow...)
			own.add(rowOwn...)
			m.step(o.Name + ", " + s.name)
		}
	}
	fmt.Fprintf(e.out, "## Accuracy\n\n%s\n\n", versionsOf(observers))
	fmt.Fprintf(e.out, "How far a quantile is from the exact one by nearest rank of the last %s of %s response times, made one after the other: the error of\n", humanize.Comma(int64(a.recent)), humanize.Comma(int64(a.observations)))
	fmt.Fprintf(e.out, "the value in per cent / how many per cent of all it is away in rank. Medians of %d seeds; a dash: not answered. Windows of time hold them all, for no time\n", a.rounds)
	fmt.Fprintf(e.out, "passes. Bimodal: one in ten takes 200 ms and the others 2 ms, and from the middle on seven in ten.\n\n")
	now.print(e.out)
	fmt.Fprintf(e.out, "The same, from the exact quantile of what the observer says that it is of: for ours of the last ones, for the others of all %s.\n\n", humanize.Comma(int64(a.observations)))
	own.print(e.out)
	return nil
}

func (a *accuracy) values(s shape, seed uint64) []peer.Value {
	random := rand.New(rand.NewPCG(seed, 5))
	values := make([]peer.Value, a.observations)
	for i := range values {
		seconds := s.draw(random, float64(i)/float64(a.observations))
		values[i] = peer.ValueOf(time.Duration(seconds * 1e9))
	}
	return values
}

// answer returns what a new distribution that has seen the values answers when it is asked.
func answer(o peer.Observer, values []peer.Value) ([]float64, error) {
	d, err := o.New()
	if err != nil {
		return nil, err
	}
	defer d.Close()
	for _, v := range values {
		d.Observe(v)
	}
	answers := make([]float64, len(asked))
	for i, q := range asked {
		answers[i] = d.Quantile(q)
	}
	return answers, nil
}

// sorted returns the last n of the values in seconds, all if n is 0, in order.
func sorted(values []peer.Value, n int) []float64 {
	if n > 0 {
		values = values[max(0, len(values)-n):]
	}
	list := make([]float64, len(values))
	for i, v := range values {
		list[i] = v.Seconds
	}
	slices.Sort(list)
	return list
}

// A miss is how far an answer is from the exact one, both in per cent: in value, of the exact one, and in rank,
// of all.
type miss struct{ value, rank float64 }

// missed returns how far an answer is from the q-quantile of values that are in order. In rank it is as many
// values away as would have to change sides for no more than q of all to be below it, and no less than q not
// above.
func missed(values []float64, q, answer float64) miss {
	if math.IsNaN(answer) {
		return miss{math.NaN(), math.NaN()}
	}
	n := len(values)
	rank := min(max(int(math.Ceil(q*float64(n)-1e-6)), 1), n)
	below, _ := slices.BinarySearch(values, answer)
	notAbove, _ := slices.BinarySearch(values, math.Nextafter(answer, math.Inf(1)))
	away := max(0, below-rank, rank-notAbove)
	exact := values[rank-1]
	return miss{100 * math.Abs(answer-exact) / exact, 100 * float64(away) / float64(n)}
}

// cell returns the medians of misses.
func cell(misses []miss) string {
	var values, ranks []float64
	for _, m := range misses {
		if math.IsNaN(m.value) {
			return "-"
		}
		values, ranks = append(values, m.value), append(ranks, m.rank)
	}
	value, _ := median(values)
	rank, _ := median(ranks)
	return fmt.Sprintf("%s / %.2f", short(value), rank)
}

// short writes a number with the places that say something.
func short(x float64) string {
	switch {
	case x >= 100:
		return humanize.Comma(int64(math.Round(x)))
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}
