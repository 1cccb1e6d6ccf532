//go:build linux || darwin || freebsd

package asyncio

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/go-braid/braid/internal/waitq"
	"github.com/go-braid/braid/strand"
	"golang.org/x/sys/unix"
)

// A socket is a descriptor that a loop watches. It belongs to the coroutines of the
// loop; only its closing is for everybody.
type socket struct {
	loop    *Loop
	sys     *system
	in, out side
	tcp     bool // a read that gets less than it could has got all that there is
	packets bool // a read of nothing is a packet, and no end
	ending  bool // but there is something behind that
	delayed bool // closing may block, by its linger option

	// Whoever holds mu may use fd: others wait to close it.
	mu sync.Mutex
	fd int // -1: closed
}

// newSocket has the loop watch fd. It closes fd if that fails.
func (l *Loop) newSocket(fd int) (*socket, error) {
	sys, ok := l.driver.(*system)
	if !ok {
		unix.Close(fd)
		return nil, errNoNetwork
	}
	k := &socket{loop: l, sys: sys, fd: fd}
	k.in.init(k, strand.Op{Object: k, Kind: strand.OpRead, Access: strand.Write})
	k.out.init(k, strand.Op{Object: k, Kind: strand.OpWrite, Access: strand.Write})
	if err := sys.add(k); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return k, nil
}

// A side is one direction of a socket. One operation at a time goes on on each; the
// others queue up.
type side struct {
	socket *socket
	op     strand.Op
	ready  bool // a call might succeed
	busy   bool // an operation goes on
	burst  int  // operations since one had to wait
	waits  *worker
	queue  waitq.List[*worker] // of those with further operations

	until   int64 // the deadline, on the loop's clock; 0: none
	expired bool
	timer   timer
}

func (d *side) init(k *socket, op strand.Op) { d.socket, d.op = k, op }

// Arm implements [strand.Waitable]: a coroutine waits until the side is ready.
func (d *side) Arm(func()) bool {
	d.waits = d.socket.loop.running
	d.socket.sys.waiting++
	return true
}

// Disarm implements [strand.Waitable].
func (d *side) Disarm() bool {
	if d.waits == nil {
		return false
	}
	d.waits = nil
	d.socket.sys.waiting--
	return true
}

// wake lets the operation that waits look again.
func (d *side) wake() {
	if w := d.waits; w != nil {
		d.Disarm()
		d.socket.loop.ready.push(w)
	}
}

// A turn is the wait of an operation for those before it.
type turn struct {
	side *side
	node waitq.Node[*worker]
}

// Arm implements [strand.Waitable].
func (t *turn) Arm(func()) bool {
	t.node.Value = t.side.socket.loop.running
	t.side.queue.Push(&t.node)
	return true
}

// Disarm implements [strand.Waitable].
func (t *turn) Disarm() bool { return t.side.queue.Remove(&t.node) }

// How many operations on a side may succeed without a wait before other coroutines
// have a turn.
const maxBurst = 16

// begin begins an operation; end ends it. See own.
func (d *side) begin(ctx context.Context) (*worker, context.Context, error) {
	w := d.socket.loop.current()
	if ctx == own {
		ctx = &w.co.ctx
	}
	if d.busy {
		if err := w.wait(ctx, d.op, &turn{side: d}); err != nil {
			return nil, nil, err
		}
	}
	d.busy = true
	if d.burst++; d.burst > maxBurst {
		d.burst = 0
		w.giveWay()
	}
	return w, ctx, nil
}

func (d *side) end() {
	if n := d.queue.Pop(); n != nil {
		d.socket.loop.ready.push(n.Value)
		return // still busy: it is that one's turn
	}
	d.busy = false
}

// giveWay lets the other coroutines run, and the loop look at its descriptors.
func (w *worker) giveWay() {
	if w.dying {
		return
	}
	l := w.loop
	l.steps = stepsPerPoll
	l.push(w)
	l.dispatch(w)
	w.unwind()
}

// check returns the error of a side that is closed or has timed out.
func (d *side) check() error {
	if d.until != 0 && !d.expired {
		d.expired = d.socket.loop.clock() >= d.until
	}
	if d.expired && d.socket.isOpen() {
		return os.ErrDeadlineExceeded
	}
	return nil // the call itself says if it is closed
}

// await waits until a call might succeed, or must fail.
func (d *side) await(ctx context.Context, w *worker) error {
	for !d.ready {
		if err := d.check(); err != nil {
			return err
		}
		if !d.socket.isOpen() {
			return net.ErrClosed
		}
		d.burst = 0
		if err := w.wait(ctx, d.op, d); err != nil {
			return err
		}
	}
	return nil
}

// fire implements firer: the deadline has come.
func (d *side) fire() {
	d.expired = true
	d.wake()
}

