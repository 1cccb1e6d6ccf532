package braid

import (
	"time"

	"github.com/go-braid/braid/engine"
)

// Policy says how a call is to be treated; the options of this package fill one.
type Policy = engine.Policy

// An Option sets a part of the policy, or the name, of a task, a call or an
// operation. Options given to [Define] are the defaults of the task's calls;
// those given to a call win. Each says where it matters; elsewhere it is
// ignored.
type Option func(*settings)

type settings struct {
	policy Policy
	name   string
	doc    string
	index  int
	kind   *engine.Kind // of name and policy; nil: it has yet to be made
}

// makeKind makes what calls with these settings have in common, if there is none. It is
// called before several strands use s.
func (s *settings) makeKind() *engine.Kind {
	if s.kind == nil {
		s.kind = engine.NewKind(s.name, s.policy)
	}
	return s.kind
}

func (s settings) with(opts []Option) settings {
	if len(opts) == 0 {
		return s
	}
	return s.changed(opts)
}

// changed is apart from with, so that only settings with options are moved to the heap.
func (s settings) changed(opts []Option) settings {
	kind := s.kind
	s.kind = nil
	for _, o := range opts {
		o(&s)
	}
	if kind != nil && kind.Is(s.name, &s.policy) {
		s.kind = kind
	}
	return s
}

// WithPolicy replaces the whole policy: later options change p, earlier ones are
// forgotten.
func WithPolicy(p Policy) Option {
	return func(s *settings) { s.policy = p }
}

// Name gives a name to a call of [Go] or to a scope, for errors, events and
// reports.
func Name(name string) Option {
	return func(s *settings) { s.name = name }
}

// Index numbers a call among those of an operation, from 0. Events carry it, so
// that a listener can tell which input a call is for. [Map] sets it itself.
func Index(i int) Option {
	return func(s *settings) { s.index = i }
}

// Doc gives a task a sentence of documentation, which lists of tasks show.
func Doc(sentence string) Option {
	return func(s *settings) { s.doc = sentence }
}

// Timeout bounds how long one attempt of a call may run; d ≤ 0 is without limit,
// the default. At the limit the task's context ends with context.DeadlineExceeded
// and a cause of type [*TimeoutError]. On an engine that can only ask, the call
// fails when the task returns, and if the task returns without an error after
// all, its result stands.
func Timeout(d time.Duration) Option {
	return func(s *settings) { s.policy.Timeout = d }
}

// QueueTimeout bounds how long one attempt of a call may wait to be run; d ≤ 0 is
// without limit, the default. At the limit the call fails with [ErrNotStarted]
// and context.DeadlineExceeded. Time spent waiting does not count against
// [Timeout]. Waiting for a place among the [Limit] of a scope is bounded in the
// same way, on its own.
func QueueTimeout(d time.Duration) Option {
	return func(s *settings) { s.policy.QueueTimeout = d }
}

// Priority has an engine that has a queue take a call out of it before those of a lower
// priority, and behind those of a higher one; the default is 0. A call that runs is not
// stopped for one that is more urgent, and those of a low priority wait as long as there
// are others. [threading] knows priorities; engines that do not ignore them.
//
// [threading]: https://pkg.go.dev/github.com/go-braid/braid/threading
func Priority(n int) Option {
	return func(s *settings) { s.policy.Priority = n }
}

// Retry has failed attempts of a call repeated up to n times, after pauses that
// grow exponentially with full jitter; see [Backoff] and [RetryOn]. The default
// is 0. Panics are not retried unless RetryOn says so; a call whose context is
// done, or whose outcome is unknown and that is not [Idempotent], never is.
func Retry(n int) Option {
	return func(s *settings) { s.policy.Retry.Max = n }
}

// Backoff sets the pauses between attempts: a time drawn evenly from 0 to
// min(ceiling, base·2ⁿ) before the retry numbered n, from 0. Where they are 0,
// base is 100 ms and ceiling 30 s; a negative base means no pauses.
func Backoff(base, ceiling time.Duration) Option {
	return func(s *settings) { s.policy.Retry.Base, s.policy.Retry.Cap = base, ceiling }
}

// RetryOn has only those failures retried for which f returns true. F must be
// quick, and may be called from any goroutine.
func RetryOn(f func(error) bool) Option {
	return func(s *settings) { s.policy.Retry.On = f }
}

// Limit bounds how many calls an operation has in flight: for [Map] also how far
// it reads ahead of its consumer, by default twice the size of the engine; for
// [Scope], [MapSlice] and [ForEach] how many children or items run at once, by
// default as many as the engine allows. n ≤ 0 means the default.
func Limit(n int) Option {
	return func(s *settings) { s.policy.Limit = max(n, 0) }
}

// Ordered says whether [Map] yields results in the order of the inputs, which is
// the default, or in the order in which they are ready.
func Ordered(yes bool) Option {
	return func(s *settings) { s.policy.Unordered = !yes }
}

// Idempotent declares that a task may run more than once for one call without
// harm. Only calls of such tasks are made again when it is not known whether
// the task has run.
func Idempotent() Option {
	return func(s *settings) { s.policy.Idempotent = true }
}

// Join says when the children of a [Scope], or the items of [MapSlice] and
// [ForEach], are done together: at the first failure (FailFast, the default), when
// all are (Settle), or, children only, at the first success (FirstSuccess).
func Join(j engine.Join) Option {
	return func(s *settings) { s.policy.Join = j }
}

// The ways to join the children of a scope.
const (
	FailFast     = engine.FailFast     // the first failure cancels the others and is the scope's
	Settle       = engine.Settle       // all come to their end; their failures are the scope's
	FirstSuccess = engine.FirstSuccess // the first success cancels the others; only if all fail does the scope
)
