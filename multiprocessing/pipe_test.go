//go:build linux

package multiprocessing_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/multiprocessing"
	"github.com/go-braid/braid/multiprocessing/connection"
	"github.com/go-braid/braid/strand"
	"golang.org/x/sys/unix"
)

func newPipe(t testing.TB, cfg multiprocessing.PipeConfig) (a, b *multiprocessing.Conn) {
	t.Helper()
	a, b, err := multiprocessing.NewPipe(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(a.Close(), b.Close()); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return a, b
}

// pattern returns n bytes that differ from those of other seeds.
func pattern(n, seed int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8 + seed)
	}
	return b
}

// sizes are lengths of messages around those at which something changes.
var sizes = []int{0, 1, 2, 100, 4096, 64<<10 - 1, 64 << 10, 64<<10 + 1, 1 << 20, 5<<20 + 3, 16 << 20}

// pairs are connected Conns of all kinds, except that files travel in a pipe only.
func pairs(t *testing.T, test func(t *testing.T, ctx context.Context, a, b *multiprocessing.Conn)) {
	t.Run("pipe", func(t *testing.T) {
		inWorlds(t, func(t *testing.T, ctx context.Context) {
			a, b := newPipe(t, multiprocessing.PipeConfig{})
			test(t, ctx, a, b)
		})
	})
	for _, network := range []string{"unix", "tcp"} {
		t.Run(network, func(t *testing.T) {
			inWorlds(t, func(t *testing.T, ctx context.Context) {
				a, b := dialed(t, ctx, network, connection.Config{})
				test(t, ctx, a, b)
			})
		})
	}
}

var testKey = []byte("a key of the tests, which is long enough")

func address(t testing.TB, network string) string {
	if network == "unix" {
		return filepath.Join(t.TempDir(), "s")
	}
	return "127.0.0.1:0"
}

func listen(t testing.TB, network string) *connection.Listener {
	t.Helper()
	l, err := connection.Listen(network, address(t, network), testKey, connection.Config{})
	must(t, err)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return l
}

// dialed returns the two sides of a connection. The configuration is that of the second.
func dialed(t testing.TB, ctx context.Context, network string, cfg connection.Config) (a, b *multiprocessing.Conn) {
	t.Helper()
	l := listen(t, network)
	b, err := connection.Dial(ctx, network, l.Addr().String(), testKey, cfg)
	must(t, err)
	a, err = l.Accept(ctx)
	must(t, err)
	t.Cleanup(func() {
		a.Close()
		b.Close()
	})
	return a, b
}

// TestMessages sends messages of all sizes, in both directions.
func TestMessages(t *testing.T) {
	pairs(t, func(t *testing.T, ctx context.Context, a, b *multiprocessing.Conn) {
		for i, n := range sizes {
			for _, c := range [][2]*multiprocessing.Conn{{a, b}, {b, a}} {
				want := pattern(n, i)
				sent := make(chan error, 1)
				go func() { sent <- c[0].SendBytes(strand.Detach(ctx), want) }() // a network takes little at a time
				got, err := c[1].RecvBytes(ctx)
				if err != nil || !bytes.Equal(got, want) || got == nil {
					t.Fatalf("%d bytes: %d came, %v", n, len(got), err)
				}
				if err := <-sent; err != nil {
					t.Fatalf("%d bytes: %v", n, err)
				}
			}
		}
		if s := a.Statistics(); s != b.Statistics() || s.Sent != uint64(len(sizes)) || s.Received != s.Sent || s.SentBytes != s.ReceivedBytes || s.SentBytes < 16<<20 {
			t.Errorf("statistics: %+v and %+v", s, b.Statistics())
		}
	})
}

type record struct {
	Name  string
	Parts []record
	Any   any
}

