package cache

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A model is what a cache with room for all keys must do, written down without regard to how: a map, and what
// Stats must say. Its clock stands at whole seconds, and everything ends between two of them.
type model struct {
	config  Config[int, int]
	entries map[int]modelEntry
	failed  map[int]modelFailure
	want    Stats // of which counts are compared
	told    []removal[int, int]
}

type modelEntry struct {
	value      int
	ends, hard time.Time // zero: never
	group      string
	dead       bool
}

type modelFailure struct {
	until time.Time
	group string
}

var errModel = errors.New("model")

func after(ttl time.Duration) time.Time {
	if ttl <= 0 {
		return time.Time{}
	}
	return time.Now().Add(ttl)
}

func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// age is that of a key, as the table of GetOrLoad has it.
func (m *model) age(key int) age {
	e, ok := m.entries[key]
	late := time.Since(e.ends)
	switch {
	case !ok || e.dead:
		return gone
	case e.ends.IsZero() || late < 0:
		if m.config.RefreshAhead > 0 && !e.hard.IsZero() && time.Until(e.hard) < time.Duration(float64(m.config.TTL)*(1-m.config.RefreshAhead)) {
			return ageing
		}
		return fresh
	case late < m.config.StaleFor:
		return stale
	case late < m.config.StaleIfError:
		return grace
	}
	return gone
}

func (m *model) live(key int) bool { a := m.age(key); return a == fresh || a == ageing }

// remove takes out an entry that is there; what has expired goes as such.
func (m *model) remove(key int, reason Reason) {
	if !m.live(key) && reason != Cleared {
		reason = Expired
	}
	*map[Reason]*uint64{Expired: &m.want.Expired, Deleted: &m.want.Deleted, Replaced: &m.want.Replaced, Cleared: &m.want.Cleared}[reason]++
	m.told = append(m.told, removal[int, int]{key, m.entries[key].value, reason})
	delete(m.entries, key)
}

func (m *model) store(key, value int, ttl time.Duration, group string) {
	if _, ok := m.entries[key]; ok {
		m.remove(key, Replaced)
	}
	hard := after(ttl)
	m.entries[key] = modelEntry{value, sooner(hard, after(m.config.Idle)), hard, group, false}
	m.want.Sets++
}

func (m *model) set(key, value int, ttl time.Duration, group string) bool {
	delete(m.failed, key)
	if ttl < 0 {
		m.delete(key)
		return false
	}
	m.store(key, value, ttl, group)
	return true
}

func (m *model) delete(key int) bool {
	delete(m.failed, key)
	live := m.live(key)
	if _, ok := m.entries[key]; ok {
		m.remove(key, Deleted)
	}
	return live
}

func (m *model) hit(key int) int {
	e := m.entries[key]
	if m.config.Idle > 0 && m.live(key) {
		e.ends = sooner(e.hard, after(m.config.Idle))
		m.entries[key] = e
	}
	m.want.Hits++
	return e.value
}

func (m *model) get(key int) (int, bool) {
	if !m.live(key) {
		m.want.Misses++
		return 0, false
	}
	return m.hit(key), true
}

func (m *model) deleteFunc(del func(int) bool) (removed int) {
	clear(m.failed)
	for _, key := range slices.Collect(maps.Keys(m.entries)) {
		if m.age(key) != gone && del(key) {
			m.remove(key, Deleted)
			removed++
		}
	}
	return removed
}

func (m *model) clear() {
	clear(m.failed)
	for _, key := range slices.Collect(maps.Keys(m.entries)) {
		m.remove(key, Cleared)
	}
}

func (m *model) sweep() (removed int) {
	for _, key := range slices.Collect(maps.Keys(m.entries)) {
		if m.age(key) == gone {
			m.remove(key, Expired)
			removed++
		}
	}
	return removed
}

func (m *model) invalidate(group string) {
	for key, e := range m.entries {
		if e.group == group {
			e.dead = true
			m.entries[key] = e
		}
	}
	maps.DeleteFunc(m.failed, func(_ int, f modelFailure) bool { return f.group == group })
}

func (m *model) isFailed(key int) bool { return time.Now().Before(m.failed[key].until) }

// A modelLoad is what a loader returns for a key.
type modelLoad struct {
	value int
	ttl   time.Duration
	err   error
}

// land does what a load that is over does to the cache.
func (m *model) land(key int, l modelLoad, group string, refresh bool) {
	if l.err != nil {
		m.want.LoadErrors++
		if m.config.NegativeTTL > 0 {
			m.failed[key] = modelFailure{after(m.config.NegativeTTL), group}
		}
		return
	}
	delete(m.failed, key)
	switch _, ok := m.entries[key]; {
	case l.ttl >= 0:
		m.store(key, l.value, l.ttl, group)
	case refresh && ok:
		m.remove(key, Deleted)
	}
}