// setDeadline sets the deadline of operations, also of the one that waits.
func (d *side) setDeadline(t time.Time) error {
	k := d.socket
	l := k.loop
	l.current()
	if !k.isOpen() {
		return net.ErrClosed
	}
	l.timers.cancel(&d.timer)
	d.until, d.expired = 0, false
	if t.IsZero() {
		return nil
	}
	d.until = max(1, int64(t.Sub(l.epoch)))
	if d.until <= l.clock() {
		d.fire()
		return nil
	}
	l.timers.set(&d.timer, d.until, d)
	return nil
}

// use calls f with the descriptor, unless that is closed.
func (k *socket) use(f func(fd int) error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fd < 0 {
		return net.ErrClosed
	}
	return f(k.fd)
}

func (k *socket) isOpen() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.fd >= 0
}

// read reads what there is, and waits if that is nothing.
func (k *socket) read(ctx context.Context, p []byte) (int, error) {
	d := &k.in
	w, ctx, err := d.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer d.end()
	if ctx.Err() != nil {
		return 0, strand.Err(ctx)
	}
	if len(p) == 0 {
		return 0, k.use(func(int) error { return nil })
	}
	if err := d.check(); err != nil {
		return 0, err
	}
	for {
		if err := d.await(ctx, w); err != nil {
			return 0, err
		}
		k.mu.Lock()
		if k.fd < 0 {
			k.mu.Unlock()
			return 0, net.ErrClosed
		}
		n, err := sysRead(k.fd, p)
		k.mu.Unlock()
		switch {
		case err == unix.EAGAIN:
			d.ready = false
		case err == unix.EINTR:
		case err != nil:
			return 0, os.NewSyscallError("read", err)
		case n == 0 && !k.packets:
			return 0, io.EOF
		default:
			// What comes from now on is another edge: see epoll(7), questions 9
			// and 10.
			if n < len(p) && n < maxRaw && k.tcp && !k.ending {
				d.ready = false
			}
			return n, nil
		}
	}
}

// write writes all of p.
func (k *socket) write(ctx context.Context, p []byte) (int, error) {
	d := &k.out
	early := ctx != own
	w, ctx, err := d.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer d.end()
	if early && ctx.Err() != nil {
		return 0, strand.Err(ctx)
	}
	if err := d.check(); err != nil {
		return 0, err
	}
	if len(p) == 0 && !k.packets {
		return 0, k.use(func(int) error { return nil })
	}
	for n := 0; ; {
		k.mu.Lock()
		if k.fd < 0 {
			k.mu.Unlock()
			return n, net.ErrClosed
		}
		m, err := k.sysWrite(p[n:])
		k.mu.Unlock()
		n += m
		switch {
		case err == unix.EAGAIN:
			d.ready = false
		case err == unix.EINTR:
		case err != nil:
			return n, os.NewSyscallError("write", err)
		case n == len(p):
			return n, nil
		}
		if err := d.await(ctx, w); err != nil {
			return n, err
		}
		if err := d.check(); err != nil {
			return n, err
		}
	}
}

func (k *socket) sysWrite(p []byte) (int, error) {
	if len(p) == 0 { // an empty packet
		return 0, unix.Send(k.fd, nil, 0)
	}
	return sysWrite(k.fd, p)
}

// do is an operation on d: it calls f until that does not return EAGAIN.
func (d *side) do(ctx context.Context, f func(fd int) error) error {
	w, ctx, err := d.begin(ctx)
	if err != nil {
		return err
	}
	defer d.end()
	if ctx.Err() != nil {
		return strand.Err(ctx)
	}
	for {
		if err := d.check(); err != nil {
			return err
		}
		if err := d.await(ctx, w); err != nil {
			return err
		}
		switch err := d.socket.use(f); {
		case err == unix.EAGAIN:
			d.ready = false
		case err == unix.EINTR:
		default:
			return err
		}
	}
}

// close closes the socket, from whatever goroutine. Operations that wait return
// net.ErrClosed, and so does close the second time.
func (k *socket) close() error {
	k.mu.Lock()
	fd := k.fd
	k.mu.Unlock()
	err := k.shut(k.sys.set.Load())
	if fd >= 0 && !errors.Is(err, net.ErrClosed) {
		k.loop.post(func() {
			k.sys.forget(k, fd)
			for _, d := range []*side{&k.in, &k.out} {
				k.loop.timers.cancel(&d.timer)
				d.wake()
			}
		})
	}
	return err
}

// shut closes the descriptor, which is in p.
func (k *socket) shut(p *set) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	fd := k.fd
	if fd < 0 {
		return net.ErrClosed
	}
	k.fd = -1
	p.remove(fd)
	if k.delayed {
		go unix.Close(fd)
		return nil
	}
	return os.NewSyscallError("close", unix.Close(fd))
}
