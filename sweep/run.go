package sweep

import (
	"context"
	"math"
	"runtime/pprof"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// turnSize is how many jobs Run starts before it lets go of the lock.
	turnSize = 128

	// forever is how long Run sleeps when nothing is due: until it is woken.
	forever time.Duration = math.MaxInt64
)

// A session is one Run of a janitor. Run's own goroutine moves jobs from
// waiting to their goroutines: a Func to a new one, a sweeper to ready, from
// where the one worker takes it. Whoever has run a job puts it back to waiting,
// and wakes Run if it is now the first there.
type session struct {
	janitor *Janitor
	ctx     context.Context // of Func jobs; ends the session when it ends
	cancel  context.CancelFunc
	group   errgroup.Group // of the worker and of each Func that runs
	wake    chan struct{}  // buffers one

	// Janitor.mu guards the rest.

	waiting  queue             // by the instant they are to start
	ready    queue             // due sweepers, the longest due first
	work     sync.Cond         // of the worker: ready or closing has changed
	running  map[*Job]struct{} // started here and not yet ended
	sweeping *Job              // that the worker runs, nil if none
	reportAt time.Duration     // when that is to be logged as slow
	closing  bool              // nothing may start any more
	crash    *PanicError       // what Run is to panic with
	turns    int               // times Run looked at its queues, for tests
}

// open begins a session, in which all jobs wait for their first time. The
// caller cancels the session also if it cannot begin: a context may be the
// user's code, and is not to be called under the lock.
func (j *Janitor) open(ctx context.Context) (*session, error) {
	s := &session{janitor: j, wake: make(chan struct{}, 1), running: make(map[*Job]struct{})}
	s.work.L = &j.mu
	s.ctx, s.cancel = context.WithCancel(ctx)

	j.mu.Lock()
	defer j.mu.Unlock()
	if j.session != nil {
		return s, ErrRunning
	}
	j.session = s
	now := j.now()
	for _, job := range j.jobs {
		if !job.running { // else finish will do it
			s.armLocked(job, now)
		}
	}
	s.group.Go(s.worker)
	return s, nil
}

// armLocked makes a job that is neither waiting nor running wait for its next
// time: now, if it was asked for. Janitor.mu must be held.
func (s *session) armLocked(job *Job, now time.Duration) {
	if due := job.due; due == 0 {
		job.due = later(now, firstDelay(job.interval, job.seq))
	} else {
		var missed uint64
		job.due, missed = nextDue(due, now, job.interval)
		if job.since < due && due < job.due {
			missed++ // it fell into a run that began before it
		}
		job.stats.Missed += missed
	}
	at := job.due
	if job.pending != nil {
		at = now
	} else if job.panics > 0 {
		at, _ = nextDue(job.due, later(now, pause(job.interval, job.panics)), job.interval)
	}
	s.waitLocked(job, at)
}

// waitLocked makes a job wait for the instant at. Janitor.mu must be held.
func (s *session) waitLocked(job *Job, at time.Duration) {
	s.waiting.push(job, at)
	if s.waiting.first() == job {
		s.wakeUp()
	}
}

// wakeUp makes Run look at its queues again.
func (s *session) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default: // it is about to
	}
}

// loop is Run until its context ends.
func (s *session) loop() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for s.ctx.Err() == nil {
		wait, slow, running := s.turn()
		if slow != nil {
			s.reportSlow(slow, running)
		}
		if wait == forever {
			timer.Stop()
		} else {
			timer.Reset(wait)
		}
		select {
		case <-s.ctx.Done():
		case <-s.wake:
		case <-timer.C:
		}
	}
}

// turn starts what is due and returns how long Run may sleep unless it is woken.
// It also returns the sweeper that is to be logged as slow, if there is one,
// and how long that has been running.
func (s *session) turn() (wait time.Duration, slow *Job, running time.Duration) {
	s.janitor.mu.Lock()
	defer s.janitor.mu.Unlock()
	s.turns++
	now := s.janitor.now()
	s.startLocked(now)
	wait = forever
	if job := s.waiting.first(); job != nil {
		wait = max(0, job.at-now)
	}
	slow, running, watch := s.watchLocked(now)
	return min(wait, watch), slow, running
}

