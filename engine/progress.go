package engine

import "context"

type progressKey struct{}

// WithProgress returns a context under which [Progress] calls report. Engines call
// it for listeners; a nil report leaves ctx without.
func WithProgress(ctx context.Context, report func(done, total int64)) context.Context {
	return context.WithValue(ctx, progressKey{}, report)
}

// Progress says for the call that ctx belongs to how much of its work is done, and
// how much there is in all, in whatever unit; a total of 0 is not known. If nobody
// listens it does nothing, at the cost of a look into the context.
func Progress(ctx context.Context, done, total int64) {
	if report, _ := ctx.Value(progressKey{}).(func(done, total int64)); report != nil {
		report(done, total)
	}
}
