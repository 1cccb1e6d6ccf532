package engine

import "context"

// ProgressKey is the key under which a context holds the [Reporter] of its call. It is
// for engines whose contexts are types of their own; others use [WithProgress].
type ProgressKey struct{}

// A Reporter is told how far a call is.
type Reporter interface {
	// Report says that so much of the work is done, of so much in all.
	Report(done, total int64)
}

// WithProgress returns a context under which [Progress] calls report. Engines call it
// for listeners.
func WithProgress(ctx context.Context, report func(done, total int64)) context.Context {
	return context.WithValue(ctx, ProgressKey{}, reporter(report))
}

type reporter func(done, total int64)

// Report implements [Reporter].
func (r reporter) Report(done, total int64) { r(done, total) }

// Progress says for the call that ctx belongs to how much of its work is done, and
// how much there is in all, in whatever unit; a total of 0 is not known. If nobody
// listens it does nothing, at the cost of a look into the context.
func Progress(ctx context.Context, done, total int64) {
	if r, ok := ctx.Value(ProgressKey{}).(Reporter); ok {
		r.Report(done, total)
	}
}
