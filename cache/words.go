package cache

import (
	"reflect"
	"sync/atomic"
	"unsafe"
)

// A cell holds one key or one value of a slot. The zero-size field aligns it to a
// word and so rounds its size up to whole words: two cells never share one, and
// copying whole words stays inside the cell.
type cell[T any] struct {
	_ [0]uintptr
	v T
}

// wordSize is the size of what one atomic load or store moves here.
const wordSize = unsafe.Sizeof(uintptr(0))

// A wordPlan says how the words of a cell are copied: which of them are pointers
// the collector must see loaded and stored as pointers, and which are plain
// bits. It is made once for each type of key and value.
type wordPlan struct {
	shape shape
	words int
	ptrs  []uint64 // bit i: word i is a pointer
}

// A shape names the plans that are common enough to be copied without a loop.
type shape uint8

const (
	shapeMany   shape = iota // look at ptrs for every word
	shapeScalar              // one word, no pointer
	shapePtr                 // one word, a pointer
	shapeString              // a pointer and a scalar: string
	shapeFlat                // several words, no pointer
	shapeEmpty               // no word at all
)

func wordsOf(t reflect.Type) wordPlan {
	l := wordPlan{words: int((t.Size() + wordSize - 1) / wordSize)}
	l.ptrs = make([]uint64, (l.words+63)/64)
	pointers := l.mark(t, 0)
	switch {
	case l.words == 0:
		l.shape = shapeEmpty
	case pointers == 0 && l.words == 1:
		l.shape = shapeScalar
	case pointers == 0:
		l.shape = shapeFlat
	case l.words == 1:
		l.shape = shapePtr
	case l.words == 2 && l.ptrs[0] == 1:
		l.shape = shapeString
	}
	return l
}

// mark sets the bits of the pointer words of a t that begins off bytes into the
// cell, and returns how many there are. An interface counts as two pointers: its
// first word points to a type or a method table.
func (l *wordPlan) mark(t reflect.Type, off uintptr) int {
	set := func(off uintptr) { l.ptrs[off/wordSize/64] |= 1 << (off / wordSize % 64) }
	switch t.Kind() {
	case reflect.String, reflect.Slice, reflect.Pointer, reflect.Map,
		reflect.Chan, reflect.Func, reflect.UnsafePointer:
		set(off)
		return 1
	case reflect.Interface:
		set(off)
		set(off + wordSize)
		return 2
	case reflect.Struct:
		n := 0
		for i := range t.NumField() {
			f := t.Field(i)
			n += l.mark(f.Type, off+f.Offset)
		}
		return n
	case reflect.Array:
		n := 0
		for i := range t.Len() {
			m := l.mark(t.Elem(), off+uintptr(i)*t.Elem().Size())
			if n += m; m == 0 {
				break
			}
		}
		return n
	}
	return 0
}

func (l *wordPlan) hasPointers() bool {
	return l.shape == shapePtr || l.shape == shapeString || l.shape == shapeMany
}

// word returns the only word of a private cell of shapeScalar.
func (c *cell[T]) word() *uintptr { return (*uintptr)(unsafe.Pointer(c)) }

// loadWord is loadCell for a shared cell of shapeScalar.
func (c *cell[T]) loadWord() uintptr { return atomic.LoadUintptr((*uintptr)(unsafe.Pointer(c))) }

// loadCell copies the shared cell src to the private cell dst, word by word,
// each with one atomic load. The copy may be torn between words: the caller
// validates the slot's version before it looks at what was copied.
func loadCell[T any](dst, src *cell[T], l *wordPlan) {
	if l.shape == shapeScalar {
		*(*uintptr)(unsafe.Pointer(dst)) = atomic.LoadUintptr((*uintptr)(unsafe.Pointer(src)))
	} else {
		loadWide(unsafe.Pointer(dst), unsafe.Pointer(src), l)
	}
}

// loadWide is apart so that the compiler inlines loadCell.
func loadWide(d, s unsafe.Pointer, l *wordPlan) {
	switch l.shape {
	case shapeString:
		*(*unsafe.Pointer)(d) = atomic.LoadPointer((*unsafe.Pointer)(s))
		*(*uintptr)(unsafe.Add(d, wordSize)) = atomic.LoadUintptr((*uintptr)(unsafe.Add(s, wordSize)))
	case shapePtr:
		*(*unsafe.Pointer)(d) = atomic.LoadPointer((*unsafe.Pointer)(s))
	default:
		loadWords(d, s, l)
	}
}

func loadWords(d, s unsafe.Pointer, l *wordPlan) {
	for i := range uintptr(l.words) {
		d, s := unsafe.Add(d, i*wordSize), unsafe.Add(s, i*wordSize)
		if l.shape == shapeMany && l.ptrs[i/64]>>(i%64)&1 != 0 {
			*(*unsafe.Pointer)(d) = atomic.LoadPointer((*unsafe.Pointer)(s))
		} else {
			*(*uintptr)(d) = atomic.LoadUintptr((*uintptr)(s))
		}
	}
}

// storeCell copies the private cell src to the shared cell dst, word by word,
// each with one atomic store. The slot must be busy by the caller's hand, or free and the shard's lock held.
func storeCell[T any](dst, src *cell[T], l *wordPlan) {
	if l.shape == shapeScalar {
		atomic.StoreUintptr((*uintptr)(unsafe.Pointer(dst)), *(*uintptr)(unsafe.Pointer(src)))
	} else {
		storeWide(unsafe.Pointer(dst), unsafe.Pointer(src), l)
	}
}

// storeWide is apart so that the compiler inlines storeCell.
func storeWide(d, s unsafe.Pointer, l *wordPlan) {
	switch l.shape {
	case shapeString:
		atomic.StorePointer((*unsafe.Pointer)(d), *(*unsafe.Pointer)(s))
		atomic.StoreUintptr((*uintptr)(unsafe.Add(d, wordSize)), *(*uintptr)(unsafe.Add(s, wordSize)))
	case shapePtr:
		atomic.StorePointer((*unsafe.Pointer)(d), *(*unsafe.Pointer)(s))
	default:
		storeWords(d, s, l)
	}
}

func storeWords(d, s unsafe.Pointer, l *wordPlan) {
	for i := range uintptr(l.words) {
		d, s := unsafe.Add(d, i*wordSize), unsafe.Add(s, i*wordSize)
		if l.hasPointers() && l.ptrs[i/64]>>(i%64)&1 != 0 {
			atomic.StorePointer((*unsafe.Pointer)(d), *(*unsafe.Pointer)(s))
		} else {
			atomic.StoreUintptr((*uintptr)(d), *(*uintptr)(s))
		}
	}
}