// TestValues sends values, which come as what they were.
func TestValues(t *testing.T) {
	pairs(t, func(t *testing.T, ctx context.Context, a, b *multiprocessing.Conn) {
		roundTrip(t, ctx, a, b, 42)
		roundTrip(t, ctx, a, b, 2.5)
		roundTrip(t, ctx, a, b, true)
		roundTrip(t, ctx, a, b, "")
		roundTrip(t, ctx, a, b, strings.Repeat("text", 40<<10))
		roundTrip(t, ctx, a, b, struct{}{})
		if err := multiprocessing.Send(ctx, a, []float64{1, 2.5, -3}); err != nil {
			t.Fatal(err)
		}
		if got, err := multiprocessing.Recv[[]float64](ctx, b); err != nil || !slices.Equal(got, []float64{1, 2.5, -3}) {
			t.Errorf("floats: %v, %v", got, err)
		}
		want := record{"outer", []record{{Name: "inner"}}, "anything"}
		if err := multiprocessing.Send(ctx, a, want); err != nil {
			t.Fatal(err)
		}
		got, err := multiprocessing.Recv[*record](ctx, b)
		if err != nil || got.Name != "outer" || len(got.Parts) != 1 || got.Parts[0].Name != "inner" || got.Any != "anything" {
			t.Errorf("a struct: %+v, %v", got, err)
		}
	})
}

// TestOtherType receives as something else than what was sent. The message is lost, the
// connection is not.
func TestOtherType(t *testing.T) {
	pairs(t, func(t *testing.T, ctx context.Context, a, b *multiprocessing.Conn) {
		wrong := func(err error, want string) {
			t.Helper()
			if !errors.Is(err, multiprocessing.ErrMessageType) || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want one with %q", err, want)
			}
		}
		must(t, multiprocessing.Send(ctx, a, 42))
		_, err := multiprocessing.Recv[float64](ctx, b)
		wrong(err, "a number of kind int, and was received as float64")
		must(t, multiprocessing.Send(ctx, a, []int16{1}))
		_, err = b.RecvBytes(ctx)
		wrong(err, "with Send as a slice of int16")
		must(t, a.SendBytes(ctx, []byte("12345678")))
		_, err = multiprocessing.Recv[int64](ctx, b)
		wrong(err, "with SendBytes")
		must(t, multiprocessing.Send(ctx, a, map[string]int{"a": 1}))
		if _, err := multiprocessing.Recv[record](ctx, b); err == nil || !strings.Contains(err.Error(), "cannot be read as") {
			t.Errorf("a map received as a struct of other fields: %v", err)
		}
		roundTrip(t, ctx, a, b, 43)
		// What cannot travel is found before it is sent.
		if err := multiprocessing.Send(ctx, a, make(chan int)); err == nil {
			t.Error("a channel was sent")
		}
		if _, err := multiprocessing.Recv[func()](ctx, b); err == nil {
			t.Error("a function was received")
		}
		roundTrip(t, ctx, a, b, 44)
	})
}

// TestDoNotMerge: messages keep their boundaries, those without bytes as well, however
// often somebody looks whether there is one.
func TestDoNotMerge(t *testing.T) {
	pairs(t, func(t *testing.T, ctx context.Context, a, b *multiprocessing.Conn) {
		over, cancel := context.WithCancel(ctx)
		cancel()
		if err := b.Poll(over); !errors.Is(err, context.Canceled) {
			t.Errorf("Poll of nothing: %v", err)
		}
		messages := []string{"", "a", "", "", "bc", strings.Repeat("x", 1000), "", "d"}
		for _, m := range messages {
			must(t, a.SendBytes(ctx, []byte(m)))
		}
		for i, want := range messages {
			for range 2 {
				if err := b.Poll(ctx); err != nil {
					t.Fatalf("Poll before message %d: %v", i, err)
				}
			}
			if err := b.Poll(over); err != nil {
				t.Fatalf("Poll that must not wait, before message %d, which is there: %v", i, err)
			}
			if got, err := b.RecvBytes(ctx); err != nil || string(got) != want {
				t.Fatalf("message %d is %q, %v; want %q", i, got, err, want)
			}
		}
		must(t, a.Close())
		for range 2 {
			if err := b.Poll(ctx); err != nil {
				t.Errorf("Poll at the end: %v", err)
			}
			if _, err := b.RecvBytes(ctx); err != io.EOF {
				t.Errorf("at the end: %v, want io.EOF", err)
			}
		}
	})
}

