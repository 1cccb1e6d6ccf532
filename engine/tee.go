package engine

import "context"

// Tee returns a listener that tells each of the given ones, in their order, what it hears.
// Those that are nil are left out: of one that is left, Tee returns that one, and of none
// nil, so that nobody pays for what nobody hears. A function that none of them has is nil
// in the result as well.
//
// Unobserved goes to all that have it. Queued and Track, which are for a listener that is alone,
// are nil in the result of several.
func Tee(listeners ...*Listener) *Listener {
	var all []*Listener
	for _, l := range listeners {
		if l != nil {
			all = append(all, l)
		}
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	both := func(field func(*Listener) func(Event)) func(Event) {
		var fs []func(Event)
		for _, l := range all {
			if f := field(l); f != nil {
				fs = append(fs, f)
			}
		}
		switch len(fs) {
		case 0:
			return nil
		case 1:
			return fs[0]
		}
		return func(e Event) {
			for _, f := range fs {
				f(e)
			}
		}
	}
	return &Listener{
		Submitted:     both(func(l *Listener) func(Event) { return l.Submitted }),
		Started:       both(func(l *Listener) func(Event) { return l.Started }),
		Parked:        both(func(l *Listener) func(Event) { return l.Parked }),
		Resumed:       both(func(l *Listener) func(Event) { return l.Resumed }),
		Progress:      both(func(l *Listener) func(Event) { return l.Progress }),
		Retrying:      both(func(l *Listener) func(Event) { return l.Retrying }),
		Finished:      both(func(l *Listener) func(Event) { return l.Finished }),
		WorkerStarted: both(func(l *Listener) func(Event) { return l.WorkerStarted }),
		WorkerStopped: both(func(l *Listener) func(Event) { return l.WorkerStopped }),
		Unobserved:    both(func(l *Listener) func(Event) { return l.Unobserved }),
		Context:       contexts(all),
	}
}

// contexts returns what has each of the listeners add to the context that those before
// it have made.
func contexts(all []*Listener) func(context.Context, Event) context.Context {
	var fs []func(context.Context, Event) context.Context
	for _, l := range all {
		if l.Context != nil {
			fs = append(fs, l.Context)
		}
	}
	switch len(fs) {
	case 0:
		return nil
	case 1:
		return fs[0]
	}
	return func(ctx context.Context, e Event) context.Context {
		for _, f := range fs {
			ctx = f(ctx, e)
		}
		return ctx
	}
}
