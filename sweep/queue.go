package sweep

import (
	"container/heap"
	"time"
)

// A queue is a binary heap of jobs by the instant at which each is to start,
// first added first among equals. A job is in one queue at most and knows its
// place there, so that any job can leave in O(log n).
type queue struct {
	jobs byStart
}

// push puts the job, which must be in no queue, in line for the instant at.
func (q *queue) push(job *Job, at time.Duration) {
	job.at, job.queue = at, q
	heap.Push(&q.jobs, job)
}

// first returns the job to start next, nil if there is none.
func (q *queue) first() *Job {
	if len(q.jobs) == 0 {
		return nil
	}
	return q.jobs[0]
}

// remove takes the job, which must be in q, out of it.
func (q *queue) remove(job *Job) {
	heap.Remove(&q.jobs, job.place)
	job.queue = nil
}

// byStart is the heap.Interface of a queue.
type byStart []*Job

func (h byStart) Len() int { return len(h) }

func (h byStart) Less(i, k int) bool {
	if h[i].at != h[k].at {
		return h[i].at < h[k].at
	}
	return h[i].seq < h[k].seq
}

func (h byStart) Swap(i, k int) {
	h[i], h[k] = h[k], h[i]
	h[i].place, h[k].place = i, k
}

func (h *byStart) Push(x any) {
	job := x.(*Job)
	job.place = len(*h)
	*h = append(*h, job)
}

func (h *byStart) Pop() any {
	last := len(*h) - 1
	job := (*h)[last]
	(*h)[last] = nil // the array must not keep a stopped job alive
	*h = (*h)[:last]
	return job
}
