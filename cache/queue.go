package cache

// A queue is a doubly linked list of slots.
type queue struct {
	head, tail uint32 // newest, oldest
	len        int
	cost       int64
}

// A node says where in its queue a slot is, and when it was last put at the head. It is one word, so that
// an eviction touches no more lines of memory than it must.
type node uint64 // newer 24 | older 24 | tick 14 | onTrial 1 | inMain 1

const (
	inMain  node = 1
	onTrial node = 2 // was admitted through the gate and not yet seen with a hit

	nodeBits  = 24
	stampBits = 64 - 2*nodeBits
	tickMask  = 1<<(stampBits-2) - 1

	none uint32 = 1<<nodeBits - 1 // no slot

	// mostSlots is how many slots a shard can have: none is not the number of one.
	mostSlots = int(none)
)

var emptyQueue = queue{head: none, tail: none}

func nodeOf(newer, older uint32, stamp node) node {
	return node(newer)<<(stampBits+nodeBits) | node(older)<<stampBits | stamp
}

func (n node) newer() uint32 { return uint32(n >> (stampBits + nodeBits)) }
func (n node) older() uint32 { return uint32(n>>stampBits) & none }
func (n node) stamp() node   { return n & (1<<stampBits - 1) }
func (n node) tick() uint16  { return uint16(n) >> 2 }

func (n *node) setNewer(i uint32) {
	*n = *n&^(node(none)<<(stampBits+nodeBits)) | node(i)<<(stampBits+nodeBits)
}
func (n *node) setOlder(i uint32) { *n = *n&^(node(none)<<stampBits) | node(i)<<stampBits }

func (p *policy) queueOf(i uint32) *queue {
	if p.nodes[i]&inMain != 0 {
		return &p.main
	}
	return &p.small
}

// push puts slot i at the head of q; the flags must be those of q.
func (p *policy) push(q *queue, i uint32, flags node) {
	p.nodes[i] = nodeOf(none, q.head, node(p.tick&tickMask)<<2|flags)
	if q.head == none {
		q.tail = i
	} else {
		p.nodes[q.head].setNewer(i)
	}
	q.head = i
	q.len++
	q.cost += int64(p.weight(i))
}

// pop takes out the slot at the tail of q, which is not empty, and returns it and what its node was. It
// leaves the node of the next one alone, which is in another line of memory: what is older than a tail is not said.
func (p *policy) pop(q *queue) (uint32, node) {
	i := q.tail
	n := p.nodes[i]
	if q.tail = n.newer(); q.tail == none {
		q.head = none
	}
	q.len--
	q.cost -= int64(p.weight(i))
	return i, n
}

// unlink takes slot i out of q, wherever it is.
func (p *policy) unlink(q *queue, i uint32) {
	if i == q.tail {
		p.pop(q)
		return
	}
	newer, older := p.nodes[i].newer(), p.nodes[i].older()
	p.nodes[older].setNewer(newer)
	if newer == none {
		q.head = older
	} else {
		p.nodes[newer].setOlder(older)
	}
	q.len--
	q.cost -= int64(p.weight(i))
}
