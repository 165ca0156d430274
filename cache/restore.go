package cache

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"time"
)

// ReadFrom adds the entries of a snapshot that [Cache.WriteTo] wrote, and returns how many bytes it read of it.
// What is torn, foreign, of other types or of a newer version is an error that says what is wrong at which
// byte, and changes nothing. An entry lives on for what was left of its life, less the time since; setting the
// wall clock back prolongs no life beyond that.
//
// What is there already stays. The others come in the order of how often they were read, for as long as there
// is room without evicting anything: so a cache that is smaller than the one that was written keeps the
// hottest.
//
// A snapshot is read at least twice: it is looked through first. If r is no [io.Seeker], or one that cannot
// seek, as a pipe, it is copied to a temporary file for that. ReadFrom takes memory for one block of it, some
// 64 KiB or one large entry.
func (c *Cache[K, V]) ReadFrom(r io.Reader) (int64, error) {
	var start int64
	seeker, ok := r.(io.ReadSeeker)
	if ok {
		var err error
		start, err = seeker.Seek(0, io.SeekCurrent)
		ok = err == nil
	}
	if !ok {
		file, err := spool(r)
		if err != nil {
			return 0, fmt.Errorf("cache: snapshot: %w", err)
		}
		defer os.Remove(file.Name())
		defer file.Close()
		seeker, start = file, 0
	}
	var byHits [hitsMask + 1]uint64
	n, err := c.readBlocks(seeker, func(e *restored[K, V]) bool { byHits[e.hits]++; return true })
	if err != nil {
		return n, err
	}
	for hits := uint64(hitsMask); ; hits-- {
		if byHits[hits] > 0 {
			if _, err := seeker.Seek(start, io.SeekStart); err != nil {
				return n, fmt.Errorf("cache: snapshot: %w", err)
			}
			_, err := c.readBlocks(seeker, func(e *restored[K, V]) bool {
				if e.hits == hits {
					c.restore(e)
				}
				return c.engine.entries.used.Load() < c.engine.entries.bound.Load()
			})
			if err != nil {
				return n, err
			}
		}
		if hits == 0 {
			break
		}
	}
	_, err = seeker.Seek(start+n, io.SeekStart)
	return n, err
}

// spool copies r to a temporary file.
func spool(r io.Reader) (*os.File, error) {
	file, err := os.CreateTemp("", "snapshot-*")
	if err != nil {
		return nil, err
	}
	if _, err = io.Copy(file, r); err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		file.Close()
		os.Remove(file.Name())
		return nil, err
	}
	return file, nil
}

// A restored entry is one that was read from a snapshot.
type restored[K comparable, V any] struct {
	key  K
	val  V
	hits uint64
	mark mark
	left instant // of its life now; never: for ever
	idle instant // that it may now be left unread, likewise
}

// restore stores an entry, unless there is one of its key, or no room.
func (c *Cache[K, V]) restore(e *restored[K, V]) {
	if e.left <= 0 || c.idle > 0 && e.idle <= 0 {
		return
	}
	w := write[K, V]{key: e.key, val: e.val, over: new(seen[V]), hits: uint8(e.hits), mark: e.mark, modest: true}
	c.prepare(&w, 0)
	now := c.engine.clock.precise()
	w.hard = min(now+e.left, never)
	if w.deadline = min(w.deadline, w.hard); c.idle > 0 {
		w.deadline = min(w.deadline, now+e.idle)
	}
	c.engine.attempt(&w)
	if w.removed != nil {
		c.deliver(w.removed)
	}
}