func (m *model) getOrLoad(key int, l modelLoad, group string) (int, error) {
	old := m.entries[key].value
	a := m.age(key)
	switch a {
	case fresh:
		return m.hit(key), nil
	case ageing, stale:
		if m.hit(key); a == stale {
			m.want.StaleHits++
		}
		if !m.isFailed(key) {
			m.want.Refreshes++
			m.want.Loads++
			m.land(key, l, group, true)
		}
		return old, nil
	}
	m.want.Misses++
	failed := m.isFailed(key)
	if !failed {
		m.want.Loads++
		m.land(key, l, group, false)
	}
	switch {
	case !failed && l.err == nil:
		return l.value, nil
	case a == grace:
		m.want.StaleOnError++
		return old, nil
	case failed:
		m.want.NegativeHits++
	}
	return 0, errModel
}

func (m *model) getOrLoadMany(keys []int, loads map[int]modelLoad) (results []Result[int], asked []int) {
	results = make([]Result[int], len(keys))
	olds := map[int]int{} // by number
	var wait []int
	for i, key := range keys {
		a := m.age(key)
		if a == fresh || a == ageing {
			results[i].Value = m.hit(key)
			continue
		}
		m.want.Misses++
		if a != gone {
			olds[i] = m.entries[key].value
		}
		if m.isFailed(key) {
			m.refuse(&results[i], olds, i, true)
			continue
		}
		wait = append(wait, i)
		if !slices.Contains(asked, key) {
			asked = append(asked, key)
		}
	}
	if len(asked) > 0 {
		m.want.Loads++
	}
	for _, key := range asked {
		m.land(key, loads[key], "", false)
	}
	for _, i := range wait {
		if l := loads[keys[i]]; l.err == nil {
			results[i].Value = l.value
		} else {
			m.refuse(&results[i], olds, i, false)
		}
	}
	return results, asked
}

func (m *model) refuse(r *Result[int], olds map[int]int, i int, remembered bool) {
	old, ok := olds[i]
	switch {
	case ok:
		m.want.StaleOnError++
		r.Value = old
		return
	case remembered:
		m.want.NegativeHits++
	}
	r.Err = errModel
}

func (m *model) all() map[int]int {
	all := map[int]int{}
	for key, e := range m.entries {
		if m.live(key) {
			all[key] = e.value
		}
	}
	return all
}

// restored is what is left of m in a new cache that has read its snapshot.
func (m *model) restored() {
	maps.DeleteFunc(m.entries, func(key int, _ modelEntry) bool { return !m.live(key) })
	clear(m.failed)
	m.want = Stats{Sets: uint64(len(m.entries))}
}

// counts leaves of s what the model knows of.
func counts(s Stats) Stats {
	return Stats{
		Hits: s.Hits, Misses: s.Misses, Sets: s.Sets,
		Expired: s.Expired, Deleted: s.Deleted, Replaced: s.Replaced, Cleared: s.Cleared, Evicted: s.Evicted, Refused: s.Refused,
		Loads: s.Loads, LoadErrors: s.LoadErrors, Refreshes: s.Refreshes,
		StaleHits: s.StaleHits, StaleOnError: s.StaleOnError, NegativeHits: s.NegativeHits,
	}
}

// Whatever is done to a cache with room for all, it does what the model does, and counts and tells as much.
func TestCacheIsAsItsModel(t *testing.T) {
	const second = time.Second
	for name, config := range map[string]Config[int, int]{
		"plain":    {},
		"ttl":      {TTL: 5*second + second/2},
		"idle":     {TTL: 9*second + second/2, Idle: 2*second + second/4},
		"groups":   {TTL: 9*second + second/2, Groups: true},
		"stale":    {TTL: 5*second + second/2, StaleFor: 2*second + second/8, StaleIfError: 4*second + second/8},
		"negative": {TTL: 5*second + second/2, NegativeTTL: 3*second + second/4, StaleIfError: 4*second + second/8},
		"all": {
			TTL: 9*second + second/2, Idle: 4*second + second/4, StaleFor: 2*second + second/8, StaleIfError: 4*second + second/8,
			NegativeTTL: 3*second + second/4, RefreshAhead: 0.7, Groups: true,
		},
		"bytes": {TTL: 5*second + second/2, MaxBytes: 1 << 20, Size: func(k, v int) int64 { return int64(v % 300) }},
	} {
		config.MaxEntries = 1000
		for _, notify := range []bool{false, true} {
			t.Run(name+map[bool]string{true: "-told"}[notify], func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { likeModel(t, config, notify) })
			})
		}
	}
}

