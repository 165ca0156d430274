package ratelimit

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// A Journal keeps the lock-outs and strikes of a tracker in a file, so that a process that is killed, and
// begins again, forgets none of them. A lock-out is written before Fail returns. What was counted towards the
// next is written by [Journal.Save] and [Journal.Close]: what has been since then is lost with the process, and
// so are accounts, networks and what only the sketch remembers.
//
// Writes go to the operating system, which keeps them when the process dies; Save, which
// replaces the file, also asks it to put them on the disk.
type Journal struct {
	tracker *Tracker
	name    string

	// mu guards what follows, and is held while the file is written. It may be taken by
	// who holds no lock; the lock of a table may be taken by who holds it.
	mu       sync.Mutex
	file     *os.File // nil: closed
	size     int64    // of the file, without what is left of a record that could not be written to its end
	ahead    int64    // the wall clock's lead when the file was saved: see clock.lead
	again    int64    // before that write saves no file: see saveAgain
	appended int
	buffer   [transitionSize]byte
}

// A JournalConfig says what to do with a file that is corrupt.
type JournalConfig struct {
	// Anew says to begin with an empty journal, after renaming the file to one that ends in
	// .corrupt, and to send an event of the kind [JournalCorrupt]: all who were locked out are free. Otherwise
	// OpenJournal returns an error that wraps [ErrCorrupt].
	Anew bool
}

// OpenJournal reads the file of that name, if there is one, enters what it says into the
// tracker, and writes to it from then on. A tracker has one journal at the most, and a file one tracker.
//
// A last record that was not written to its end is left out. The time since it was written is told by the wall
// clock; one that was set back makes no lock-out shorter, nor does one that was set forward, once the process
// that ran then has locked somebody out or called Save. One that was set forward while no process ran cannot be
// told from time that has passed, and ends the lock-outs that would be over by then: whoever can set the clock
// of a server can do worse.
func (t *Tracker) OpenJournal(name string, config JournalConfig) (*Journal, error) {
	j := &Journal{tracker: t, name: name}
	if !t.journal.CompareAndSwap(nil, j) {
		return nil, errors.New("ratelimit: the tracker has a journal already, want one at the most")
	}
	if err := j.open(config); err != nil {
		t.journal.Store(nil)
		return nil, err
	}
	return j, nil
}

func (j *Journal) open(config JournalConfig) error {
	data, err := os.ReadFile(j.name)
	if err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("ratelimit: cannot read the journal: %w", err)
	}
	records, err := parseJournal(data)
	if err != nil && !config.Anew {
		return err
	}
	t := j.tracker
	if err != nil {
		if err := os.Rename(j.name, j.name+".corrupt"); err != nil {
			return fmt.Errorf("ratelimit: cannot put the corrupt journal aside: %w", err)
		}
		t.shared.emit(Event{Kind: JournalCorrupt}, t.now())
	}
	t.restore(records, time.Now())
	return j.begin(records)
}

// Save writes all that the table knows to a new file, and puts it in the place of the
// old one, or of one that somebody removed. To lose less when the process is killed, call it now and then. Of a
// journal that is closed it returns an error that wraps [os.ErrClosed].
func (j *Journal) Save() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.save()
}

func (j *Journal) begin(old []transition) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.replace(old, j.step())
}

// save is Save for who holds j.mu.
func (j *Journal) save() error {
	if j.file == nil {
		return fmt.Errorf("ratelimit: cannot save the journal: %w", os.ErrClosed)
	}
	data, err := os.ReadFile(j.name)
	if err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("ratelimit: cannot read the journal: %w", err)
	}
	old, err := parseJournal(data)
	if err != nil {
		return err
	}
	step := j.step()
	for i := range old {
		old[i].setBack(-step)
	}
	return j.replace(old, step)
}

// step returns by how much the wall clock was set forward since the file was saved, by which all that is in it
// is dated too early.
func (j *Journal) step() int64 {
	t := j.tracker
	return t.shared.clock.lead(t.now()) - j.ahead
}

// longStep is a step for which the file is saved before another record is written to it. Shorter ones, as of a
// leap second, are not worth a file.
const longStep = int64(time.Minute)

// saveAgain is for how long write saves no file after it could not: that reads all of it, while all who are
// locked out wait.
const saveAgain = int64(time.Minute)

// replace writes a new file for the old one, of which old are the records, dated anew after such a step.
// j.mu must be held: so what happens from here on is appended to the new file.
func (j *Journal) replace(old []transition, step int64) (err error) {
	file, err := os.CreateTemp(filepath.Dir(j.name), filepath.Base(j.name)+".*")
	if err != nil {
		return fmt.Errorf("ratelimit: cannot save the journal: %w", err)
	}
	records := j.tracker.snapshot(old)
	b := []byte(journalMagic)
	for i := range records {
		b = records[i].append(b)
	}
	_, err = file.Write(b)
	if err == nil {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = j.rename(file.Name(), int64(len(b)))
	}
	if err != nil {
		os.Remove(file.Name())
		return fmt.Errorf("ratelimit: cannot save the journal: %w", err)
	}
	j.ahead, j.appended = j.ahead+step, 0
	return nil
}

