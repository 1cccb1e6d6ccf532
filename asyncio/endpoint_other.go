//go:build !(linux || darwin || freebsd)

package asyncio

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/go-braid/braid/strand"
)

// An endpoint is something of package net that belongs to a loop.
type endpoint struct {
	io.Closer
	loop    *Loop
	sys     *system
	in, out side
}

// A side is one direction of an endpoint.
type side struct {
	turn strand.Mutex // one operation at a time
	set  func(time.Time) error
	kind strand.Kind

	mu    sync.Mutex
	until time.Time // the deadline that the user has set
}

// newEndpoint has the loop keep c. It closes c if that fails.
func (l *Loop) newEndpoint(c io.Closer, setRead, setWrite func(time.Time) error) (*endpoint, error) {
	sys, ok := l.driver.(*system)
	if !ok {
		c.Close()
		return nil, errNoNetwork
	}
	e := &endpoint{Closer: c, loop: l, sys: sys}
	e.in.set, e.in.kind = setRead, strand.OpRead
	e.out.set, e.out.kind = setWrite, strand.OpWrite
	sys.add(c)
	return e, nil
}

// do runs f, an operation on d, on a goroutine. If ctx is done first, it interrupts f
// by a deadline. See own.
func (e *endpoint) do(ctx context.Context, d *side, f func() error) error {
	w := e.loop.current()
	if ctx == own {
		ctx = &w.co.ctx
	}
	if err := d.turn.Lock(&strandContext{ctx, w.co}); err != nil {
		return err
	}
	defer d.turn.Unlock()
	if ctx.Err() != nil {
		return strand.Err(ctx)
	}
	ended := make(chan struct{})
	job := &errand{}
	e.loop.holds.Add(1)
	go func() {
		defer e.loop.holds.Add(-1)
		err := f()
		close(ended)
		job.finish(err, func() {})
	}()
	defer func() { // also when the coroutine is unwound: f uses its memory
		select {
		case <-ended:
		default:
			d.interrupt(ended)
		}
	}()
	if err := w.wait(ctx, strand.Op{Object: e, Kind: d.kind, Access: strand.Write}, job); err != nil {
		return err
	}
	return job.err
}

// interrupt ends the operation on d, and returns when it has ended.
func (d *side) interrupt(ended <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	_ = d.set(time.Unix(1, 0))
	<-ended
	_ = d.set(d.until)
}

func (d *side) setDeadline(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.until = t
	return d.set(t)
}

func (e *endpoint) close() error {
	e.sys.forget(e.Closer)
	return e.Closer.Close()
}

func (e *endpoint) setReadDeadline(t time.Time) error { return e.in.setDeadline(t) }

func (e *endpoint) setWriteDeadline(t time.Time) error { return e.out.setDeadline(t) }
