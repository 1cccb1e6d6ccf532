//go:build linux

package multiprocessing_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/multiprocessing"
	"github.com/go-braid/braid/multiprocessing/connection"
	"golang.org/x/sys/unix"
)

// parts are what the processes of these tests are given.
type parts struct {
	Conn *multiprocessing.Conn
	Back *multiprocessing.Conn
	N    int
	Text string
}

var (
	// echoMessages sends back what it receives, until the end.
	echoMessages = braid.Define("test.echoMessages", func(ctx context.Context, p parts) (int, error) {
		defer p.Conn.Close()
		for n := 0; ; n++ {
			b, err := p.Conn.RecvBytes(ctx)
			if err == io.EOF {
				return n, nil
			}
			if err == nil {
				err = p.Conn.SendBytes(ctx, b)
			}
			if err != nil {
				return n, err
			}
		}
	})
	// produce sends N numbers, each with the process's name for itself, as messages of
	// various lengths; a negative N never ends.
	produce = braid.Define("test.produce", func(ctx context.Context, p parts) (int, error) {
		defer p.Conn.Close()
		for i := 0; i != p.N; i++ {
			if err := multiprocessing.Send(ctx, p.Conn, newNote(p.Text, i)); err != nil {
				return i, err
			}
		}
		return p.N, nil
	})
	// consume reports the numbers of the messages that it receives.
	consume = braid.Define("test.consume", func(ctx context.Context, p parts) (int, error) {
		for n := 0; ; n++ {
			v, err := multiprocessing.Recv[note](ctx, p.Conn)
			if err == io.EOF {
				return n, nil
			}
			if err == nil {
				v.Text = ""
				err = multiprocessing.Send(ctx, p.Back, v)
			}
			if err != nil {
				return n, err
			}
		}
	})
	dialIn = braid.Define("test.dialIn", func(ctx context.Context, p parts) (string, error) {
		network, address, _ := strings.Cut(p.Text, " ")
		c, err := connection.Dial(ctx, network, address, testKey, connection.Config{})
		if err != nil {
			return "", err
		}
		defer c.Close()
		if err := multiprocessing.Send(ctx, c, os.Getpid()); err != nil {
			return "", err
		}
		return multiprocessing.Recv[string](ctx, c)
	})
	listenIn = braid.Define("test.listenIn", func(ctx context.Context, p parts) (string, error) {
		network, address, _ := strings.Cut(p.Text, " ")
		l, err := connection.Listen(network, address, testKey, connection.Config{})
		if err != nil {
			return "", err
		}
		defer l.Close()
		if err := multiprocessing.Send(ctx, p.Back, l.Addr().String()); err != nil {
			return "", err
		}
		c, err := l.Accept(ctx)
		if err != nil {
			return "", err
		}
		defer c.Close()
		return multiprocessing.Recv[string](ctx, c)
	})
	// receiveFile receives files, as many as N says, and returns what is in them.
	receiveFile = braid.Define("test.receiveFile", func(ctx context.Context, p parts) (string, error) {
		defer p.Conn.Close()
		var all strings.Builder
		for range p.N {
			f, err := multiprocessing.Recv[multiprocessing.File](ctx, p.Conn)
			if err != nil {
				return all.String(), err
			}
			_, err = io.Copy(&all, io.NewSectionReader(f, 0, 100))
			if err = errors.Join(err, f.Close()); err != nil {
				return "", err
			}
		}
		return all.String(), nil
	})
	makePipe = braid.Define("test.makePipe", func(context.Context, parts) (*multiprocessing.Conn, error) {
		a, b, err := multiprocessing.NewPipe(multiprocessing.PipeConfig{})
		if err != nil {
			return nil, err
		}
		go func() {
			n, err := multiprocessing.Recv[int](context.Background(), b)
			if err == nil {
				_ = multiprocessing.Send(context.Background(), b, n+1)
			}
			_ = b.Close()
		}()
		return a, nil
	})
	tellPID = braid.Define("test.tellPID", func(ctx context.Context, p parts) (int, error) {
		err := multiprocessing.Send(ctx, p.Conn, os.Getpid())
		return 0, errors.Join(err, p.Conn.Close())
	})
)

// A note is a message that shows whether it is whole.
type note struct {
	Who    string
	Number int
	Text   string
}