// TestEndAfterUnread: one end is closed with messages in it that nobody has received.
// The other one still gets what was sent to it, and then the end.
func TestEndAfterUnread(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context) {
		a, b := newPipe(t, multiprocessing.PipeConfig{})
		must(t, b.SendBytes(ctx, []byte("unread")))
		must(t, a.SendBytes(ctx, []byte("one")))
		must(t, a.SendBytes(ctx, pattern(1<<20, 0)))
		must(t, a.Close())
		if got, err := b.RecvBytes(ctx); err != nil || string(got) != "one" {
			t.Errorf("the first message is %q, %v", got, err)
		}
		if got, err := b.RecvBytes(ctx); err != nil || len(got) != 1<<20 {
			t.Errorf("the second message has %d bytes, %v", len(got), err)
		}
		if _, err := b.RecvBytes(ctx); err != io.EOF {
			t.Errorf("the end: %v", err)
		}
		if err := b.SendBytes(ctx, nil); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("a send to nobody: %v", err)
		}
	})
}

func TestSendToNobody(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context) {
		a, b := newPipe(t, multiprocessing.PipeConfig{})
		must(t, b.Close())
		for range 2 {
			if err := a.SendBytes(ctx, []byte("x")); !errors.Is(err, io.ErrClosedPipe) || !strings.Contains(err.Error(), "nobody has the other end") {
				t.Errorf("SendBytes: %v, want io.ErrClosedPipe", err)
			}
		}
	})
}

func TestSimplex(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context) {
		r, s := newPipe(t, multiprocessing.PipeConfig{Simplex: true})
		roundTrip(t, ctx, s, r, 1)
		if err := r.SendBytes(ctx, nil); !errors.Is(err, multiprocessing.ErrOneWay) {
			t.Errorf("SendBytes on the end that receives: %v", err)
		}
		if err := multiprocessing.Send(ctx, r, 1); !errors.Is(err, multiprocessing.ErrOneWay) {
			t.Errorf("Send on the end that receives: %v", err)
		}
		if _, err := s.RecvBytes(ctx); !errors.Is(err, multiprocessing.ErrOneWay) {
			t.Errorf("RecvBytes on the end that sends: %v", err)
		}
		if _, err := multiprocessing.Recv[int](ctx, s); !errors.Is(err, multiprocessing.ErrOneWay) {
			t.Errorf("Recv on the end that sends: %v", err)
		}
		if err := s.Poll(ctx); !errors.Is(err, multiprocessing.ErrOneWay) {
			t.Errorf("Poll on the end that sends: %v", err)
		}
	})
}

func TestMaxMessage(t *testing.T) {
	proctest.Check(t)
	ctx := deadline(t)
	const limit = 100 << 10
	test := func(t *testing.T, a, b *multiprocessing.Conn) {
		for range 2 {
			if err := a.SendBytes(ctx, make([]byte, limit+1)); !errors.Is(err, multiprocessing.ErrMessageTooLarge) || !strings.Contains(err.Error(), "102401 bytes, and MaxMessage is 102400") {
				t.Errorf("one byte too many: %v", err)
			}
			if err := multiprocessing.Send(ctx, a, strings.Repeat("x", limit+1)); !errors.Is(err, multiprocessing.ErrMessageTooLarge) {
				t.Errorf("a value that is too large: %v", err)
			}
			must(t, a.SendBytes(ctx, make([]byte, limit)))
			if got, err := b.RecvBytes(ctx); err != nil || len(got) != limit {
				t.Errorf("as many as may be: %d, %v", len(got), err)
			}
		}
	}
	t.Run("pipe", func(t *testing.T) {
		a, b := newPipe(t, multiprocessing.PipeConfig{MaxMessage: limit})
		test(t, a, b)
	})
	for _, network := range []string{"unix", "tcp"} {
		t.Run(network, func(t *testing.T) {
			// Whoever takes less decides for both.
			a, b := dialed(t, ctx, network, connection.Config{MaxMessage: limit})
			test(t, a, b)
			test(t, b, a)
		})
	}
	if _, _, err := multiprocessing.NewPipe(multiprocessing.PipeConfig{MaxMessage: -1}); err == nil {
		t.Error("a negative limit was taken")
	}
}

