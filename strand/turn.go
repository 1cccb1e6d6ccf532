package strand

import (
	"context"
	"time"
)

// A turn is what the waits for a [Mutex] and for the writing of an [RWMutex] have in
// common: the strand is handed the lock, or it is invited to take it and may find that
// others were faster.
type turn struct {
	self    *Strand
	lenient bool      // whether others may overtake it: the lock need not be handed to it
	since   time.Time // when it began to wait, if it is lenient
	invited bool      // set before wake: to take the lock itself
	killer  *Strand   // set before wake, if the lock is broken: who ended
	wake    func()
}

// A contender is a wait that has a turn.
type contender interface {
	Waitable
	its() *turn
	try() bool // takes the lock, if it is free
	leave()    // ends the invitation, of which nothing is wanted any more
}

// contend parks until c has the lock, which op tells of.
func contend(ctx context.Context, op Op, c contender) error {
	t := c.its()
	for {
		err := Park(ctx, op, c)
		switch {
		case err != nil:
			if t.invited {
				c.leave()
			}
			return err
		case t.killer != nil:
			return &BrokenError{Lock: op.Object, Owner: t.killer}
		case !t.invited:
			return nil // it was handed the lock
		case c.try():
			c.leave()
			return nil
		}
	}
}

// patience is how long a goroutine that waits lets others overtake it.
const patience = time.Millisecond

// line is called when the strand lines up, again if it was invited before. It is not
// overtaken any more once its patience has ended.
func (t *turn) line(again bool) {
	switch {
	case t.lenient && !again:
		t.since = time.Now()
	case t.lenient && time.Since(t.since) >= patience:
		t.lenient = false
	}
}