func newNote(who string, i int) note {
	size := []int{0, 10, 1000, 30_000, 200_000}[i%5]
	return note{who, i, strings.Repeat(who, size/len(who))}
}

func (n note) check(t testing.TB) {
	t.Helper()
	if want := newNote(n.Who, n.Number); n != want {
		t.Fatalf("message %d of %s has %d bytes, want %d, and is torn", n.Number, n.Who, len(n.Text), len(want.Text))
	}
}

func start[In, Out any](t testing.TB, ctx context.Context, task *braid.Task[In, Out], in In) *multiprocessing.Process {
	t.Helper()
	p, err := multiprocessing.Start(ctx, task, in)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		<-p.Done()
	})
	return p
}

// TestProcessEchoes talks to a process. This one closes its copy of the other end as
// soon as Start has returned, as one does, and so the process sees the end.
func TestProcessEchoes(t *testing.T) {
	proctest.Check(t)
	ctx := deadline(t)
	a, b := newPipe(t, multiprocessing.PipeConfig{})
	p := start(t, ctx, echoMessages, parts{Conn: b})
	must(t, b.Close())
	for i, n := range sizes {
		want := pattern(n, i)
		must(t, a.SendBytes(ctx, want))
		if got, err := a.RecvBytes(ctx); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes: %d came back, %v", n, len(got), err)
		}
	}
	must(t, a.Close())
	must(t, p.Join(ctx))
}

// TestEndInCall gives ends to calls of a pool, and gets one as a result.
func TestEndInCall(t *testing.T) {
	for _, pipes := range []bool{false, true} {
		ctx, pool := deadline(t), newPool(t, multiprocessing.Config{Workers: 1, Pipes: pipes})
		a, b := newPipe(t, multiprocessing.PipeConfig{})
		f := braid.Submit(ctx, pool, echoMessages, parts{Conn: b})
		must(t, a.SendBytes(ctx, []byte("hello")))
		if got, err := a.RecvBytes(ctx); err != nil || string(got) != "hello" {
			t.Fatalf("%q came back, %v", got, err)
		}
		must(t, b.Close()) // the worker has it, as it has answered
		must(t, a.Close())
		if n, err := f.Await(ctx); err != nil || n != 1 {
			t.Errorf("the worker has sent back %d messages, %v", n, err)
		}
		c, err := braid.Submit(ctx, pool, makePipe, parts{}).Await(ctx)
		must(t, err)
		must(t, multiprocessing.Send(ctx, c, 5))
		if n, err := multiprocessing.Recv[int](ctx, c); err != nil || n != 6 {
			t.Errorf("the worker's pipe gave %d, %v", n, err)
		}
		if _, err := c.RecvBytes(ctx); err != io.EOF {
			t.Errorf("at the end of the worker's pipe: %v", err)
		}
		must(t, c.Close())
		_, err = braid.Submit(ctx, pool, echoMessages, parts{Conn: a}).Await(ctx)
		if !errors.Is(err, braid.ErrNotStarted) || !strings.Contains(err.Error(), "was closed before") {
			t.Errorf("a call with a closed end: %v", err)
		}
		if s := pool.Statistics(); s.Deaths != 0 {
			t.Errorf("statistics: %+v", s)
		}
	}
}

// TestManyProducers has processes send on the same end, one of which is this one. All
// that they send comes, in the order of each.
func TestManyProducers(t *testing.T) {
	proctest.Check(t)
	ctx := deadline(t)
	const producers, each = 4, 200
	r, s := newPipe(t, multiprocessing.PipeConfig{Simplex: true})
	for i := range producers {
		start(t, ctx, produce, parts{Conn: s, N: each, Text: string(rune('A' + i))})
	}
	sent := make(chan error)
	go func() {
		for i := range each {
			if err := multiprocessing.Send(ctx, s, newNote("me", i)); err != nil {
				t.Error(err)
			}
		}
		sent <- s.Close()
	}()
	next := make(map[string]int)
	for {
		v, err := multiprocessing.Recv[note](ctx, r)
		if err == io.EOF {
			break
		}
		must(t, err)
		v.check(t)
		if v.Number != next[v.Who] {
			t.Fatalf("message %d of %s came when %d was due", v.Number, v.Who, next[v.Who])
		}
		next[v.Who]++
	}
	must(t, <-sent)
	if len(next) != producers+1 {
		t.Errorf("messages of %d, want %d", len(next), producers+1)
	}
	for who, n := range next {
		if n != each {
			t.Errorf("%d messages of %s, want %d", n, who, each)
		}
	}
}

