package cache

import (
	"reflect"
	"unsafe"
)

// SizeOf returns the bytes that v takes: its own words and everything on the heap that
// can be reached from it, as the allocator rounds it. What is reached more than
// once, by a shared pointer or in a cycle, counts once.
//
// Some things cannot be seen from outside: what a function's closure holds, the large string of which v holds a
// part, the room that a map keeps after deletions, what unsafe pointers point to, those of sync/atomic among
// them, and what the elements of a channel do. They do not count; give a [Config.Size] where they matter.
//
// Nobody may change what v points to meanwhile. A [Cache] in it counts as its Bytes, whoever uses it.
//
// SizeOf takes time in proportion to the number of pointers, and none to speak of for
// strings, byte slices and types without pointers.
func SizeOf[T any](v T) int64 {
	s := sizerOf[T]()
	return int64(unsafe.Sizeof(v)) + s.outside(&v)
}

// A sizer tells what the values of one type hold beside their own words.
type sizer[T any] struct {
	holds   holds
	elem    int64 // bytes of an element of holdsArray
	classes *sizeClasses
}

type holds uint8

const (
	holdsNothing holds = iota
	holdsString
	holdsArray // a slice whose elements have no pointers
	holdsMore
)

func sizerOf[T any]() sizer[T] {
	t := reflect.TypeFor[T]()
	s := sizer[T]{holds: holdsMore, classes: classes()}
	switch {
	case !hasPointers(t):
		s.holds = holdsNothing
	case t.Kind() == reflect.String:
		s.holds = holdsString
	case t.Kind() == reflect.Slice && !hasPointers(t.Elem()):
		s.holds, s.elem = holdsArray, int64(t.Elem().Size())
	}
	return s
}

// outside returns the bytes that v holds beside its own words. It is called for every
// write, so it asks neither reflect nor sync about the common types.
func (s *sizer[T]) outside(v *T) int64 {
	switch s.holds {
	case holdsNothing:
		return 0
	case holdsString:
		return s.classes.round(int64(len(*(*string)(unsafe.Pointer(v)))))
	case holdsArray:
		return s.classes.round(int64(cap(*(*[]byte)(unsafe.Pointer(v)))) * s.elem)
	}
	return measured(*v)
}

func measured[T any](v T) int64 {
	var m measure
	m.add(reflect.ValueOf(&v).Elem())
	return m.sum()
}

// A measure is a walk over all that can be reached from one value. It keeps a list of what is
// still to be looked into, not a stack of calls, so that a long list is not a deep recursion.
type measure struct {
	bytes int64
	todo  []reflect.Value
	seen  map[place]int // how many elements are counted there; what is no string or slice has one
}

// A place is an address with the type of what is there: a struct and its first
// field have the same address.
type place struct {
	at unsafe.Pointer
	t  reflect.Type
}

// add counts what v holds beside its own words, now or later.
func (m *measure) add(v reflect.Value) {
	if hasPointers(v.Type()) {
		m.todo = append(m.todo, v)
	}
}

// first reports whether at is looked into for the first time.
func (m *measure) first(at unsafe.Pointer, t reflect.Type) bool { return m.count(at, t, 1) == 0 }

// count notes that n elements at that place are counted, and returns how many were before: a string or slice
// may begin where a shorter one does, of which it holds more.
func (m *measure) count(at unsafe.Pointer, t reflect.Type, n int) (before int) {
	p := place{at, t}
	if before = m.seen[p]; before < n {
		if m.seen == nil {
			m.seen = make(map[place]int)
		}
		m.seen[p] = n
	}
	return before
}

func (m *measure) sum() int64 {
	for len(m.todo) > 0 {
		v := m.todo[len(m.todo)-1]
		m.todo = m.todo[:len(m.todo)-1]
		m.look(v)
	}
	return m.bytes
}

