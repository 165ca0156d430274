package cache

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"reflect"
	"time"
)

// A snapshot is a line that says so, a header, frames of entries, and an end:
//
//	header   version, time of writing, types of key and value
//	frame    entries: hits, group if there are any, what is left of its life and, if it may idle, of that time, key, value
//	end      the number of entries
//
// Each of the three is a block: 4 bytes length, kind and payload, 4 bytes CRC-32C of the number of the block
// and of its kind and payload, so that blocks that are lost, doubled or out of order are noticed. Integers are
// little-endian.
const (
	snapshotMagic   = "bounded cache snapshot\n"
	snapshotVersion = 1
	frameBytes      = 64 << 10 // a frame is closed when it has so many
	maxBlock        = 1 << 30
)

const (
	headerBlock = 'H'
	frameBlock  = 'F'
	endBlock    = 'E'
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// WriteTo writes all entries that have not expired to w, with what is left of their time to live and how often
// they were read of late, and returns how many bytes it wrote. It writes in pieces of some 64 KiB, and takes
// memory for one of them. Others may use the cache meanwhile: an entry that is there from beginning to end is
// written once.
//
// Keys and values are encoded by [Config.KeyCodec] and [Config.ValueCodec].
func (c *Cache[K, V]) WriteTo(w io.Writer) (int64, error) {
	b := blockWriter{w: w}
	if err := b.write([]byte(snapshotMagic)); err != nil {
		return b.written, err
	}
	b.begin(headerBlock)
	b.buf = binary.LittleEndian.AppendUint16(b.buf, snapshotVersion)
	b.buf = binary.LittleEndian.AppendUint64(b.buf, uint64(time.Now().UnixNano()))
	b.buf = append(b.buf, c.contents()...)
	if err := b.end(); err != nil {
		return b.written, err
	}
	entries := uint64(0)
	now := c.engine.clock.precise()
	var err error
	b.begin(frameBlock)
	c.engine.scan(func(key K, val *cell[V], f *found[K, V]) bool {
		deadline := deadlineOf(f.meta)
		if c.engine.clock.passed(deadline) {
			return true
		}
		if err = c.appendEntry(&b, key, val.v, f, now); err != nil {
			return false
		}
		entries++
		if len(b.buf) >= frameBytes {
			if err = b.end(); err != nil {
				return false
			}
			b.begin(frameBlock)
		}
		return true
	})
	if err == nil {
		err = b.end()
	}
	if err == nil {
		b.begin(endBlock)
		b.buf = binary.LittleEndian.AppendUint64(b.buf, entries)
		err = b.end()
	}
	return b.written, err
}

// mayIdle stands beside the hits of an entry of a cache with [Config.Idle].
const mayIdle = hitsMask + 1

func (c *Cache[K, V]) appendEntry(b *blockWriter, key K, val V, f *found[K, V], now instant) (err error) {
	hits, deadline := byte(f.meta&hitsMask), deadlineOf(f.meta)
	hard := deadline
	if c.engine.idle != 0 {
		hits |= mayIdle
		d := f.slab.hard[f.at].Load()
		if f.head&stateMask == stateLive && f.slot().head.Load() == f.head { // else it may be that of another value
			hard = d
		}
	}
	b.buf = append(b.buf, hits)
	if c.engine.grouped {
		b.buf = binary.LittleEndian.AppendUint32(b.buf, mark(f.slab.marks[f.at].Load()).group())
	}
	b.buf = binary.AppendVarint(b.buf, leftUntil(hard, now))
	if c.engine.idle != 0 {
		b.buf = binary.AppendVarint(b.buf, leftUntil(deadline, now))
	}
	if b.buf, err = appendSized(b.buf, c.keyCodec, key); err != nil {
		return fmt.Errorf("cache: snapshot: key %v cannot be encoded: %w", key, err)
	}
	if b.buf, err = appendSized(b.buf, c.valueCodec, val); err != nil {
		return fmt.Errorf("cache: snapshot: value of key %v cannot be encoded: %w", key, err)
	}
	if len(b.buf) > maxBlock {
		return fmt.Errorf("cache: snapshot: entry of key %v takes %d bytes, want at most %d", key, len(b.buf), maxBlock)
	}
	return nil
}

// leftUntil returns how long it is until d; -1 is for ever.
func leftUntil(d, now instant) int64 {
	if d == never {
		return -1
	}
	return max(d-now, 0)
}

// appendSized appends the length of an encoding and the encoding.
func appendSized[T any](dst []byte, codec Codec[T], v T) ([]byte, error) {
	begin := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst, err := codec.Append(dst, v)
	if err != nil {
		return dst, err
	}
	if len(dst) < begin+4 {
		return dst, fmt.Errorf("the codec returned less than it was given")
	}
	if n := len(dst) - begin - 4; n > maxBlock {
		return dst, fmt.Errorf("%d bytes, want at most %d", n, maxBlock)
	}
	binary.LittleEndian.PutUint32(dst[begin:], uint32(len(dst)-begin-4))
	return dst, nil
}

// contents says what entries are made of.
func (c *Cache[K, V]) contents() string {
	s := reflect.TypeFor[K]().String() + " to " + reflect.TypeFor[V]().String()
	if c.engine.grouped {
		s += " in groups"
	}
	return s
}

// A blockWriter writes blocks. It keeps one in memory.
type blockWriter struct {
	w       io.Writer
	buf     []byte // 4 bytes for the length, the kind, and the payload so far
	blocks  uint64
	written int64
}

func (b *blockWriter) begin(kind byte) { b.buf = append(b.buf[:0], 0, 0, 0, 0, kind) }

func (b *blockWriter) end() error {
	payload := b.buf[4:]
	binary.LittleEndian.PutUint32(b.buf, uint32(len(payload)))
	sum := blockSum(b.blocks, payload)
	b.buf = binary.LittleEndian.AppendUint32(b.buf, sum)
	b.blocks++
	return b.write(b.buf)
}

func (b *blockWriter) write(p []byte) error {
	n, err := b.w.Write(p)
	b.written += int64(n)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if err != nil {
		err = fmt.Errorf("cache: snapshot: after %d bytes: %w", b.written, err)
	}
	return err
}

// blockSum returns the checksum of a block.
func blockSum(number uint64, payload []byte) uint32 {
	var n [8]byte
	binary.LittleEndian.PutUint64(n[:], number)
	return crc32.Update(crc32.Checksum(n[:], castagnoli), castagnoli, payload)
}
