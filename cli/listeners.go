package cli

import "github.com/go-braid/braid/engine"

// listenAll returns a listener that tells all others what begins, fails and ends.
func listenAll(listeners ...*engine.Listener) *engine.Listener {
	if len(listeners) == 1 {
		return listeners[0]
	}
	tell := func(of func(*engine.Listener) func(engine.Event)) func(engine.Event) {
		return func(e engine.Event) {
			for _, l := range listeners {
				if f := of(l); f != nil {
					f(e)
				}
			}
		}
	}
	return &engine.Listener{
		Started:  tell(func(l *engine.Listener) func(engine.Event) { return l.Started }),
		Retrying: tell(func(l *engine.Listener) func(engine.Event) { return l.Retrying }),
		Finished: tell(func(l *engine.Listener) func(engine.Event) { return l.Finished }),
	}
}
