package connection

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"

	"github.com/go-braid/braid/internal/parcel"
	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/internal/wire"
	"github.com/go-braid/braid/multiprocessing"
	"github.com/go-braid/braid/strand"
)

// streamPair returns a Conn over a stream that holds nothing back: who writes waits for
// who reads. The other side is bare.
func streamPair(t *testing.T) (*multiprocessing.Conn, net.Conn) {
	t.Helper()
	a, b := net.Pipe()
	c := multiprocessing.NewConn(newStream(a, 1<<20), nil)
	t.Cleanup(func() {
		c.Close()
		b.Close()
	})
	return c, b
}

func read(t *testing.T, c net.Conn, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := io.ReadFull(c, b); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestInterruptedSend cancels a send after each number of bytes. One of which nothing
// has left is not sent; any other is, with what is left of it behind the sender's back,
// and the next message comes after it.
func TestInterruptedSend(t *testing.T) {
	message := bytes.Repeat([]byte("text"), 10_000) // long enough to be written apart from its header
	var whole int
	for _, cut := range []int{0, 1, 10, 31, 32, 33, 100, 20_000, len(message) + 31, len(message) + 32} {
		for _, parked := range []bool{false, true} {
			proctest.Check(t)
			c, other := streamPair(t)
			ctx, cancel := context.WithCancel(context.Background())
			if parked {
				ctx = strand.WithParker(ctx, parkingGoroutine{})
			}
			sent := make(chan error, 1)
			go func() { sent <- c.SendBytes(ctx, message) }()
			got := read(t, other, cut)
			cancel()
			err := <-sent
			link := wire.NewStream(struct {
				io.Reader
				io.WriteCloser
			}{io.MultiReader(bytes.NewReader(got), other), other}, 1<<20)
			go func() { sent <- c.SendBytes(context.Background(), []byte("next")) }()
			if cut == 0 {
				if err == nil {
					t.Error("a message of which nothing has left is taken for sent")
				}
			} else {
				if err != nil {
					t.Errorf("%d bytes had left: %v", cut, err)
				}
				f, err := link.Recv()
				if err != nil || !bytes.Equal(f.Payload, message) {
					t.Fatalf("cut after %d bytes, %d came, %v", cut, len(f.Payload), err)
				}
				whole++
			}
			if f, err := link.Recv(); err != nil || string(f.Payload) != "next" {
				t.Fatalf("cut after %d bytes, the next message is %q, %v", cut, f.Payload, err)
			}
			if err := <-sent; err != nil {
				t.Errorf("the next send: %v", err)
			}
		}
	}
	if whole == 0 {
		t.Error("no message was interrupted in its middle")
	}
}

// parkingGoroutine parks strands that are not plain goroutines, though they are.
type parkingGoroutine struct{ strand.Goroutine }

// TestCloseCompletesSend closes a connection while the rest of a message is written:
// that is completed.
func TestCloseCompletesSend(t *testing.T) {
	proctest.Check(t)
	c, other := streamPair(t)
	ctx, cancel := context.WithCancel(context.Background())
	sent := make(chan error, 1)
	message := bytes.Repeat([]byte("text"), 10_000)
	go func() { sent <- c.SendBytes(ctx, message) }()
	got := read(t, other, 50)
	cancel()
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.SendBytes(context.Background(), nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a send after Close: %v", err)
	}
	rest, err := io.ReadAll(other)
	if n := len(got) + len(rest); err != nil || n != len(message)+32 {
		t.Errorf("%d bytes came, %v; want %d", n, err, len(message)+32)
	}
}

// TestStreamNonsense: what makes no sense ends the connection, with an error that stays.
func TestStreamNonsense(t *testing.T) {
	for name, c := range map[string]struct {
		send func(l *wire.Stream, other net.Conn)
		want error
	}{
		"garbage": {func(_ *wire.Stream, other net.Conn) { _, _ = other.Write(make([]byte, 64)) }, parcel.ErrNonsense},
		"kind":    {func(l *wire.Stream, _ net.Conn) { _ = l.Send(wire.Header{Kind: 9}, nil, nil) }, parcel.ErrNonsense},
		"seq":     {func(l *wire.Stream, _ net.Conn) { _ = l.Send(wire.Header{Kind: 1, Seq: 1}, nil, nil) }, parcel.ErrNonsense},
		"shape":   {func(l *wire.Stream, _ net.Conn) { _ = l.Send(wire.Header{Kind: 1, Index: 256}, nil, nil) }, parcel.ErrNonsense},
		"size":    {func(l *wire.Stream, _ net.Conn) { _ = l.Send(wire.Header{Kind: 1}, make([]byte, 1<<20+1), nil) }, parcel.ErrNonsense},
		"cut": {func(_ *wire.Stream, other net.Conn) {
			_, _ = other.Write(make([]byte, 10))
			_ = other.Close()
		}, io.ErrUnexpectedEOF},
		"end": {func(_ *wire.Stream, other net.Conn) { _ = other.Close() }, io.EOF},
	} {
		t.Run(name, func(t *testing.T) {
			proctest.Check(t)
			conn, other := streamPair(t)
			done := make(chan struct{})
			go func() {
				defer close(done)
				c.send(wire.NewStream(other, 2<<20), other)
			}()
			for range 3 {
				if _, err := conn.RecvBytes(context.Background()); !errors.Is(err, c.want) {
					t.Errorf("RecvBytes = %v, want %v", err, c.want)
				}
			}
			conn.Close()
			<-done
		})
	}
}

// TestStreamCarriesNoFiles: a network cannot, and says so.
func TestStreamCarriesNoFiles(t *testing.T) {
	proctest.Check(t)
	c, _ := streamPair(t)
	if err := multiprocessing.Send(context.Background(), c, c); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a Conn over a network was sent: %v", err)
	}
}

