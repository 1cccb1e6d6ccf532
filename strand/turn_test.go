package strand

// A racer is a strand that wants a lock, driven by hand: it parks, and when it is invited,
// it tries to take the lock and parks again if somebody was faster.
type racer struct {
	c     contender
	turn  *turn // of c
	woken bool
	gone  bool // has taken the lock, or given up
	holds bool
}

func race(c contender) *racer {
	r := &racer{c: c, turn: c.its()}
	r.park()
	return r
}

func (r *racer) park() {
	r.woken = false
	if !r.c.Arm(func() { r.woken = true }) {
		r.woken = true
	}
}

// run does what contend does when the strand has been woken.
func (r *racer) run() {
	switch {
	case !r.woken || r.gone:
	case r.turn.killer != nil:
		r.gone = true
	case !r.turn.invited:
		r.gone, r.holds = true, true
	case r.c.try():
		r.c.leave()
		r.gone, r.holds = true, true
	default:
		r.park()
		r.run() // it need not have parked
	}
}

// cancel has the strand's context end. A wake-up that was first wins, but for an invitation
// that comes to nothing: the strand would park again, and does not.
func (r *racer) cancel() {
	switch {
	case r.gone:
	case !r.woken:
		r.gone = r.c.Disarm()
	case r.turn.killer == nil && r.turn.invited:
		r.holds = r.c.try()
		r.c.leave()
		r.gone = true
	default:
		r.run()
	}
}
