package store

import (
	"container/list"
	"context"
	"database/sql"
	"fmt"
	"time"
)

// An outbox keeps records until they are written, the oldest first, within two bounds. It is not safe for concurrent
// use: the Store's mu guards it.
type outbox struct {
	maxEntries int
	maxBytes   int64

	order *list.List               // of *record
	byID  map[string]*list.Element // the same
	bytes int64                    // of them
	full  bool                     // the last that came did not fit
	moves bool                     // the database takes what waits: it did when it was last asked

	written, refused uint64
}

func newOutbox(maxEntries int, maxBytes int64) outbox {
	return outbox{maxEntries: maxEntries, maxBytes: maxBytes, order: list.New(), byID: map[string]*list.Element{}}
}

func (o *outbox) len() int { return o.order.Len() }

// passes reports whether r need not join those that wait. While the queue moves nobody does: if all who come
// joined it, those who come fast enough would keep it full for ever. Only who has joined it before must again,
// so that the later answers are written later.
func (o *outbox) passes(r *record) bool {
	_, waits := o.byID[r.id]
	return o.len() == 0 || o.moves && !waits
}

// put keeps r, in the place of the record with the same ID if there is one, and reports whether it fitted.
// If not, nothing has changed but the counts.
func (o *outbox) put(r *record) bool {
	old, replaces := o.byID[r.id]
	bytes, entries := o.bytes+r.bytes(), o.len()+1
	if replaces {
		bytes, entries = bytes-old.Value.(*record).bytes(), entries-1
	}
	o.full = entries > o.maxEntries || bytes > o.maxBytes
	switch {
	case o.full:
		o.refused++
		return false
	case replaces:
		old.Value = r
	default:
		o.byID[r.id] = o.order.PushBack(r)
	}
	o.bytes = bytes
	return true
}

// oldest returns at most n records, the oldest first. They stay.
func (o *outbox) oldest(n int) (records []*record) {
	for e := o.order.Front(); e != nil && len(records) < n; e = e.Next() {
		records = append(records, e.Value.(*record))
	}
	return records
}

// remove removes the records, but for those that others have replaced meanwhile.
func (o *outbox) remove(records []*record) {
	for _, r := range records {
		if e := o.byID[r.id]; e != nil && e.Value == r {
			delete(o.byID, r.id)
			o.bytes -= o.order.Remove(e).(*record).bytes()
			o.full = false
		}
	}
}

// drainChunk is how many records are written in one transaction, which takes as many statements for all of them
// as for one.
const drainChunk = 100

// enqueue keeps r until Sweep writes it. If writing it has failed, who comes next need not try.
func (s *Store) enqueue(r *record, failed bool) (queued bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outbox.moves = s.outbox.moves && !failed
	if s.closed {
		return false, ErrClosed
	}
	if !s.outbox.put(r) {
		return false, ErrQueueFull
	}
	return true, nil
}

// drain writes what waits, until nothing does, the database fails, or limit has passed. s.sweeping must be held.
// A record that the database will never take is found by halves and dropped, so that those behind it get their turn.
func (s *Store) drain(ctx context.Context, limit time.Duration) (written int, err error) {
	size := drainChunk
	for began := time.Now(); time.Since(began) < limit; {
		s.mu.Lock()
		chunk := s.outbox.oldest(size)
		s.mu.Unlock()
		if len(chunk) == 0 {
			return written, nil
		}
		err := s.try(ctx, queryTimeout, func(ctx context.Context, conn *sql.Conn) error { return s.write(ctx, conn, chunk...) })
		switch {
		case err == nil:
			written += len(chunk)
			s.settle(chunk, true)
			size = min(2*size, drainChunk)
		case judge(err) == busy:
			return written, nil
		case judge(err) != refused:
			return written, err
		case len(chunk) > 1:
			size = len(chunk) / 2 // in which half is it?
		default:
			s.conf.Logger.Error("a submission is lost, the database refuses it", "id", chunk[0].id, "error", err)
			s.settle(chunk, false)
		}
	}
	return written, nil
}

// settle removes records that were written, or never will be.
func (s *Store) settle(records []*record, written bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outbox.remove(records)
	if written {
		s.outbox.moves = true
		s.outbox.written += uint64(len(records))
	} else {
		s.outbox.refused += uint64(len(records))
	}
}

// flush is the last attempt to write what waits. s.sweeping must be held.
func (s *Store) flush() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := s.check(ctx, closeTimeout)
	if err == nil {
		_, err = s.drain(ctx, closeTimeout)
	}
	s.mu.Lock()
	lost := s.outbox.len()
	s.mu.Unlock()
	if lost == 0 {
		return nil
	}
	s.conf.Logger.Error("submissions are lost, the database did not take them", "submissions", lost, "error", err)
	if err == nil {
		return fmt.Errorf("store: %d submissions are lost: the time for writing them was over", lost)
	}
	return fmt.Errorf("store: %d submissions are lost: %w", lost, err)
}
