package engine

import "time"

// A Policy says how a call is to be treated. It is plain data. The zero Policy
// sets no limit, retries nothing and asks for results in order.
//
// Which fields matter depends on the operation: the deadlines, Retry and
// Idempotent on every call, Limit on a map or a scope, Unordered on a map, Join
// where several results become one.
type Policy struct {
	// Timeout is the longest that one attempt may run; 0 is without limit.
	// When it is over the body's context ends with a cause of type
	// *TimeoutError.
	Timeout time.Duration

	// QueueTimeout is the longest that one attempt may wait to be run; 0 is
	// without limit. It is apart from Timeout: time in the queue does not
	// shorten the time to run.
	QueueTimeout time.Duration

	// Retry says which failed attempts are made again, and when.
	Retry Retry

	// Priority says in which order an engine that has a queue takes waiting calls
	// out of it: those of a higher one first. It makes nobody stop who runs.
	Priority int

	// Limit is the number of calls in flight at which the operation starts no
	// further one; 0 is the operation's default.
	Limit int

	// Unordered says that results may come in the order in which they are
	// ready.
	Unordered bool

	// Idempotent says that the task may run more than once for one call
	// without harm. Only such a task is run again when it is not known whether
	// it has run.
	Idempotent bool

	// Join says when several calls together are done.
	Join Join
}

// isZero reports whether p asks for nothing.
func (p *Policy) isZero() bool {
	return p.Timeout == 0 && p.QueueTimeout == 0 && p.Priority == 0 && p.Limit == 0 && !p.Unordered && !p.Idempotent &&
		p.Join == FailFast && p.Retry.isZero()
}

// A Join says when several calls together are done, and what their failures
// mean.
type Join uint8

// The ways to join calls.
const (
	// FailFast cancels the others at the first failure, and fails with it.
	FailFast Join = iota
	// Settle lets all come to their end, and fails with all failures.
	Settle
	// FirstSuccess cancels the others at the first success, and fails only if
	// all fail.
	FirstSuccess
)

// String returns the name of the constant.
func (j Join) String() string {
	switch j {
	case FailFast:
		return "FailFast"
	case Settle:
		return "Settle"
	case FirstSuccess:
		return "FirstSuccess"
	}
	return "Join(?)"
}
