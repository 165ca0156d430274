package ratelimit

// A list is a doubly linked list of entries, by their numbers + 1.
type list struct {
	head, tail uint32
}

// last returns the entry at the end.
func (l *list) last() (i uint32, ok bool) { return l.tail - 1, l.tail != 0 }

// push puts entry i first.
func (l *list) push(entries []entry, i uint32) {
	e := &entries[i]
	e.prev, e.next = 0, l.head
	if l.head != 0 {
		entries[l.head-1].prev = i + 1
	} else {
		l.tail = i + 1
	}
	l.head = i + 1
}

// remove takes entry i out; it must be in the list.
func (l *list) remove(entries []entry, i uint32) {
	e := &entries[i]
	if e.prev != 0 {
		entries[e.prev-1].next = e.next
	} else {
		l.head = e.next
	}
	if e.next != 0 {
		entries[e.next-1].prev = e.prev
	} else {
		l.tail = e.prev
	}
}