// startLocked starts the jobs that are due, though not more than turnSize.
// Janitor.mu must be held.
func (s *session) startLocked(now time.Duration) {
	for range turnSize {
		job := s.waiting.first()
		if job == nil || job.at > now {
			return
		}
		if job.fn != nil {
			job.beginLocked(s, now)
			s.group.Go(func() error { s.runFunc(job); return nil })
		} else {
			s.waiting.remove(job)
			s.ready.push(job, job.at)
			s.work.Signal()
		}
	}
}

// watchLocked returns the sweeper that is to be logged as slow, if there is one,
// and how long it has been running. It also returns how long nothing more will
// be to watch. Janitor.mu must be held.
func (s *session) watchLocked(now time.Duration) (slow *Job, running, wait time.Duration) {
	job := s.sweeping
	switch {
	case job == nil && s.ready.first() == nil:
		return nil, 0, forever
	case job == nil: // the worker has yet to begin
		return nil, 0, s.janitor.config.SlowAfter
	case now < s.reportAt:
		return nil, 0, s.reportAt - now
	}
	running = now - job.since
	job.reported, job.quiet = true, later(running, running) // next when this has doubled
	s.reportAt = later(job.since, job.quiet)
	return job, running, s.reportAt - now
}

// worker runs the ready sweepers, one at a time, until the session closes. A
// sweeper that calls runtime.Goexit takes the worker with it: another follows.
func (s *session) worker() error {
	returned := false
	defer func() {
		if !returned {
			s.group.Go(s.worker)
		}
	}()
	for job := s.take(); job != nil; job = s.take() {
		var out outcome
		s.janitor.run(s.ctx, job, &out)
		pprof.SetGoroutineLabels(context.Background())
	}
	returned = true
	return nil
}

// take waits for a ready sweeper and begins it. It returns nil when the session
// closes.
func (s *session) take() *Job {
	j := s.janitor
	j.mu.Lock()
	defer j.mu.Unlock()
	for s.ready.first() == nil && !s.closing {
		s.work.Wait()
	}
	if s.closing {
		return nil
	}
	now := j.now()
	job := s.ready.first()
	job.beginLocked(s, now)
	reportAt := later(now, max(j.config.SlowAfter, job.quiet))
	if reportAt < s.reportAt {
		s.wakeUp() // Run may sleep until the sweeper before this one was to be logged
	}
	s.sweeping, s.reportAt = job, reportAt
	return job
}

// runFunc runs a Func that has begun, under a context that ends with the run.
func (s *session) runFunc(job *Job) {
	ctx, cancel := context.WithCancel(context.WithValue(s.ctx, jobKey{}, job))
	defer cancel()
	var out outcome
	s.janitor.run(ctx, job, &out)
}

// endedLocked notes that a job that the session started has ended, and reports
// whether that ends the session. Janitor.mu must be held.
func (s *session) endedLocked(job *Job, out *outcome) (crash bool) {
	delete(s.running, job)
	if s.sweeping == job {
		s.sweeping = nil
	}
	if s.closing && len(s.running) == 0 {
		s.wakeUp()
	}
	if out.panicked != nil && s.janitor.config.Panics == Crash && s.crash == nil {
		s.crash = out.panicked
		return true
	}
	return false
}

// drain ends the session: it starts nothing more and waits for what runs.
func (s *session) drain() error {
	s.cancel()
	s.close()
	timeout := time.NewTimer(s.janitor.config.DrainTimeout)
	defer timeout.Stop()
	for s.busy() {
		select {
		case <-s.wake:
		case <-timeout.C:
			if stuck := s.abandon(); stuck != nil {
				return stuck
			}
		}
	}
	_ = s.group.Wait() // no function of the group returns an error, and no job runs
	s.end()
	return nil
}

// close takes all jobs out of the queues and lets the worker go.
func (s *session) close() {
	j := s.janitor
	j.mu.Lock()
	defer j.mu.Unlock()
	s.closing = true
	for _, job := range j.jobs {
		job.idleLocked(ErrNotRunning)
		job.due = 0
	}
	s.work.Signal()
}

// busy reports whether a job is running.
func (s *session) busy() bool {
	s.janitor.mu.Lock()
	defer s.janitor.mu.Unlock()
	return len(s.running) > 0
}

// end makes room for another session.
func (s *session) end() {
	s.janitor.mu.Lock()
	defer s.janitor.mu.Unlock()
	s.janitor.session = nil
}

// crashed returns the panic that is to go on in Run, nil if there was none.
func (s *session) crashed() *PanicError {
	s.janitor.mu.Lock()
	defer s.janitor.mu.Unlock()
	return s.crash
}