// TestManyConsumers has processes receive on the same end: each message comes to one.
func TestManyConsumers(t *testing.T) {
	proctest.Check(t)
	ctx := deadline(t)
	const consumers, n = 4, 500
	r, s := newPipe(t, multiprocessing.PipeConfig{Simplex: true})
	reports, back := newPipe(t, multiprocessing.PipeConfig{Simplex: true})
	for range consumers {
		start(t, ctx, consume, parts{Conn: r, Back: back})
	}
	must(t, errors.Join(r.Close(), back.Close()))
	sent := make(chan error)
	go func() {
		for i := range n {
			if err := multiprocessing.Send(ctx, s, newNote("me", i)); err != nil {
				t.Error(err)
			}
		}
		sent <- s.Close()
	}()
	seen := make([]bool, n)
	for count := 0; ; count++ {
		v, err := multiprocessing.Recv[note](ctx, reports)
		if err == io.EOF {
			if count != n {
				t.Errorf("%d messages came, want %d", count, n)
			}
			break
		}
		must(t, err)
		if seen[v.Number] {
			t.Errorf("message %d came twice", v.Number)
		}
		seen[v.Number] = true
	}
	must(t, <-sent)
}

// TestProducersAreKilled kills processes in the middle of what they send. What came of
// each is whole and without a gap, and the end comes when the last one is dead.
func TestProducersAreKilled(t *testing.T) {
	proctest.Check(t)
	ctx := deadline(t)
	const rounds, producers = 8, 3
	for round := range rounds {
		r, s := newPipe(t, multiprocessing.PipeConfig{Simplex: true})
		var procs []*multiprocessing.Process
		for i := range producers {
			procs = append(procs, start(t, ctx, produce, parts{Conn: s, N: -1, Text: string(rune('A' + i))}))
		}
		must(t, s.Close())
		next := make(map[string]int)
		for count, kill := 0, 1+rand.IntN(40); ; count++ {
			if count >= kill && len(procs) > 0 {
				procs[0].Kill()
				procs, kill = procs[1:], count+rand.IntN(100)
			}
			v, err := multiprocessing.Recv[note](ctx, r)
			if err == io.EOF {
				break
			}
			must(t, err)
			v.check(t)
			if v.Number != next[v.Who] {
				t.Fatalf("round %d: message %d of %s came when %d was due", round, v.Number, v.Who, next[v.Who])
			}
			next[v.Who]++
		}
		if len(procs) > 0 {
			t.Errorf("round %d: the end came with %d processes alive", round, len(procs))
		}
	}
}

// TestConsumersAreKilled kills processes in the middle of what they receive. No message
// comes twice; lost is what the dead ones had received and not yet reported, and the
// others get the rest.
func TestConsumersAreKilled(t *testing.T) {
	proctest.Check(t)
	ctx := deadline(t)
	const rounds, consumers, n = 4, 4, 300
	for round := range rounds {
		r, s := newPipe(t, multiprocessing.PipeConfig{Simplex: true})
		reports, back := newPipe(t, multiprocessing.PipeConfig{Simplex: true})
		var procs []*multiprocessing.Process
		for range consumers {
			procs = append(procs, start(t, ctx, consume, parts{Conn: r, Back: back}))
		}
		must(t, errors.Join(r.Close(), back.Close()))
		sent := make(chan error)
		go func() {
			for i := range n {
				if err := multiprocessing.Send(ctx, s, newNote("me", i)); err != nil {
					t.Error(err)
				}
			}
			sent <- s.Close()
		}()
		var seen []int
		for {
			if len(procs) > 1 && len(seen) >= 20*(consumers-len(procs)+1) {
				procs[0].Kill() // one survives
				procs = procs[1:]
			}
			v, err := multiprocessing.Recv[note](ctx, reports)
			if err == io.EOF {
				break
			}
			must(t, err)
			seen = append(seen, v.Number)
		}
		must(t, <-sent)
		if len(procs) != 1 {
			t.Fatalf("round %d: %d processes are left", round, len(procs))
		}
		must(t, procs[0].Join(ctx))
		got := slices.Compact(slices.Sorted(slices.Values(seen)))
		if len(got) != len(seen) {
			t.Errorf("round %d: %d messages came twice", round, len(seen)-len(got))
		}
		if lost := n - len(got); lost > consumers-1 {
			t.Errorf("round %d: %d messages are lost, and %d processes were killed", round, lost, consumers-1)
		}
	}
}

