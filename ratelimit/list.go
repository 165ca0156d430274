package ratelimit

// A list is a doubly linked list of entries, by their numbers + 1.
type list struct {
	head, tail uint32
}

// A link is what an entry knows of the list that it is in: its neighbours, + 1. Of a free slot, next is in the pool.
type link struct {
	prev, next uint32
}

// last returns the entry at the end.
func (l *list) last() (i uint32, ok bool) { return l.tail - 1, l.tail != 0 }

// push puts entry i first.
func (l *list) push(links []link, i uint32) {
	links[i] = link{next: l.head}
	if l.head != 0 {
		links[l.head-1].prev = i + 1
	} else {
		l.tail = i + 1
	}
	l.head = i + 1
}

// remove takes entry i out; it must be in the list.
func (l *list) remove(links []link, i uint32) {
	at := links[i]
	if at.prev != 0 {
		links[at.prev-1].next = at.next
	} else {
		l.head = at.next
	}
	if at.next != 0 {
		links[at.next-1].prev = at.prev
	} else {
		l.tail = at.prev
	}
}