// readBlocks reads a snapshot and calls yield for each entry until it returns false. It returns how many bytes
// it read.
func (c *Cache[K, V]) readBlocks(r io.Reader, yield func(*restored[K, V]) bool) (int64, error) {
	b := blockReader{r: r}
	var magic [len(snapshotMagic)]byte
	if err := b.fill(magic[:]); err != nil {
		return b.read, err
	}
	if string(magic[:]) != snapshotMagic {
		return b.read, b.fail("it begins with %q, want %q", magic, snapshotMagic)
	}
	head, err := b.next()
	if err != nil {
		return b.read, err
	}
	elapsed, err := checkHeader(head, c.contents())
	if err != nil {
		return b.read, b.fail("%w", err)
	}
	entries := uint64(0)
	for {
		payload, err := b.next()
		if err != nil {
			return b.read, err
		}
		kind, payload := payload[0], payload[1:]
		if kind == endBlock {
			if len(payload) != 8 || binary.LittleEndian.Uint64(payload) != entries {
				return b.read, b.fail("the end counts % x entries, want %d", payload, entries)
			}
			return b.read, nil
		}
		if kind != frameBlock {
			return b.read, b.fail("a block of kind %q, want entries", kind)
		}
		for len(payload) > 0 {
			var e restored[K, V]
			if payload, err = c.decodeEntry(payload, &e); err != nil {
				return b.read, b.fail("entry %d: %w", entries, err)
			}
			e.age(elapsed)
			entries++
			if !yield(&e) {
				return b.read, nil
			}
		}
	}
}

// age takes the time since the snapshot was written from what was left then.
func (e *restored[K, V]) age(elapsed instant) {
	if e.left != never {
		e.left -= elapsed
	}
	if e.idle != never {
		e.idle -= elapsed
	}
}

// checkHeader returns how long ago the snapshot was written.
func checkHeader(payload []byte, types string) (elapsed instant, err error) {
	if payload[0] != headerBlock || len(payload) < 11 {
		return 0, errors.New("it has no header")
	}
	rest := payload[1:]
	if v := binary.LittleEndian.Uint16(rest); v != snapshotVersion {
		return 0, fmt.Errorf("it has version %d, want %d", v, snapshotVersion)
	}
	if got := string(rest[10:]); got != types {
		return 0, fmt.Errorf("it is of %.200q, want %q", got, types)
	}
	written := int64(binary.LittleEndian.Uint64(rest[2:]))
	return max(0, time.Now().UnixNano()-written) >> instantShift, nil
}

func (c *Cache[K, V]) decodeEntry(src []byte, e *restored[K, V]) (rest []byte, err error) {
	idles := src[0]&mayIdle != 0
	e.hits = uint64(src[0] &^ mayIdle)
	if e.hits > hitsMask {
		return nil, fmt.Errorf("it has %d hits, want at most %d", e.hits, hitsMask)
	}
	src = src[1:]
	if c.engine.grouped {
		if len(src) < 4 {
			return nil, io.ErrUnexpectedEOF
		}
		if id := binary.LittleEndian.Uint32(src) & (1<<groupBits - 1); id != 0 {
			e.mark = c.engine.groups.mark(id)
		}
		src = src[4:]
	}
	if src, e.left, err = decodeLeft(src); err != nil {
		return nil, err
	}
	if e.idle = never; idles {
		if src, e.idle, err = decodeLeft(src); err != nil {
			return nil, err
		}
	}
	if src, e.key, err = decodeSized(src, c.keyCodec); err != nil {
		return nil, fmt.Errorf("its key: %w", err)
	}
	if c.engine.hasher.kind == hashAny { // what an interface holds need not come back as it was
		if k := reflect.ValueOf(&e.key).Elem(); !k.Comparable() {
			return nil, fmt.Errorf("its key was decoded as %#v, which Go cannot compare", e.key)
		}
	}
	if src, e.val, err = decodeSized(src, c.valueCodec); err != nil {
		return nil, fmt.Errorf("its value: %w", err)
	}
	return src, nil
}

// decodeLeft is the counterpart of leftUntil.
func decodeLeft(src []byte) (rest []byte, left instant, err error) {
	left, n := binary.Varint(src)
	if n <= 0 || left < -1 || left > never {
		return nil, 0, fmt.Errorf("% x is no time to live", src[:min(len(src), 10)])
	}
	if left < 0 {
		left = never
	}
	return src[n:], left, nil
}