// TestDeathOfTheOtherSide: who talks to one that is killed hears of it, in whatever he
// does.
func TestDeathOfTheOtherSide(t *testing.T) {
	proctest.Check(t)
	ctx := deadline(t)
	for i := range 10 {
		a, b := newPipe(t, multiprocessing.PipeConfig{})
		p := start(t, ctx, echoMessages, parts{Conn: b})
		must(t, b.Close())
		var group sync.WaitGroup
		group.Go(func() {
			for {
				if err := a.SendBytes(ctx, pattern(100_000, i)); err != nil {
					if !errors.Is(err, io.ErrClosedPipe) {
						t.Errorf("SendBytes: %v", err)
					}
					return
				}
			}
		})
		group.Go(func() {
			for n := 0; ; n++ {
				if n == i {
					p.Kill()
				}
				got, err := a.RecvBytes(ctx)
				if err == io.EOF {
					return
				}
				if err != nil || !bytes.Equal(got, pattern(100_000, i)) {
					t.Errorf("RecvBytes: %d bytes, %v", len(got), err)
					return
				}
			}
		})
		group.Wait()
	}
}

// TestFilesToProcess passes files to a process: with small and large numbers, and one
// that it cannot take.
func TestFilesToProcess(t *testing.T) {
	proctest.Check(t)
	ctx := deadline(t)
	f, err := os.CreateTemp(t.TempDir(), "")
	must(t, err)
	defer f.Close()
	_, err = f.WriteString("text")
	must(t, err)
	raw, err := f.SyscallConn()
	must(t, err)
	var high int
	must(t, raw.Control(func(fd uintptr) { high, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 300) }))
	must(t, err)
	g := os.NewFile(uintptr(high), "high")
	defer g.Close()
	pool := newPool(t, multiprocessing.Config{Workers: 1})
	a, b := newPipe(t, multiprocessing.PipeConfig{})
	call := braid.Submit(ctx, pool, receiveFile, parts{Conn: b, N: 2})
	must(t, multiprocessing.Send(ctx, a, multiprocessing.File{File: f}))
	must(t, multiprocessing.Send(ctx, a, multiprocessing.File{File: g}))
	if got, err := call.Await(ctx); err != nil || got != "texttext" {
		t.Errorf("the process read %q, %v", got, err)
	}
	// What is not a file any more is not sent.
	closed := os.NewFile(uintptr(func() int { fd, _ := unix.FcntlInt(uintptr(high), unix.F_DUPFD_CLOEXEC, 0); return fd }()), "closed")
	must(t, closed.Close())
	if err := multiprocessing.Send(ctx, a, multiprocessing.File{File: closed}); err == nil {
		t.Error("a closed file was sent")
	}
	// A process that can have no more files says so, and goes on.
	tight := newPool(t, multiprocessing.Config{Workers: 1, OpenFiles: 40})
	a, b = newPipe(t, multiprocessing.PipeConfig{})
	call2 := braid.Submit(ctx, tight, receiveMany, parts{Conn: b})
	must(t, multiprocessing.Send(ctx, a, slices.Repeat([]multiprocessing.File{{File: f}}, 100)))
	must(t, multiprocessing.Send(ctx, a, slices.Repeat([]multiprocessing.File{{File: f}}, 2)))
	if got, err := call2.Await(ctx); err != nil || !strings.Contains(got, "too many open files") || !strings.HasSuffix(got, "then 2") {
		t.Errorf("the process says %q, %v", got, err)
	}
}

var receiveMany = braid.Define("test.receiveMany", func(ctx context.Context, p parts) (string, error) {
	defer p.Conn.Close()
	_, first := multiprocessing.Recv[[]multiprocessing.File](ctx, p.Conn)
	files, err := multiprocessing.Recv[[]multiprocessing.File](ctx, p.Conn)
	if first == nil || err != nil {
		return "", errors.Join(errSentinel, err)
	}
	return first.Error() + ", then " + string(rune('0'+len(files))), nil
})

