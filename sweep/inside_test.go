package sweep

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

type sweeper func() int

func (f sweeper) Sweep() int { return f() }

// checkInvariants checks all that is true of a janitor whenever its lock is free.
func (j *Janitor) checkInvariants(t *testing.T) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.session
	queued := map[*Job]*queue{}
	if s != nil {
		for _, q := range []*queue{&s.waiting, &s.ready} {
			for i, job := range q.jobs {
				require.Nil(t, queued[job], "%s stands in two queues", job.name)
				queued[job] = q
				require.Equal(t, i, job.place, job.name)
				require.False(t, i > 0 && q.jobs.Less(i, (i-1)/2), "the heap is out of order at %d", i)
				require.Same(t, job, j.jobs[job.name], "a stopped job is queued")
				require.True(t, q == &s.waiting || job.fn == nil, "a Func waits for the worker")
			}
		}
		for job := range s.running {
			require.True(t, job.running && job.session == s, "%s has ended", job.name)
		}
		require.True(t, s.sweeping == nil || s.sweeping.running)
	}
	for name, job := range j.jobs {
		require.Equal(t, name, job.name)
		require.False(t, job.stopped)
		require.True(t, queued[job] == job.queue, "%s is not where it says it is", name)
		open := s != nil && !s.closing
		require.Equal(t, open && !job.running, job.queue != nil, "%s waits if and only if it can run and does not", name)
		require.False(t, job.pending != nil && !open, "%s is asked for and will not run", name)
		require.True(t, job.pending == nil || job.running || job.at <= j.now(), "%s is asked for and not due", name)
		require.True(t, job.current == nil || job.running, "%s has ended, and somebody waits for it", name)
		require.True(t, job.session == nil || job.running)
	}
}

func TestQueueIsAHeapWithRemoval(t *testing.T) {
	var q queue
	jobs := make([]*Job, 200)
	for i := range jobs {
		jobs[i] = &Job{seq: uint64(i)}
		q.push(jobs[i], time.Duration(i*7919%50)) // many equals
	}
	for i := 0; i < len(jobs); i += 3 {
		q.remove(jobs[i])
		require.Nil(t, jobs[i].queue)
	}
	var last *Job
	n := 0
	for job := q.first(); job != nil; job = q.first() {
		require.NotZero(t, job.seq%3, "it was removed")
		if last != nil {
			require.True(t, last.at < job.at || last.at == job.at && last.seq < job.seq)
		}
		last = job
		q.remove(job)
		n++
	}
	require.Equal(t, 133, n)
	for _, left := range q.jobs[:cap(q.jobs)] {
		require.Nil(t, left, "the array keeps a removed job alive")
	}
}

func TestRunDoesNotWakeIdly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, err := New(Config{})
		require.NoError(t, err)
		runs := 0
		for _, name := range []string{"a", "b", "c"} {
			_, err = j.Every(time.Hour, name, sweeper(func() int { runs++; return 0 }))
			require.NoError(t, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- j.Run(ctx) }()
		time.Sleep(100*time.Hour + time.Minute)
		synctest.Wait()
		j.checkInvariants(t)
		j.mu.Lock()
		turns := j.session.turns
		j.mu.Unlock()
		require.Equal(t, 300, runs)
		// One to start each run, one to see whether it is slow, and two to begin with.
		require.LessOrEqual(t, turns, 2*runs+2)
		cancel()
		require.NoError(t, <-ended)
	})
}

func TestRunWithNothingDueIsNotWokenAtAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, err := New(Config{})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- j.Run(ctx) }()
		time.Sleep(100 * 365 * 24 * time.Hour)
		synctest.Wait()
		j.mu.Lock()
		require.Equal(t, 1, j.session.turns)
		j.mu.Unlock()
		cancel()
		require.NoError(t, <-ended)
	})
}

// A profile is split by job, and what the worker does between two jobs belongs to none.
func TestWorkerHasTheLabelsOfAJobWhileThatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, err := New(Config{})
		require.NoError(t, err)
		during := ""
		job, err := j.Every(time.Hour, "cache", sweeper(func() int { during = goroutines(); return 0 }))
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- j.Run(ctx) }()
		synctest.Wait()
		require.NoError(t, job.Trigger(t.Context()))
		synctest.Wait()
		require.Contains(t, during, job.id())
		require.Contains(t, during, `"sweep_job":"cache"`)
		require.NotContains(t, goroutines(), job.id())
		cancel()
		require.NoError(t, <-ended)
	})
}

func TestDueSweeperDoesNotAllocate(t *testing.T) {
	j, err := New(Config{})
	require.NoError(t, err)
	job, err := j.Every(time.Hour, "cache", sweeper(func() int { return 1 }))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, err := j.open(ctx) // Run, but with this test in the place of the worker
	require.NoError(t, err)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		j.mu.Lock()
		s.waiting.remove(job)
		s.ready.push(job, j.now())
		j.mu.Unlock()
		var out outcome
		job := s.take()
		j.run(s.ctx, job, &out)
		s.turn()
	}))
	require.EqualValues(t, 1001, job.Stats().Removed)
	j.checkInvariants(t)
	require.NoError(t, s.drain())
}

func TestOnlyTheLastStacksAreRemembered(t *testing.T) {
	var o origins
	for i := range uintptr(10 * maxSeen) {
		require.True(t, o.add(origin{i}))
		require.False(t, o.add(origin{i}))
		require.LessOrEqual(t, len(o.ring), maxSeen)
	}
	require.False(t, o.add(origin{9*maxSeen + 0}), "the last 64 are known")
	require.True(t, o.add(origin{0}), "the first is forgotten")
	require.False(t, o.add(origin{9*maxSeen + 1}), "only the oldest made room")
}

// The machine began in 1970, say, until its clock was set.
func TestStatsTellTheTimeOfTheClockAsItIsSetNow(t *testing.T) {
	j, err := New(Config{})
	require.NoError(t, err)
	var during JobStats
	var job *Job
	job, err = j.Every(time.Hour, "cache", sweeper(func() int { during = job.Stats(); return 0 }))
	require.NoError(t, err)
	const secondsAt = 30 // where they begin in the first word of a Time that has a monotonic reading
	*(*uint64)(unsafe.Pointer(&j.birth)) -= 3600 << secondsAt
	require.InDelta(t, time.Hour, time.Now().Round(0).Sub(j.birth.Round(0)), float64(time.Minute))
	require.InDelta(t, 0, j.now(), float64(time.Minute), "no time has passed")

	j.SweepAll()
	require.WithinDuration(t, time.Now().Round(0), during.RunningSince.Round(0), time.Minute)
	s, err := j.open(t.Context())
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Round(0).Add(time.Hour), job.Stats().Next.Round(0), time.Minute)
	require.NoError(t, s.drain())
}

func TestClip(t *testing.T) {
	long := string(make([]byte, maxText+1))
	require.Equal(t, long[:maxText], clip(long[:maxText]))
	require.Len(t, clip(long), maxText)
}