// FuzzStreamConn receives values from somebody who has the key, and sends whatever he
// likes.
func FuzzStreamConn(f *testing.F) {
	for _, frame := range streamSamples(f) {
		f.Add(frame, uint8(0))
		f.Add(frame, uint8(3))
	}
	f.Fuzz(func(t *testing.T, b []byte, as uint8) {
		a, other := net.Pipe()
		c := multiprocessing.NewConn(newStream(a, 1<<20), nil)
		defer c.Close()
		go func() {
			_, _ = other.Write(b)
			_ = other.Close()
		}()
		for {
			if err := receiveAs(c, as); err == io.EOF || err == nil && as%8 == 7 {
				return
			} else if err != nil && !errors.Is(err, multiprocessing.ErrMessageType) {
				return
			}
		}
	})
}

// receiveAs receives a value as one of several types.
func receiveAs(c *multiprocessing.Conn, as uint8) (err error) {
	ctx := context.Background()
	switch as % 8 {
	case 0:
		_, err = c.RecvBytes(ctx)
	case 1:
		_, err = multiprocessing.Recv[int](ctx, c)
	case 2:
		_, err = multiprocessing.Recv[string](ctx, c)
	case 3:
		_, err = multiprocessing.Recv[map[string][]int](ctx, c)
	case 4:
		_, err = multiprocessing.Recv[[]float64](ctx, c)
	case 5:
		_, err = multiprocessing.Recv[any](ctx, c)
	case 6:
		_, err = multiprocessing.Recv[[]bool](ctx, c)
	case 7:
		err = c.Poll(ctx)
	}
	return err
}

// streamSamples returns frames as Conns send them.
func streamSamples(t testing.TB) (frames [][]byte) {
	for _, send := range []func(c *multiprocessing.Conn) error{
		func(c *multiprocessing.Conn) error { return c.SendBytes(context.Background(), []byte("hello")) },
		func(c *multiprocessing.Conn) error { return multiprocessing.Send(context.Background(), c, 42) },
		func(c *multiprocessing.Conn) error {
			return multiprocessing.Send(context.Background(), c, map[string][]int{"x": {1, 2}})
		},
		func(c *multiprocessing.Conn) error {
			return multiprocessing.Send(context.Background(), c, []float64{1, 2})
		},
	} {
		a, b := net.Pipe()
		c := multiprocessing.NewConn(newStream(a, 1<<20), nil)
		sent := make(chan error, 1)
		go func() {
			sent <- send(c)
			_ = c.Close()
		}()
		frame, err := io.ReadAll(b)
		if err := errors.Join(err, <-sent); err != nil {
			t.Fatal(err)
		}
		frames = append(frames, frame)
	}
	return frames
}
