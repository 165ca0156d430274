package sweep

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/pprof"
	"time"
)

// A Job is one periodic job of a Janitor, made by Every or Func.
//
// It is in one of four states: idle (Run does not run, or it was stopped),
// waiting for its time, ready (a sweeper that is due and waits for the worker),
// or running. Janitor.mu guards its fields, but for those that never change.
type Job struct {
	janitor  *Janitor
	name     string
	interval time.Duration
	seq      uint64                      // order of adding
	sweeper  Sweeper                     // this
	fn       func(context.Context) error // or that
	labels   context.Context             // carries the profiler labels of its goroutine

	queue *queue        // where it is waiting or ready, nil otherwise
	place int           // its index there
	at    time.Duration // when it is to start
	due   time.Duration // its next time on the grid, zero if it has no grid yet

	running bool
	since   time.Duration // start of the run in progress
	session *session      // that started it, nil for SweepAll
	stopped bool
	panics  int  // in a row
	failing bool // the last run had an error

	reported bool          // the run in progress was logged as slow
	quiet    time.Duration // no run is logged as slow before it has run that long

	pending *flight // of the run that was asked for, nil if none was
	current *flight // of the run in progress, nil if nobody waits for it

	stats JobStats
}

// A flight is one run that was asked for, and those who wait for it.
type flight struct {
	done chan struct{} // closed when the run has ended, or never will begin
	err  error         // to be read after done
}

// land ends the wait for f, which may be nil.
func (f *flight) land(err error) {
	if f != nil {
		f.err = err
		close(f.done)
	}
}

// jobKey is the context key under which a Func finds its own job.
type jobKey struct{}

// add completes job and enters it, and arms it if Run is running.
func (j *Janitor) add(job *Job) (*Job, error) {
	if job.name == "" {
		return nil, fmt.Errorf("sweep: the name of a job with interval %v is empty", job.interval)
	}
	if job.interval <= 0 {
		return nil, fmt.Errorf("sweep: the interval of job %q is %v, want more than zero", job.name, job.interval)
	}
	job.janitor = j
	job.labels = pprof.WithLabels(context.Background(), pprof.Labels(labelName, job.name, labelID, job.id()))

	j.mu.Lock()
	defer j.mu.Unlock()
	if j.jobs[job.name] != nil {
		return nil, fmt.Errorf("sweep: there is a job named %q already", job.name)
	}
	j.jobs[job.name] = job
	job.seq = j.added
	j.added++
	if s := j.session; s != nil && !s.closing {
		s.armLocked(job, j.now())
	}
	return job, nil
}

// Trigger runs the job now and waits for it. The run it waits for began after
// the call, so it has seen all that happened before: a run in progress is let
// finish and then followed by another. Any number of calls that come while the
// job waits or runs share that next run. The job's due times stay as they were.
//
// Trigger returns nil or the error of the run: what the function returned, or
// a *PanicError. If ctx ends first it returns an error wrapping that of ctx, and
// the run takes place all the same. It returns ErrStopped, ErrNotRunning or
// ErrInside if the run will not take place, and ErrNotRunning also if Run has
// left the run behind.
//
// A job that is triggered and waited for inside a sweeper cannot begin before
// that sweeper has ended, if it is a sweeper too; so the wait lasts until ctx
// ends. Call Request there.
func (job *Job) Trigger(ctx context.Context) error {
	if ctx.Value(jobKey{}) == job {
		return ErrInside
	}
	f, err := job.request()
	if err != nil {
		return err
	}
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return fmt.Errorf("sweep: waiting for job %q: %w", job.name, ctx.Err())
	}
}

// Request asks for a run now, as Trigger does, but does not wait for it. It may
// be called inside the job itself, which then runs once more. It returns
// ErrStopped or ErrNotRunning if the run will not take place.
func (job *Job) Request() error {
	_, err := job.request()
	return err
}

// request returns the flight of the next run, and brings that run forward.
func (job *Job) request() (*flight, error) {
	j := job.janitor
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.session
	if job.stopped {
		return nil, ErrStopped
	}
	if s == nil || s.closing {
		return nil, ErrNotRunning
	}
	if job.pending == nil {
		job.pending = &flight{done: make(chan struct{})}
		if job.queue == &s.waiting {
			s.waiting.remove(job)
			s.waitLocked(job, j.now())
		} // else it is ready, or running and finish will see that it is asked for
	}
	return job.pending, nil
}

