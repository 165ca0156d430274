package ratelimit

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A cell has the maximum, element by element, of all that it was raised to: each charge that is in the window
// yet at the end of its tick, rounded up, and none that is not, whatever its neighbours in the line are raised
// to.
func TestLeftsAreTheLatestChargesInTheWindow(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 6))
	for _, window := range []int64{1, 20e9, 900e9, 900e9 + 1, 86400e9, 365 * 86400e9} {
		for _, charges := range []int{1, 4, 5, 6, 64} {
			ticks := newRuler(tickWidth(window))
			require.GreaterOrEqual(t, ticks.width*(mostLeft-2), window)
			require.LessOrEqual(t, uint64(longest)/uint64(tickWidth(window)), uint64(1)<<32-1)
			width := leftWords(charges)
			require.LessOrEqual(t, width, lineWords)
			cells := lineWords / width
			var l line
			kept := make([][]int64, cells) // the latest of each charge, at the ends of ticks
			for c := range kept {
				kept[c] = make([]int64, charges)
			}
			now := max(3*window, 1e12)
			for range 700 {
				now += r.Int64N(1+ticks.width/2) + r.Int64N(10)/9*r.Int64N(1+ticks.width*20)
				c := r.IntN(cells)
				stamps := make([]int64, charges)
				at := now
				for j := range stamps {
					if at -= r.Int64N(1 + ticks.width*4); r.IntN(8) == 0 {
						break
					}
					stamps[j] = at
				}
				l.ageLefts(ticks.after(stamps[0]))
				for j, stamp := range stamps {
					tick := ticks.after(stamp)
					l.raiseLeft(uint32(c*width), j, tick)
					kept[c][j] = max(kept[c][j], ticks.start(tick))
				}
				for c := range kept {
					for j, want := range kept[c] {
						got := ticks.start(l.leftTick(uint32(c*width), j))
						if want+window > now {
							require.Equal(t, want, got, "charge %d", j)
						} else if got != 0 {
							require.Equal(t, want, got, "one that counts no more may be there yet, as it was")
						}
					}
				}
			}
		}
	}
}

// Five charges are a word, and sixty-four are thirteen; no cell reaches into another's.
func TestCellsOfALineAreDisjoint(t *testing.T) {
	require.Equal(t, []int{1, 1, 2, 13}, []int{leftWords(1), leftWords(5), leftWords(6), leftWords(64)})
	r := rand.New(rand.NewPCG(2, 6))
	for width := 1; width <= lineWords; width++ {
		for _, cells := range []int{1, 14, 15, 16, 1600} {
			rows := newRows(cells, width)
			all, seen := rows.grid.lines*rows.cells, map[[2]uint32]bool{}
			require.GreaterOrEqual(t, int(all), cells)
			for n := range 20 * all {
				hash := r.Uint64()
				switch n {
				case 0:
					hash = 0
				case 1:
					hash = 1<<64 - 1
				}
				for row := range sketchRows {
					line, word := rows.at(uint32(hash >> (32 * row)))
					l, at := rows.cell(hash, row)
					if word%uint32(width) != 0 || int(word)+width > lineWords || l != &rows.lines[uint32(row)*rows.grid.lines+line] || at != word {
						require.Fail(t, "no cell", "of hash %x in row %d: word %d of line %d, and %d", hash, row, word, line, at)
					}
					seen[[2]uint32{line, word}] = true
				}
			}
			require.InDelta(t, all, len(seen), 1, "all cells are used")
		}
	}
}

// A table that has moved a base ahead of another's time, by up to a tick, makes the other forget nothing: so
// the times of two may differ by that.
func TestABaseAheadOfATableForgetsNothing(t *testing.T) {
	for _, failures := range []int{5, 6} {
		c := clockwork{newTracker(Config{Failures: failures, MaxAddresses: 200, Window: longest, LongWindow: longest, MaxLockout: longest, LongFailures: -1, Prefixes: []PrefixLimit{}}.withDefaults(), 2)}
		width := c.shared.sketches[0].ticks.width
		a := &c.shards[0]
		x := source4(0)
		for c.shardOf(x) != a {
			x++
		}
		made := 10 * width
		for range failures {
			id, v := c.charge(x, made-1<<30)
			require.Equal(t, allowed, v.kind)
			c.settle(x, id, failed, made)
		}
		i, _ := a.find(a.hash(x), x)
		a.forget(i, made)
		a.pool.put(i)
		sk := c.shared.sketches[0]
		now := made + int64(longest) - int64(2*time.Second)
		for row := range sketchRows {
			line, _ := sk.recent.cell(a.hash(x), row)
			line.ageLefts(sk.ticks.after(now + int64(4*time.Second)))
		}
		_, v := c.charge(x, now)
		require.NotEqual(t, allowed, v.kind)
	}
}