func TestClosedConn(t *testing.T) {
	pairs(t, func(t *testing.T, ctx context.Context, a, b *multiprocessing.Conn) {
		for range 2 {
			must(t, a.Close())
		}
		_, recvErr := a.RecvBytes(ctx)
		for what, err := range map[string]error{
			"SendBytes": a.SendBytes(ctx, nil), "RecvBytes": recvErr, "Poll": a.Poll(ctx), "Send": multiprocessing.Send(ctx, a, 1),
		} {
			if !errors.Is(err, os.ErrClosed) {
				t.Errorf("%s on a closed end: %v", what, err)
			}
		}
	})
	var zero multiprocessing.Conn
	if err := zero.SendBytes(context.Background(), nil); err == nil || !strings.Contains(err.Error(), "zero value") {
		t.Errorf("SendBytes on the zero Conn: %v", err)
	}
	if _, err := zero.RecvBytes(context.Background()); err == nil || zero.Close() != nil || zero.RemoteAddr() != nil {
		t.Errorf("the zero Conn: %v", err)
	}
}

// TestCloseWakes closes an end on which strands wait to send and to receive.
func TestCloseWakes(t *testing.T) {
	pairs(t, func(t *testing.T, ctx context.Context, a, b *multiprocessing.Conn) {
		const waiters = 3
		errs := make(chan error)
		for range waiters {
			go func() {
				_, err := a.RecvBytes(ctx)
				errs <- err
			}()
			go func() {
				for {
					if err := a.SendBytes(ctx, make([]byte, 64<<10)); err != nil {
						errs <- err
						return
					}
				}
			}()
		}
		// They are full when nothing more goes in.
		full(ctx, t, a)
		must(t, a.Close())
		for range 2 * waiters {
			if err := <-errs; !errors.Is(err, os.ErrClosed) {
				t.Errorf("a waiter got %v, want os.ErrClosed", err)
			}
		}
	})
}

// full waits until somebody waits to send on c.
func full(ctx context.Context, t *testing.T, c *multiprocessing.Conn) {
	t.Helper()
	eventually(t, "a connection is full", func() bool {
		before := c.Statistics().Sent
		for range 1000 {
			runtime.Gosched()
		}
		return before > 0 && before == c.Statistics().Sent
	})
}

// TestCancelReceive cancels receivers, at all moments. Each message comes to one who was
// not cancelled.
func TestCancelReceive(t *testing.T) {
	pairs(t, func(t *testing.T, ctx context.Context, a, b *multiprocessing.Conn) {
		over, cancel := context.WithCancelCause(ctx)
		cancel(errSentinel)
		if _, err := b.RecvBytes(over); !errors.Is(err, context.Canceled) || !errors.Is(err, errSentinel) {
			t.Errorf("a receive that is cancelled from the start: %v", err)
		}
		const n = 200
		next := 0
		for i := range n {
			one, cancel := context.WithCancelCause(ctx)
			go func() {
				for range i % 50 {
					runtime.Gosched()
				}
				cancel(errSentinel)
			}()
			sent := make(chan error, 1)
			go func() { sent <- multiprocessing.Send(strand.Detach(ctx), a, i) }()
			got, err := multiprocessing.Recv[int](one, b)
			must(t, <-sent)
			switch {
			case err == nil:
				if got != next {
					t.Fatalf("message %d came when %d was due", got, next)
				}
				next++
			case !errors.Is(err, errSentinel) || !errors.Is(err, context.Canceled):
				t.Fatalf("a cancelled receive: %v", err)
			}
			cancel(nil)
		}
		for ; next < n; next++ {
			if got, err := multiprocessing.Recv[int](ctx, b); err != nil || got != next {
				t.Fatalf("message %d came, %v, when %d was due", got, err, next)
			}
		}
	})
}