// rename puts a file of a size in the place of the old one, and opens it. Both are closed meanwhile, for Windows
// renames no file that is open, and replaces none.
func (j *Journal) rename(from string, size int64) error {
	if j.file != nil {
		j.file.Close() // and stays so if it cannot be opened again: then each write fails, and is reported
	}
	err := os.Rename(from, j.name)
	if err != nil && j.file == nil {
		return err
	}
	if err != nil {
		size = j.size // of the old one
	}
	file, failed := os.OpenFile(j.name, os.O_WRONLY, 0o600)
	if failed == nil {
		j.file, j.size = file, size
	}
	if dir, err := os.Open(filepath.Dir(j.name)); err == nil {
		dir.Sync() // the name is in it; not all systems can be asked for that
		dir.Close()
	}
	return cmp.Or(err, failed)
}

// Close saves the journal and detaches it from the tracker. A second call does nothing.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return nil
	}
	err := j.save()
	if closed := j.file.Close(); err == nil {
		err = closed
	}
	j.file = nil
	j.tracker.journal.CompareAndSwap(j, nil)
	return err
}

// write appends a record. One that cannot be written is counted and reported: the
// lock-out holds in the process all the same.
func (j *Journal) write(r transition) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return
	}
	t := j.tracker
	var err error
	j.appended++
	due := j.appended > 4*t.shared.rule.addresses+1000 || j.step() > longStep
	if now := t.now(); due && now >= j.again {
		if err = j.save(); err != nil {
			j.again = now + saveAgain
		}
	}
	if _, failed := j.file.WriteAt(r.append(j.buffer[:0]), j.size); failed == nil {
		j.size += transitionSize
	} else {
		err = failed
	}
	if err != nil {
		t.journalErrors.Add(1)
		t.shared.emit(Event{Kind: JournalFailed}, t.now())
	}
}

// unlockAndWrite unlocks the table, and then writes what changed under the lock to the journal.
func (t *Tracker) unlockAndWrite(sh *shard) {
	if !sh.unsaved {
		sh.mu.Unlock()
		return
	}
	changed := sh.changed
	sh.unsaved = false
	now := t.now()
	wall := t.shared.clock.wall(now, now)
	sh.mu.Unlock()
	journal := t.journal.Load()
	if journal == nil {
		return
	}
	changed.written = wall
	if changed.kind == lockout {
		changed.at += wall - now
		changed.more += wall - now
	}
	journal.write(changed)
}

// snapshot returns what all tables know, and the lock-outs in an old journal that are not over and that the
// tables had to forget. A flood of them makes no journal larger than a few times the table: those that end
// first go.
func (t *Tracker) snapshot(old []transition) (records []transition) {
	t.inChunks(func(sh *shard, from, to int) {
		now := t.now()
		records = sh.snapshot(records, from, to, now, t.shared.clock.wall(now, now))
	})
	now := t.now()
	forgotten, wall := map[source]transition{}, t.shared.clock.wall(now, now)
	for _, r := range old {
		if r.kind == unlocked {
			delete(forgotten, r.source)
		}
		if r.kind != lockout || r.at <= wall {
			continue
		}
		hash, sh := t.lock(r.source)
		if _, tracked := sh.find(hash, r.source); !tracked {
			forgotten[r.source] = r
		}
		sh.mu.Unlock()
	}
	kept := slices.SortedFunc(maps.Values(forgotten), func(a, b transition) int { return cmp.Compare(b.at, a.at) })
	return append(records, kept[:min(len(kept), 4*t.shared.rule.addresses)]...)
}

// restore applies records in the order of their sequence. No time is allowed to pass backwards: if the wall clock was
// set back since the last record was written, no time has passed since then, and the records are dated anew.
func (t *Tracker) restore(records []transition, wall time.Time) {
	clock, last, sequence := wall.UnixNano(), int64(0), uint64(0)
	for i := range records {
		last = max(last, records[i].written)
		sequence = max(sequence, records[i].sequence)
	}
	if back := last - clock; back > 0 {
		for i := range records {
			records[i].setBack(back)
		}
	}
	for i := range t.shards {
		sh := &t.shards[i]
		sh.mu.Lock()
		sh.sequence = max(sh.sequence, sequence)
		sh.mu.Unlock()
	}
	now := t.now()
	for i := range records {
		_, sh := t.lock(records[i].source)
		t.inRoom(sh, records[i].source, func() bool { return sh.restore(&records[i], now, clock) })
		sh.unsaved = false // it is in the journal
		sh.mu.Unlock()
	}
}