func likeModel(t *testing.T, config Config[int, int], notify bool) {
	var told []removal[int, int]
	if notify {
		config.OnRemove = func(key, value int, reason Reason) { told = append(told, removal[int, int]{key, value, reason}) }
	}
	c := build(t, config)
	m := &model{config: config, entries: map[int]modelEntry{}, failed: map[int]modelFailure{}}
	r := rand.New(rand.NewPCG(3, 7))
	ttls := []time.Duration{-1, 0, 1500 * time.Millisecond, 3500 * time.Millisecond, 11500 * time.Millisecond}
	group := func() string {
		if !config.Groups {
			return ""
		}
		return []string{"", "a", "b", "c"}[r.IntN(4)]
	}
	ctx := t.Context()
	for step := range 2000 {
		key, g, ttl := r.IntN(30), group(), ttls[r.IntN(len(ttls))]
		load := modelLoad{value: step, ttl: config.TTL}
		if r.IntN(3) == 0 {
			load = modelLoad{err: errModel}
		}
		plain := func(context.Context, int) (int, error) { return load.value, load.err }
		timed := func(context.Context, int) (int, time.Duration, error) { return load.value, load.ttl, load.err }
		switch op := r.IntN(100); {
		case op < 15:
			want, there := m.get(key)
			got, ok := c.Get(key)
			require.Equal(t, [2]any{want, there}, [2]any{got, ok}, step)
		case op < 20:
			got, ok := c.Peek(key)
			require.Equal(t, m.live(key), ok)
			require.True(t, !ok || got == m.entries[key].value)
		case op < 30:
			m.set(key, step, config.TTL, g)
			if g == "" {
				require.True(t, c.Set(key, step))
			} else {
				require.True(t, c.Group(g).Set(key, step))
			}
		case op < 38:
			set := c.SetTTL
			if g != "" {
				set = c.Group(g).SetTTL
			}
			require.Equal(t, m.set(key, step, ttl, g), set(key, step, ttl))
		case op < 42:
			require.Equal(t, m.delete(key), c.Delete(key))
		case op < 44:
			third := func(key int) bool { return key%3 == step%3 }
			seen, before := 0, maps.Clone(m.entries)
			want := m.deleteFunc(func(key int) bool { seen++; return third(key) })
			require.Equal(t, want, c.DeleteFunc(func(key, value int) bool {
				seen--
				require.Equal(t, before[key].value, value)
				return third(key)
			}))
			require.Zero(t, seen, "each once")
		case op < 45:
			m.clear()
			c.Clear()
		case op < 50:
			require.Equal(t, m.sweep(), c.Sweep())
		case op < 54 && config.Groups && g != "":
			m.invalidate(g)
			c.InvalidateGroup(g)
		case op < 70:
			want, wantErr := m.getOrLoad(key, load, g)
			ask := c.GetOrLoad
			if g != "" {
				ask = c.Group(g).GetOrLoad
			}
			got, err := ask(ctx, key, plain)
			require.Equal(t, wantErr, err, step)
			require.Equal(t, want, got, step)
		case op < 80:
			load.ttl = ttl
			want, wantErr := m.getOrLoad(key, load, g)
			ask := c.GetOrLoadTTL
			if g != "" {
				ask = c.Group(g).GetOrLoadTTL
			}
			got, err := ask(ctx, key, timed)
			require.Equal(t, wantErr, err, step)
			require.Equal(t, want, got, step)
		case op < 85:
			keys := []int{key, r.IntN(30), r.IntN(30), key}
			loads, values, failed := map[int]modelLoad{}, map[int]int{}, KeyErrors[int]{}
			for _, k := range keys {
				if loads[k] = (modelLoad{value: 10_000*k + step, ttl: config.TTL}); (k+step)%3 == 0 {
					loads[k] = modelLoad{err: errModel}
					failed[k] = errModel
				} else {
					values[k] = loads[k].value
				}
			}
			want, wantAsked := m.getOrLoadMany(keys, loads)
			var asked []int
			require.Equal(t, want, c.GetOrLoadMany(ctx, keys, func(_ context.Context, keys []int) (map[int]int, error) {
				asked = keys
				return values, failed
			}))
			require.Equal(t, wantAsked, asked)
		case op < 86: // all goes on in another cache
			var snapshot bytes.Buffer
			_, err := c.WriteTo(&snapshot)
			require.NoError(t, err)
			c = build(t, config)
			_, err = c.ReadFrom(&snapshot)
			require.NoError(t, err)
			m.restored()
		default:
			time.Sleep(time.Second)
		}
		synctest.Wait()
		require.Equal(t, len(m.entries), c.Len(), step)
		require.Equal(t, m.all(), maps.Collect(c.All()), step)
		require.Equal(t, m.want, counts(c.Stats()), step)
		if notify {
			require.ElementsMatch(t, m.told, told, step)
		}
		m.told, told = m.told[:0], told[:0]
	}
	checkInvariants(t, c)
}
