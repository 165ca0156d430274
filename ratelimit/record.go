package ratelimit

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
)

// A transition is a record of a [Journal]: what is known of one source at a time. It is of
// fixed size and has a checksum, so a file that ends in the middle of one is no riddle. Times
// are those of the wall clock, in nanoseconds since 1970, for the monotonic clock ends with the process.
type transition struct {
	sequence uint64 // of two records of one source the later one counts, wherever it stands
	source   source
	kind     transitionKind
	written  int64
	at       int64 // lockout: its end; charge: when it was made
	more     int64 // lockout: when the last strike is forgiven; chargeLong: how many
}

type transitionKind uint8

const (
	lockout transitionKind = iota + 1
	unlocked
	charge     // in the window
	chargeLong // in the long window, in a bucket
)

const (
	journalMagic   = "bounded/ratelimit 1\n"
	transitionSize = 8 + 8 + 1 + 1 + 8 + 8 + 8 + 4
)

// ErrCorrupt is wrapped by the error of [Tracker.OpenJournal] for a file that is not a journal or was
// changed by somebody else. To begin anew, remove the file, or set JournalConfig.Anew.
var ErrCorrupt = errors.New("ratelimit: the journal is corrupt")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// append appends the record to b.
func (r *transition) append(b []byte) []byte {
	from := len(b)
	b = binary.LittleEndian.AppendUint64(b, r.sequence)
	b = binary.LittleEndian.AppendUint64(b, r.source.bits())
	b = append(b, byte(r.source.family()), byte(r.kind))
	b = binary.LittleEndian.AppendUint64(b, uint64(r.written))
	b = binary.LittleEndian.AppendUint64(b, uint64(r.at))
	b = binary.LittleEndian.AppendUint64(b, uint64(r.more))
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[from:], castagnoli))
}

// setBack makes all times of a record earlier.
func (r *transition) setBack(by int64) {
	r.written -= by
	r.at -= by
	if r.kind == lockout {
		r.more -= by
	}
}

// parseTransition parses a record, of which b has the bytes.
func parseTransition(b []byte) (r transition, ok bool) {
	body := b[:transitionSize-4]
	r = transition{
		sequence: binary.LittleEndian.Uint64(b),
		source:   newSource(binary.LittleEndian.Uint64(b[8:]), family(b[16])),
		kind:     transitionKind(b[17]),
		written:  int64(binary.LittleEndian.Uint64(b[18:])),
		at:       int64(binary.LittleEndian.Uint64(b[26:])),
		more:     int64(binary.LittleEndian.Uint64(b[34:])),
	}
	return r, binary.LittleEndian.Uint32(b[len(body):]) == crc32.Checksum(body, castagnoli) &&
		family(b[16]) < families && r.kind >= lockout && r.kind <= chargeLong
}

// parseJournal returns the records of a file, in the order of their sequence. A last one that is torn is
// left out.
func parseJournal(b []byte) (records []transition, err error) {
	if len(b) < len(journalMagic) && bytes.HasPrefix([]byte(journalMagic), b) {
		return nil, nil // new, or torn at once
	}
	if !bytes.HasPrefix(b, []byte(journalMagic)) {
		return nil, fmt.Errorf("%w: it begins with %q", ErrCorrupt, b[:min(len(b), 32)])
	}
	for at := len(journalMagic); len(b)-at >= transitionSize; at += transitionSize {
		r, ok := parseTransition(b[at : at+transitionSize])
		if !ok && len(b)-at < 2*transitionSize {
			break
		}
		if !ok {
			return nil, fmt.Errorf("%w: record at byte %d", ErrCorrupt, at)
		}
		records = append(records, r)
	}
	slices.SortStableFunc(records, func(a, b transition) int { return cmp.Compare(a.sequence, b.sequence) })
	return records, nil
}

// snapshot appends what is known of the sources in the cells of the index from one number to another.
// Written is the time that is now by the wall clock.
func (t *table) snapshot(records []transition, from, to int, now, written int64) []transition {
	toWall := func(at int64) int64 { return written + at - now }
	t.each(from, to, func(i uint32) {
		e := &t.pool.entries[i]
		add := func(kind transitionKind, at, more int64) {
			t.sequence++
			records = append(records, transition{t.sequence, e.source, kind, written, toWall(at), more})
		}
		if e.struck && t.forgivenAt(e) > now {
			add(lockout, e.lockedUntil, toWall(t.forgivenAt(e)))
		}
		t.longNow(i, now)
		h := t.longOf(i)
		for age := uint32(buckets - 1); age < buckets; age-- {
			if n := h.last - age; age <= h.last && h.counts[n%buckets] > 0 {
				add(chargeLong, t.rule.longBuckets.start(n), int64(h.counts[n%buckets]))
			}
		}
		var near [nearCharges]int64
		stamps := t.stampsOf(i, &near)
		for j := len(stamps) - 1; j >= 0; j-- {
			if t.inWindow(stamps[j], now) && j < int(e.own) {
				add(charge, stamps[j], 0)
			}
		}
	})
	return records
}

// restore applies a record; those of one source must come in the order of their sequence. Clock is the time that is
// now, by the clock that the record was written by. It reports whether there was room.
func (t *table) restore(r *transition, now, clock int64) (ok bool) {
	fromWall := func(at int64) int64 { return max(1, now+at-clock) }
	if r.kind == unlocked {
		_, ok = t.unlock(r.source, now)
		return ok
	}
	at := fromWall(r.at)
	if r.kind == lockout && (r.more <= clock || t.rule.isProxy(r.source)) || r.kind == charge && !t.inWindow(at, now) {
		return true
	}
	i, found := t.find(t.hash(r.source), r.source)
	if !found {
		if i, ok = t.enter(t.hash(r.source), r.source, now); !ok {
			return false
		}
	}
	switch r.kind {
	case lockout:
		// No file can lock for longer than LockNow, or give more strikes than count.
		e, forgiven := &t.pool.entries[i], fromWall(r.more)
		if found && !e.pardoned {
			at, forgiven = max(at, e.lockedUntil), max(forgiven, t.forgivenAt(e))
		}
		e.struck, e.pardoned = true, false
		if at <= now {
			t.setStrikes(e, forgiven, now)
			break
		}
		e.lockedUntil = min(at, now+int64(longest))
		strikes := (forgiven - e.lockedUntil + t.rule.maxLockout - 1) / t.rule.maxLockout
		e.strikes = uint8(max(0, min(strikes, t.rule.mostStrikes())))
	case charge:
		at = t.roundUp(min(at, now))
		t.push(i, &login{source: r.source}, at)
		t.last, t.restored = max(t.last, at), max(t.restored, at)
		t.setOpen(i, t.openOf(i)&^1)
	case chargeLong:
		for range min(r.more, mostInBucket) {
			t.chargeLong(i, min(at, now))
		}
	}
	t.place(i, now)
	return true
}