// TestCancelSend cancels senders, at all moments. What was not sent does not come, and
// what was does.
func TestCancelSend(t *testing.T) {
	pairs(t, func(t *testing.T, ctx context.Context, a, b *multiprocessing.Conn) {
		const n = 100
		received := make(chan []uint32)
		start := make(chan struct{})
		go func() {
			ctx := strand.Detach(ctx)
			<-start // until then the connection is full
			var got []uint32
			for {
				v, err := multiprocessing.Recv[[]uint32](ctx, b)
				if err != nil {
					if err != io.EOF {
						t.Errorf("Recv: %v", err)
					}
					received <- got
					return
				}
				if slices.ContainsFunc(v, func(x uint32) bool { return x != v[0] }) {
					t.Error("a message is a mixture")
				}
				got = append(got, v[0])
			}
		}()
		var sent []uint32
		begun := false
		for i := range uint32(n) {
			one, cancel := context.WithCancelCause(ctx)
			go func() {
				for range i % 50 {
					runtime.Gosched()
				}
				cancel(errSentinel)
			}()
			err := multiprocessing.Send(one, a, slices.Repeat([]uint32{i}, 100_000))
			switch {
			case err == nil:
				sent = append(sent, i)
			case !errors.Is(err, errSentinel) || !errors.Is(err, context.Canceled):
				t.Fatalf("a cancelled send: %v", err)
			case !begun:
				begun = true
				close(start)
			}
			cancel(nil)
		}
		if !begun {
			close(start)
		}
		must(t, multiprocessing.Send(ctx, a, []uint32{n}))
		must(t, a.Close())
		if got := <-received; !slices.Equal(got, append(sent, n)) {
			t.Errorf("sent %v and received %v", append(sent, n), got)
		}
	})
}

// TestBounded: what is on the way is bounded by bytes, also if messages are large.
func TestBounded(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context) {
		a, b := newPipe(t, multiprocessing.PipeConfig{})
		over, cancel := context.WithCancel(ctx)
		cancel()
		for _, c := range []struct{ size, most int }{{0, 2000}, {1, 2000}, {60 << 10, 16}, {10 << 20, 16}} {
			n := 0
			for ; ; n++ {
				// It does what need not wait.
				err := a.SendBytes(over, make([]byte, c.size))
				if errors.Is(err, context.Canceled) {
					break
				}
				must(t, err)
			}
			if n == 0 || n > c.most {
				t.Errorf("%d messages of %d bytes are on the way", n, c.size)
			}
			for range n {
				if got, err := b.RecvBytes(over); err != nil || len(got) != c.size {
					t.Fatalf("%d bytes, %v; want %d", len(got), err, c.size)
				}
			}
		}
	})
}

// TestManyGoroutines has many send and receive on the same ends, in both directions.
func TestManyGoroutines(t *testing.T) {
	pairs(t, func(t *testing.T, ctx context.Context, a, b *multiprocessing.Conn) {
		const senders, each = 4, 100
		seen := make(map[string]int)
		var mu sync.Mutex
		var senders1, receivers sync.WaitGroup
		for _, c := range []struct {
			name     string
			from, to *multiprocessing.Conn
		}{{"ab", a, b}, {"ba", b, a}} {
			for i := range senders {
				senders1.Go(func() {
					for j := range each {
						name := c.name + string(rune('A'+i)) + string(rune('A'+j%26)) + string(rune('A'+j/26))
						if err := multiprocessing.Send(ctx, c.from, strings.Repeat(name, 1+(j%7)*5000)); err != nil {
							t.Error(err)
						}
					}
				})
				receivers.Go(func() {
					for range each {
						got, err := multiprocessing.Recv[string](ctx, c.to)
						if err != nil || len(got) < 5 || strings.Repeat(got[:5], len(got)/5) != got {
							t.Errorf("%d bytes, %v", len(got), err)
							return
						}
						mu.Lock()
						seen[got[:5]]++
						mu.Unlock()
					}
				})
			}
		}
		senders1.Wait()
		receivers.Wait()
		if len(seen) != 2*senders*each {
			t.Errorf("%d different messages of %d", len(seen), 2*senders*each)
		}
		for m, n := range seen {
			if n != 1 {
				t.Errorf("%s came %d times", m, n)
			}
		}
	})
}