func decodeSized[T any](src []byte, codec Codec[T]) (rest []byte, v T, err error) {
	if len(src) < 4 {
		return nil, v, io.ErrUnexpectedEOF
	}
	n := uint64(binary.LittleEndian.Uint32(src))
	if src = src[4:]; n > uint64(len(src)) {
		return nil, v, fmt.Errorf("it has %d bytes, and only %d follow", n, len(src))
	}
	v, err = codec.Decode(src[:n:n])
	return src[n:], v, err
}

// A blockReader reads blocks and checks them.
type blockReader struct {
	r      io.Reader
	buf    bytes.Buffer
	blocks uint64
	at     int64 // where the block begins
	read   int64
}

// next returns the kind and the payload of the next block. It never takes more memory than twice what is there
// to be read.
func (b *blockReader) next() ([]byte, error) {
	b.at = b.read
	var size, sum [4]byte
	if err := b.fill(size[:]); err != nil {
		return nil, err
	}
	n := int64(binary.LittleEndian.Uint32(size[:]))
	if n == 0 || n > maxBlock {
		return nil, b.fail("a block of %d bytes, want 1 to %d", n, maxBlock)
	}
	b.buf.Reset()
	got, err := io.CopyN(&b.buf, b.r, n)
	b.read += got
	if err != nil {
		return nil, b.torn(err)
	}
	if err := b.fill(sum[:]); err != nil {
		return nil, err
	}
	if want := blockSum(b.blocks, b.buf.Bytes()); binary.LittleEndian.Uint32(sum[:]) != want {
		return nil, b.fail("the checksum is % x, want %08x", sum, want)
	}
	b.blocks++
	return b.buf.Bytes(), nil
}

func (b *blockReader) fill(p []byte) error {
	n, err := io.ReadFull(b.r, p)
	b.read += int64(n)
	if err != nil {
		return b.torn(err)
	}
	return nil
}

func (b *blockReader) torn(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return b.fail("it ends after %d bytes: %w", b.read, io.ErrUnexpectedEOF)
	}
	return b.fail("%w", err)
}

func (b *blockReader) fail(format string, args ...any) error {
	return fmt.Errorf("cache: snapshot: block %d, at byte %d: %w", b.blocks, b.at, fmt.Errorf(format, args...))
}

// SaveFile writes a snapshot to the named file, so that there is the old one or the new one, whole, whenever
// the machine stops: it is written to another file of the same folder, which then takes its name.
func (c *Cache[K, V]) SaveFile(name string) error {
	file, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*.tmp")
	if err != nil {
		return fmt.Errorf("cache: snapshot: %w", err)
	}
	saved := false
	defer func() {
		if !saved { // a codec may have panicked
			file.Close()
			os.Remove(file.Name())
		}
	}()
	if _, err = c.WriteTo(file); err != nil {
		return err
	}
	if err = file.Sync(); err != nil {
		return fmt.Errorf("cache: snapshot: %w", err)
	}
	if err = file.Close(); err != nil {
		return fmt.Errorf("cache: snapshot: %w", err)
	}
	if err = os.Rename(file.Name(), name); err != nil {
		return fmt.Errorf("cache: snapshot: %w", err)
	}
	saved = true
	syncFolder(filepath.Dir(name))
	return nil
}

// syncFolder makes a new name in a folder last. Not every system can, and the file is whole all the same.
func syncFolder(name string) {
	if folder, err := os.Open(name); err == nil {
		_ = folder.Sync()
		folder.Close()
	}
}

// LoadFile is [Cache.ReadFrom] for a file.
func (c *Cache[K, V]) LoadFile(name string) error {
	file, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("cache: snapshot: %w", err)
	}
	defer file.Close()
	if _, err := c.ReadFrom(file); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
