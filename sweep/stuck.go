package sweep

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"time"
)

// labelName and labelID are the profiler labels of a goroutine while it runs a
// job. By the first, a CPU profile can be split by job; by the second, the
// goroutine of a job is found among all.
const (
	labelName = "sweep_job"
	labelID   = "sweep_id"
)

// A StuckJob is a job that did not end.
type StuckJob struct {
	Name    string
	Running time.Duration // how long it had been running
	Stack   string        // where it was, cut to 16 KiB
}

// A StuckError is returned by Run when jobs were still running after
// Config.DrainTimeout. Those jobs are left behind: Go cannot kill them.
type StuckError struct {
	Jobs []StuckJob // the longest running first
}

// Error names the jobs and says how long they had been running.
func (e *StuckError) Error() string {
	var b strings.Builder
	b.WriteString("sweep: jobs did not end:")
	for i, job := range e.Jobs {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, " %q (running for %v)", job.Name, job.Running.Round(time.Millisecond))
	}
	return b.String()
}

// abandon ends a session in which jobs are still running, and names them. When
// they end, finish finds the session closed, and so does the worker. If the last
// of them has just ended, abandon does nothing and returns nil.
func (s *session) abandon() *StuckError {
	j := s.janitor
	e := &StuckError{}
	j.mu.Lock()
	if len(s.running) == 0 {
		j.mu.Unlock()
		return nil
	}
	now := j.now()
	stuck := slices.SortedFunc(maps.Keys(s.running), func(a, b *Job) int {
		return cmp.Or(cmp.Compare(a.since, b.since), cmp.Compare(a.seq, b.seq))
	})
	for _, job := range stuck {
		e.Jobs = append(e.Jobs, StuckJob{Name: job.name, Running: now - job.since})
		job.current.land(ErrNotRunning) // for them, too, this Run is over
		job.current = nil
	}
	j.session = nil
	j.mu.Unlock()

	profile := goroutines()
	for i, job := range stuck {
		e.Jobs[i].Stack = stackOf(job, profile)
	}
	return e
}

// reportSlow logs a sweeper that has been running for so long.
func (s *session) reportSlow(job *Job, running time.Duration) {
	s.janitor.log(slog.LevelWarn, "sweep: sweeper is slow, and others wait for it",
		"job", job.name, "running", running, "stack", stackOf(job, goroutines()))
}

// goroutines returns a profile of all goroutines as text. It stops the world
// for a moment and takes memory in proportion to their number, so it is for
// reports only.
func goroutines() string {
	var b strings.Builder
	_ = pprof.Lookup("goroutine").WriteTo(&b, 1) // a Builder does not fail
	return b.String()
}

// stackOf returns where in the profile the goroutine is that runs the job, two
// lines for each frame, innermost first, cut to maxStack. It is empty if the job
// has just ended, or has replaced the profiler labels of its goroutine.
func stackOf(job *Job, profile string) string {
	label := strconv.Quote(labelID) + ":" + strconv.Quote(job.id())
	best := ""
	for record := range strings.SplitSeq(profile, "\n\n") {
		if !strings.Contains(record, label) {
			continue
		}
		if strings.Contains(record, "sweep.(*Job).call+") {
			best = record
			break
		}
		best = cmp.Or(best, record) // very deep, or a goroutine that the job started
	}
	var stack strings.Builder
	for line := range strings.SplitSeq(best, "\n") {
		columns := strings.FieldsFunc(line, func(r rune) bool { return r == '\t' })
		if len(columns) == 4 && stack.Len()+len(line) <= maxStack { // "#", address, function, place
			fmt.Fprintf(&stack, "%s\n\t%s\n", columns[2], columns[3])
		}
	}
	return stack.String()
}

// id returns what the goroutine of the job is labelled with: like no other job's.
func (job *Job) id() string { return fmt.Sprintf("%p", job) }