// TestFileSizeLimit: a process that may write no large files cannot send large messages,
// and is told so.
func TestFileSizeLimit(t *testing.T) {
	ctx, pool := deadline(t), newPool(t, multiprocessing.Config{Workers: 1, FileSize: 100 << 10})
	a, b := newPipe(t, multiprocessing.PipeConfig{})
	call := braid.Submit(ctx, pool, echoMessages, parts{Conn: b})
	must(t, a.SendBytes(ctx, make([]byte, 150_000)))
	if got, err := a.RecvBytes(ctx); err != nil || len(got) != 150_000 {
		t.Errorf("%d bytes came back, %v", len(got), err)
	}
	must(t, a.SendBytes(ctx, make([]byte, 300_000)))
	if _, err := call.Await(ctx); !errors.Is(err, unix.EFBIG) || !strings.Contains(err.Error(), "needs a memory file") {
		t.Errorf("a message that is too large for the process: %v", err)
	}
}

// TestListenerAndProcess has a process dial this one, and this one dial a process.
func TestListenerAndProcess(t *testing.T) {
	for _, network := range []string{"unix", "tcp"} {
		t.Run(network, func(t *testing.T) {
			ctx, pool := deadline(t), newPool(t, multiprocessing.Config{Workers: 1})
			l := listen(t, network)
			call := braid.Submit(ctx, pool, dialIn, parts{Text: network + " " + l.Addr().String()})
			c, err := l.Accept(ctx)
			must(t, err)
			defer c.Close()
			if pid, err := multiprocessing.Recv[int](ctx, c); err != nil || pid == os.Getpid() {
				t.Errorf("process %d has dialled, %v", pid, err)
			}
			must(t, multiprocessing.Send(ctx, c, "hello"))
			if got, err := call.Await(ctx); err != nil || got != "hello" {
				t.Errorf("the process received %q, %v", got, err)
			}

			a, b := newPipe(t, multiprocessing.PipeConfig{})
			call = braid.Submit(ctx, pool, listenIn, parts{Back: b, Text: network + " " + address(t, network)})
			where, err := multiprocessing.Recv[string](ctx, a)
			must(t, err)
			d, err := connection.Dial(ctx, network, where, testKey, connection.Config{})
			must(t, err)
			defer d.Close()
			must(t, multiprocessing.Send(ctx, d, "there"))
			if got, err := call.Await(ctx); err != nil || got != "there" {
				t.Errorf("the process received %q, %v", got, err)
			}
		})
	}
}

// TestHandOver accepts a connection and hands it to another process, with a message
// that waits in it.
func TestHandOver(t *testing.T) {
	proctest.Check(t)
	ctx := deadline(t)
	a, d := dialed(t, ctx, "unix", connection.Config{})
	must(t, d.SendBytes(ctx, []byte("first")))
	p := start(t, ctx, echoMessages, parts{Conn: a})
	must(t, a.Close())
	must(t, d.SendBytes(ctx, []byte("second")))
	for _, want := range []string{"first", "second"} {
		if got, err := d.RecvBytes(ctx); err != nil || string(got) != want {
			t.Errorf("%q came back, %v; want %q", got, err, want)
		}
	}
	must(t, d.Close())
	must(t, p.Join(ctx))
}

// TestWaitForMany waits for several connections and for a process at once: in Go that is
// a goroutine for each, and a select.
func TestWaitForMany(t *testing.T) {
	proctest.Check(t)
	ctx := deadline(t)
	const n = 4
	pids := make(chan int)
	ends := make(chan struct{})
	alive := make(map[int]*multiprocessing.Process)
	for range n {
		r, s := newPipe(t, multiprocessing.PipeConfig{Simplex: true})
		p := start(t, ctx, tellPID, parts{Conn: s})
		must(t, s.Close())
		alive[p.PID()] = p
		go func() {
			for {
				pid, err := multiprocessing.Recv[int](ctx, r)
				if err != nil {
					if err != io.EOF {
						t.Error(err)
					}
					ends <- struct{}{}
					return
				}
				pids <- pid
			}
		}()
	}
	for ended := 0; ended < n || len(alive) > 0; {
		select {
		case pid := <-pids:
			p := alive[pid]
			if p == nil {
				t.Fatalf("process %d is none of ours", pid)
			}
			delete(alive, pid)
			must(t, p.Join(ctx))
		case <-ends:
			ended++
		case <-ctx.Done():
			t.Fatal(ctx.Err())
		}
	}
}