// Stop takes the job off the janitor: no run begins after Stop has returned. A
// run in progress goes on, and Stop does not wait for it, so that it may be
// called inside the job. The name is free again at once. Stopping a stopped
// job does nothing.
func (job *Job) Stop() {
	j := job.janitor
	j.mu.Lock()
	defer j.mu.Unlock()
	if job.stopped {
		return
	}
	job.stopped = true
	delete(j.jobs, job.name)
	job.idleLocked(ErrStopped)
}

// Stats returns what is known of the job. It works for stopped jobs too.
func (job *Job) Stats() JobStats {
	j := job.janitor
	j.mu.Lock()
	defer j.mu.Unlock()
	st := job.stats
	st.Name, st.Interval, st.Kind = job.name, job.interval, job.kind()
	st.Stopped = job.stopped
	st.BackingOff = job.panics > 0
	now := time.Now()
	at := func(instant time.Duration) time.Time { return now.Add(instant - now.Sub(j.birth)) } // the clock may have been set since birth
	if job.queue != nil {
		st.Next = at(job.at)
	}
	if job.running {
		st.RunningSince = at(job.since)
	}
	return st
}

func (job *Job) kind() Kind {
	if job.fn != nil {
		return KindFunc
	}
	return KindSweeper
}

// idleLocked takes the job out of its queue and tells those who wait for a run
// that has not begun why it never will. Janitor.mu must be held.
func (job *Job) idleLocked(why error) {
	if job.queue != nil {
		job.queue.remove(job)
	}
	job.pending.land(why)
	job.pending = nil
}

// beginLocked notes that the job, which must not be running, starts now, for s
// or, if s is nil, for SweepAll. Janitor.mu must be held.
func (job *Job) beginLocked(s *session, now time.Duration) {
	if job.queue != nil {
		job.queue.remove(job)
	}
	job.running, job.since, job.session = true, now, s
	job.current, job.pending = job.pending, nil
	if s != nil {
		s.running[job] = struct{}{}
		job.stats.Lag = now - job.at
		job.stats.MaxLag = max(job.stats.MaxLag, job.stats.Lag)
	}
}

// finish notes how the run that beginLocked noted has ended, logs it if it is
// worth it, wakes those who waited for it, and makes the job wait for its next
// one. The caller is the goroutine that ran the job, perhaps on its way out.
func (j *Janitor) finish(job *Job, out *outcome) {
	j.mu.Lock()
	took := j.now() - job.since
	if log := j.countLocked(job, out, took); log != nil {
		j.mu.Unlock() // the job has not ended yet: shutdown waits for the handler
		log()
		j.mu.Lock()
	}
	now := j.now()
	s := job.session
	crash := s != nil && s.endedLocked(job, out)
	job.running, job.reported, job.session = false, false, nil
	job.current.land(out.err)
	job.current = nil
	if s := j.session; s != nil && !s.closing && !job.stopped {
		s.armLocked(job, now)
	}
	j.mu.Unlock()
	if crash {
		s.cancel()
	}
}

// countLocked enters a run into the job's statistics. It returns a function
// that logs what is new about it, nil if nothing is. Janitor.mu must be held.
func (j *Janitor) countLocked(job *Job, out *outcome, took time.Duration) (log func()) {
	st := &job.stats
	st.Runs++
	st.LastDuration = took
	st.TotalDuration += took
	st.Removed += uint64(out.removed)
	if job.sweeper != nil && took >= j.config.SlowAfter {
		st.Slow++
	} else {
		job.quiet = 0
	}
	fresh := out.failed && !job.failing
	job.failing = out.failed
	if out.failed {
		st.LastError = out.text
	}
	if e := out.panicked; e != nil {
		st.Panics++
		job.panics++
		if j.seen.add(e.origin) {
			return func() {
				j.log(slog.LevelError, "sweep: job panicked", "job", job.name, "panic", e.text, "stack", e.Stack)
			}
		}
		return nil
	}
	job.panics = 0
	if out.failed {
		st.Errors++
	}
	switch {
	case fresh:
		text := out.text
		return func() { j.log(slog.LevelWarn, "sweep: job failed", "job", job.name, "error", text) }
	case job.reported:
		return func() { j.log(slog.LevelWarn, "sweep: slow sweeper has ended", "job", job.name, "took", took) }
	}
	return nil
}
