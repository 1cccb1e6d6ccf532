package asyncio

import (
	"context"
	"errors"
	"iter"
	"os"
	"os/signal"
	"slices"
	"sync"

	"github.com/go-braid/braid/internal/waitq"
	"github.com/go-braid/braid/strand"
)

// A SignalStream brings signals that the process gets to coroutines. [Signals] makes
// one. Its methods may be called from any strand.
type SignalStream struct {
	arrived chan os.Signal
	end     context.CancelFunc

	mu      sync.Mutex
	pending []os.Signal // in the order in which they came, each at most once
	waiters waitq.List[func()]
	closed  bool
}

// errSignals is what Next returns when the stream has ended.
var errSignals = errors.New("asyncio: the stream of signals is closed")

// Signals returns a stream of those of the given signals that the process gets from
// now on. From now on they also no longer do what they otherwise do, such as to end
// the program, until the stream ends: when it is closed, or ctx is done. Several
// streams for one signal each get it.
//
// A signal that comes again before it was taken from the stream is there once, as
// the system itself does it: so the stream is bounded, and a flood of one signal
// does not displace another one.
//
// Signals panics if no signals are given.
func Signals(ctx context.Context, sigs ...os.Signal) *SignalStream {
	if len(sigs) == 0 {
		panic("asyncio: Signals: no signal is given; those that end most programs are os.Interrupt and syscall.SIGTERM")
	}
	s := &SignalStream{arrived: make(chan os.Signal, 16)}
	ctx, s.end = context.WithCancel(strand.Detach(ctx))
	signal.Notify(s.arrived, sigs...)
	go s.forward(ctx)
	return s
}

// forward takes signals over until ctx is done.
func (s *SignalStream) forward(ctx context.Context) {
	for {
		select {
		case sig := <-s.arrived:
			s.add(sig)
		case <-ctx.Done():
			s.Close()
			return
		}
	}
}

func (s *SignalStream) add(sig os.Signal) {
	s.mu.Lock()
	if s.closed || slices.Contains(s.pending, sig) {
		s.mu.Unlock()
		return
	}
	s.pending = append(s.pending, sig)
	n := s.waiters.Pop()
	s.mu.Unlock()
	if n != nil {
		n.Value()
	}
}

// Next returns the next signal, and waits for it if need be. While a coroutine waits,
// its loop does not take itself for deadlocked. The error is strand.Err(ctx) if ctx
// is done first, and another one when the stream has ended. Of several that wait
// each signal goes to one.
func (s *SignalStream) Next(ctx context.Context) (os.Signal, error) {
	for {
		if sig, err := s.take(); sig != nil || err != nil {
			return sig, err
		}
		op := strand.Op{Object: s, Kind: strand.OpSignal, Access: strand.Write}
		if err := parkOutside(ctx, op, &signalWaiter{s: s}); err != nil {
			return nil, err
		}
	}
}

// take returns the signal that is next, if any.
func (s *SignalStream) take() (os.Signal, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) > 0 {
		sig := s.pending[0]
		s.pending = slices.Delete(s.pending, 0, 1)
		return sig, nil
	}
	if s.closed {
		return nil, errSignals
	}
	return nil, nil
}

// All returns the signals of the stream as they come, until the stream ends or ctx
// is done. It does not close the stream.
func (s *SignalStream) All(ctx context.Context) iter.Seq[os.Signal] {
	return func(yield func(os.Signal) bool) {
		for {
			sig, err := s.Next(ctx)
			if err != nil || !yield(sig) {
				return
			}
		}
	}
}

// Close ends the stream: the signals do what they did before, unless others still
// want to know of them, and Next fails once it has returned what is there. Closing
// again does nothing. Close does not wait.
func (s *SignalStream) Close() {
	signal.Stop(s.arrived)
	s.end()
	s.mu.Lock()
	s.closed = true
	var wakes []func()
	for n := s.waiters.Pop(); n != nil; n = s.waiters.Pop() {
		wakes = append(wakes, n.Value)
	}
	s.mu.Unlock()
	for _, wake := range wakes {
		wake()
	}
}

type signalWaiter struct {
	s    *SignalStream
	node waitq.Node[func()]
}

func (w *signalWaiter) Arm(wake func()) bool {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	if w.s.closed || len(w.s.pending) > 0 {
		return false
	}
	w.node.Value = wake
	w.s.waiters.Push(&w.node)
	return true
}

func (w *signalWaiter) Disarm() bool {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	return w.s.waiters.Remove(&w.node)
}