func (m *measure) look(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		if n := v.Len(); n > 0 {
			if before := m.count(v.UnsafePointer(), v.Type(), n); before < n {
				m.bytes += roundUp(int64(n), false) - roundUp(int64(before), false)
			}
		}
	case reflect.Slice:
		if n := v.Cap(); n > 0 {
			if before := m.count(v.UnsafePointer(), v.Type(), n); before < n {
				elem := v.Type().Elem()
				size, pointers := int64(elem.Size()), hasPointers(elem)
				m.bytes += roundUp(int64(n)*size, pointers) - roundUp(int64(before)*size, pointers)
				m.addAll(v.Slice(before, n), elem)
			}
		}
	case reflect.Pointer:
		if !v.IsNil() && m.first(v.UnsafePointer(), v.Type()) {
			if n, ok := ownBytes(v); ok {
				m.bytes += n
				return
			}
			m.bytes += allocated(v.Type().Elem())
			m.add(v.Elem())
		}
	case reflect.Interface:
		if v.IsNil() {
			return
		}
		if e := v.Elem(); isPointer(e.Type()) {
			m.add(e)
		} else {
			m.bytes += allocated(e.Type())
			m.add(e)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			m.add(v.Field(i))
		}
	case reflect.Array:
		m.addAll(v, v.Type().Elem())
	case reflect.Map:
		if !v.IsNil() && m.first(v.UnsafePointer(), v.Type()) {
			m.lookMap(v)
		}
	case reflect.Chan:
		if !v.IsNil() && m.first(v.UnsafePointer(), v.Type()) {
			m.bytes += roundUp(chanHeader+int64(v.Cap())*int64(v.Type().Elem().Size()), true)
		}
	}
}

// ownBytes returns the bytes of v, a pointer that is not nil, if it is a Cache: that knows them, and may be in use.
func ownBytes(v reflect.Value) (n int64, ok bool) {
	type cache interface{ ownBytes() int64 }
	if t := v.Type(); t.Elem().Kind() != reflect.Struct || !t.Implements(reflect.TypeFor[cache]()) {
		return 0, false
	}
	return reflect.NewAt(v.Type().Elem(), v.UnsafePointer()).Interface().(cache).ownBytes(), true
}

func (c *Cache[K, V]) ownBytes() int64 { return c.Bytes() }

func (m *measure) addAll(list reflect.Value, elem reflect.Type) {
	if hasPointers(elem) {
		for i := range list.Len() {
			m.add(list.Index(i))
		}
	}
}

// What the runtime allocates for a channel and for a map beside their elements.
const (
	chanHeader  = 104
	mapHeader   = 48
	tableHeader = 32
)

// lookMap follows the layout of Go's maps (Swiss tables): groups of eight slots with a
// control word, in tables of at most 1,024 slots that are at most 7/8 full.
func (m *measure) lookMap(v reflect.Value) {
	key, elem := v.Type().Key(), v.Type().Elem()
	group := 8 + 8*(inMap(key)+inMap(elem))
	pointers := hasPointers(v.Type().Key()) || hasPointers(elem)
	m.bytes += mapHeader
	switch n := int64(v.Len()); {
	case n == 0: // its first group comes with its first element
	case n <= 8:
		m.bytes += roundUp(group, pointers)
	default:
		slots := int64(16)
		for slots*7/8 < n {
			slots *= 2
		}
		if slots > 1024 && n > slots*13/16 {
			slots *= 2 // most tables have split before the last is full
		}
		tables := max(1, slots/1024)
		m.bytes += tables * (tableHeader + roundUp(slots/tables/8*group, pointers))
		m.bytes += roundUp(tables*8, true)
	}
	for _, t := range []reflect.Type{key, elem} {
		if t.Size() > inMapMax {
			m.bytes += int64(v.Len()) * allocated(t)
		}
	}
	if !pointers {
		return
	}
	for i := v.MapRange(); i.Next(); {
		m.add(i.Key())
		m.add(i.Value())
	}
}

// inMapMax is the size up to which a map holds keys and elements in itself.
const inMapMax = 128

func inMap(t reflect.Type) int64 {
	if t.Size() > inMapMax {
		return 8
	}
	return int64(t.Size())
}

// allocated returns what the allocator takes for a t of its own.
func allocated(t reflect.Type) int64 {
	return roundUp(int64(t.Size()), hasPointers(t))
}

// hasPointers reports whether a t holds any pointer.
func hasPointers(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			if hasPointers(t.Field(i).Type) {
				return true
			}
		}
		return false
	case reflect.Array:
		return t.Len() > 0 && hasPointers(t.Elem())
	}
	return reflect.Bool > t.Kind() || t.Kind() > reflect.Complex128
}

// immutable reports whether nobody can change what a t points to: it is made of strings and of what has no pointers.
func immutable(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String:
		return true
	case reflect.Struct:
		for i := range t.NumField() {
			if !immutable(t.Field(i).Type) {
				return false
			}
		}
		return true
	case reflect.Array:
		return t.Len() == 0 || immutable(t.Elem())
	}
	return !hasPointers(t)
}

// isPointer reports whether an interface holds a t in its own word.
func isPointer(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Chan, reflect.Func, reflect.UnsafePointer:
		return true
	case reflect.Struct:
		return t.NumField() == 1 && isPointer(t.Field(0).Type)
	case reflect.Array:
		return t.Len() == 1 && isPointer(t.Elem())
	}
	return false
}