// TestEndsTravelInMessages sends ends of pipes through other pipes, and themselves.
func TestEndsTravelInMessages(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context) {
		type letter struct {
			Text string
			End  *multiprocessing.Conn
			More []*multiprocessing.Conn
		}
		a, b := newPipe(t, multiprocessing.PipeConfig{})
		r, s := newPipe(t, multiprocessing.PipeConfig{Simplex: true, MaxMessage: 1000})
		must(t, multiprocessing.Send(ctx, a, letter{"hello", s, []*multiprocessing.Conn{a, nil}}))
		must(t, s.Close())
		got, err := multiprocessing.Recv[letter](ctx, b)
		if err != nil || got.Text != "hello" || got.End == nil || len(got.More) != 2 || got.More[0] == nil || got.More[1] != nil {
			t.Fatalf("%+v, %v", got, err)
		}
		defer got.More[0].Close()
		roundTrip(t, ctx, got.End, r, 5)
		if _, err := multiprocessing.Recv[int](ctx, got.End); !errors.Is(err, multiprocessing.ErrOneWay) {
			t.Errorf("the end that sends does not know that it does: %v", err)
		}
		if err := got.End.SendBytes(ctx, make([]byte, 1001)); !errors.Is(err, multiprocessing.ErrMessageTooLarge) {
			t.Errorf("the end has lost its limit: %v", err)
		}
		must(t, got.End.Close())
		if _, err := r.RecvBytes(ctx); err != io.EOF {
			t.Errorf("all copies of the other end are closed: %v", err)
		}
		roundTrip(t, ctx, got.More[0], b, 6)
		if err := multiprocessing.Send(ctx, a, s); err == nil || !strings.Contains(err.Error(), "was closed before") {
			t.Errorf("a closed end was sent: %v", err)
		}
		var zero multiprocessing.Conn
		if err := multiprocessing.Send(ctx, a, &zero); err == nil {
			t.Error("the zero Conn was sent")
		}
		roundTrip(t, ctx, a, b, 7)
	})
}

// TestFilesInMessages passes open files, also with large numbers and many of them.
func TestFilesInMessages(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context) {
		a, b := newPipe(t, multiprocessing.PipeConfig{})
		path := filepath.Join(t.TempDir(), "f")
		must(t, os.WriteFile(path, []byte("text"), 0o600))
		f, err := os.Open(path)
		must(t, err)
		defer f.Close()
		raw, err := f.SyscallConn()
		must(t, err)
		var high int
		must(t, raw.Control(func(fd uintptr) { high, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 300) }))
		must(t, err)
		g := os.NewFile(uintptr(high), "high")
		defer g.Close()

		type letter struct {
			Text  string
			Files []multiprocessing.File
		}
		for _, c := range []struct {
			text string
			file *os.File
			n    int
		}{{"one", f, 1}, {"high", g, 1}, {"many", f, 200}, {strings.Repeat("with a long text ", 10_000), g, 200}} {
			must(t, multiprocessing.Send(ctx, a, letter{c.text, slices.Repeat([]multiprocessing.File{{File: c.file}}, c.n)}))
			got, err := multiprocessing.Recv[letter](ctx, b)
			if err != nil || got.Text != c.text || len(got.Files) != c.n {
				t.Fatalf("%.10s: %d files, %v", c.text, len(got.Files), err)
			}
			for _, h := range got.Files {
				buf := make([]byte, 10)
				if n, err := h.ReadAt(buf, 0); string(buf[:n]) != "text" || err != io.EOF {
					t.Fatalf("%.10s: a file holds %q, %v", c.text, buf[:n], err)
				}
				h.Close()
			}
		}
		err = multiprocessing.Send(ctx, a, slices.Repeat([]multiprocessing.File{{File: f}}, 201))
		if err == nil || !strings.Contains(err.Error(), "201 open files") {
			t.Errorf("too many files: %v", err)
		}
		f.Close()
		if err := multiprocessing.Send(ctx, a, multiprocessing.File{File: f}); err == nil {
			t.Error("a closed file was sent")
		}
		// Files that nobody receives, or who takes them for something else, are closed.
		must(t, multiprocessing.Send(ctx, a, multiprocessing.File{File: g}))
		if _, err := multiprocessing.Recv[string](ctx, b); !errors.Is(err, multiprocessing.ErrMessageType) {
			t.Errorf("a file received as a string: %v", err)
		}
		must(t, multiprocessing.Send(ctx, a, multiprocessing.File{File: g}))
		if got, err := multiprocessing.Recv[[]string](ctx, b); err == nil {
			t.Errorf("a file received as %q", got)
		}
		must(t, multiprocessing.Send(ctx, a, multiprocessing.File{File: g}))
		if _, err := b.RecvBytes(ctx); err == nil {
			t.Error("a file received as bytes")
		}
		must(t, multiprocessing.Send(ctx, a, multiprocessing.File{File: g})) // stays in the pipe
	})
}
