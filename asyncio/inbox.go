package asyncio

import "sync/atomic"

// An inbox is where a loop learns of what others, on whatever goroutine, have to
// tell it. Putting something in neither blocks nor allocates: the entries are
// linked through fields of their own, newest first, and the loop takes all of
// them at once.
type inbox struct {
	newest atomic.Pointer[letter]
}

// A letter is an entry of an inbox. It is part of what it announces, and can be
// in an inbox once at a time.
type letter struct {
	next *letter
	from sender
}

// A sender is what has arrived in the inbox.
type sender interface {
	// arrive is called on the loop.
	arrive()
}

// sealed in place of the newest letter says that the inbox takes no more.
var sealed letter

// put reports whether the letter was taken: false means that the loop is gone.
func (b *inbox) put(m *letter) bool {
	for {
		newest := b.newest.Load()
		if newest == &sealed {
			return false
		}
		m.next = newest
		if b.newest.CompareAndSwap(newest, m) {
			return true
		}
	}
}

func (b *inbox) empty() bool { return b.newest.Load() == nil }

// open has all letters arrive, oldest first, and reports whether there were any.
// It is for the loop only.
func (b *inbox) open() bool {
	newest := b.newest.Swap(nil)
	if newest == nil {
		return false
	}
	var oldest *letter
	for m := newest; m != nil; {
		next := m.next
		m.next = oldest
		oldest, m = m, next
	}
	for m := oldest; m != nil; {
		next := m.next
		m.next = nil // a letter that has arrived may be sent again at once
		m.from.arrive()
		m = next
	}
	return true
}

// seal closes the inbox if it is empty and reports whether it was.
func (b *inbox) seal() bool { return b.newest.CompareAndSwap(nil, &sealed) }
