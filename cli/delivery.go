package cli

import "time"

// A delivery brings results to where they are to go, and has those that are there recorded
// as done. Its methods are called by the loop of the run.
type delivery struct {
	out  *printer
	kept *keeper
	rec  *recording

	// eager has each result delivered before the loop goes on.
	eager bool

	fresh   bool      // something was added since the last flush
	flushed time.Time // when that was
}

// add hands a result over.
func (d *delivery) add(r *result) {
	d.kept.add(r)
	d.rec.emitted(r)
	d.out.print(r)
	d.fresh = true
	if d.eager || d.rec.full() || d.out.overflows() {
		d.flush()
	}
}

// flushEvery is how often results are delivered if they keep coming. One that comes after a
// pause is delivered as soon as the loop is idle.
const flushEvery = time.Millisecond

// idle flushes, or returns how long it is too early for that.
func (d *delivery) idle() time.Duration {
	if !d.fresh {
		return 0
	}
	if early := flushEvery - time.Since(d.flushed); early > 0 {
		return early
	}
	d.flush()
	return 0
}

// flush brings what was added to its readers, and then to the record: between the two there
// is nothing but the death of the process.
func (d *delivery) flush() {
	d.fresh, d.flushed = false, time.Now()
	d.out.flush()
	if d.kept.flush(); d.out.failed() == nil && d.kept.failed() == nil {
		d.rec.flushed()
	}
}
