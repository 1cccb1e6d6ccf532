package wire

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/go-braid/braid/internal/proctest"
	"pgregory.net/rapid"
)

var sizes = []int{
	0, 1, 7, 8, 9, 4095, 4096, 4097,
	64<<10 - 1, 64 << 10, 64<<10 + 1, 256<<10 - 1, 256 << 10, 256<<10 + 1, 3 << 20,
}

// TestSizes sends payloads of all kinds of sizes, split in all kinds of ways, both ways
// at once.
func TestSizes(t *testing.T) {
	eachKind(t, func(t *testing.T, k linkKind) {
		proctest.Check(t)
		a, b := k.open(t, 8<<20)
		type message struct {
			h           Header
			small, bulk []byte
		}
		var messages []message
		for i, n := range sizes {
			p := payload(n, byte(i))
			for _, at := range slices.Compact([]int{0, min(n, 1), n / 2, n}) {
				h := Header{Kind: byte(1 + i), Flags: byte(n), Index: uint32(n), Seq: ^uint64(at)}
				messages = append(messages, message{h, p[:at], p[at:]})
			}
		}
		sent := make(chan error, 2)
		for _, l := range []Link{a, b} {
			go func() {
				for _, m := range messages {
					if err := l.Send(m.h, m.small, m.bulk); err != nil {
						sent <- fmt.Errorf("Send of %d+%d bytes: %w", len(m.small), len(m.bulk), err)
						return
					}
				}
				sent <- nil
			}()
		}
		var both sync.WaitGroup
		for _, l := range []Link{a, b} {
			both.Go(func() {
				var owned Frame
				var want []byte
				for _, m := range messages {
					f, err := l.Recv()
					if err != nil {
						t.Errorf("Recv: %v", err)
						return
					}
					if f.Header != m.h || string(f.Payload) != string(m.small)+string(m.bulk) || f.Files != nil {
						t.Errorf("%+v with %d bytes is not %+v with %d+%d", f.Header, len(f.Payload), m.h, len(m.small), len(m.bulk))
						return
					}
					if string(owned.Payload) != string(want) {
						t.Errorf("an owned payload of %d bytes changed with the next frame", len(want))
						return
					}
					if owned, want = (Frame{}), nil; f.Owned {
						owned, want = f, slices.Clone(f.Payload)
					}
				}
			})
		}
		for range 2 {
			if err := result(t, "Send", sent); err != nil {
				t.Error(err)
			}
		}
		both.Wait()
	})
}

func TestManySenders(t *testing.T) {
	eachKind(t, func(t *testing.T, k linkKind) {
		a, b := k.open(t, 1<<20)
		const senders, each = 4, 100
		errs := make(chan error, senders)
		for i := range senders {
			go func() {
				for j := range each {
					n := (i*7919 + j*4099) % 100_000
					if err := a.Send(Header{Kind: 1, Index: uint32(i), Seq: uint64(j)}, nil, payload(n, byte(j))); err != nil {
						errs <- err
						return
					}
				}
				errs <- nil
			}()
		}
		var next [senders]int
		for range senders * each {
			f, err := b.Recv()
			if err != nil {
				t.Fatal(err)
			}
			i := int(f.Index)
			j := next[i]
			next[i]++
			wantFrame(t, f, err, Header{Kind: 1, Index: uint32(i), Seq: uint64(j)}, nil, payload((i*7919+j*4099)%100_000, byte(j)))
		}
		for range senders {
			if err := result(t, "Send", errs); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestTooLarge(t *testing.T) {
	eachKind(t, func(t *testing.T, k linkKind) {
		a, b := k.open(t, 10)
		wantError(t, "Send of 11 bytes", a.Send(Header{Kind: 1}, payload(6, 0), payload(5, 0)), ErrTooLarge)
		// Nothing was sent, and the link is as good as before.
		sent := make(chan error, 1)
		go func() { sent <- a.Send(Header{Kind: 2}, payload(5, 1), payload(5, 2)) }()
		f, err := b.Recv()
		wantFrame(t, f, err, Header{Kind: 2}, payload(5, 1), payload(5, 2))
		wantError(t, "Send of 10 bytes", result(t, "Send", sent), nil)
	})
}

// A mark counts at the latest with the next frame.
func TestMark(t *testing.T) {
	eachKind(t, func(t *testing.T, k linkKind) {
		a, b := k.open(t, 10)
		if m := b.PeerMark(); m != 0 {
			t.Errorf("PeerMark() = %d before there is one, want 0", m)
		}
		sent := make(chan error, 3)
		go func() {
			sent <- a.Mark(41)
			sent <- a.Mark(42)
			sent <- a.Send(Header{Kind: 1}, nil, nil)
		}()
		f, err := b.Recv()
		wantFrame(t, f, err, Header{Kind: 1}, nil, nil)
		if m := b.PeerMark(); m != 42 {
			t.Errorf("PeerMark() = %d, want 42", m)
		}
		for range 3 {
			wantError(t, "Mark or Send", result(t, "Mark or Send", sent), nil)
		}
		b.Close()
		if m := b.PeerMark(); m != 42 {
			t.Errorf("PeerMark() = %d after Close, want 42", m)
		}
	})
}

// After Close all calls return, and do nothing.
func TestClosed(t *testing.T) {
	eachKind(t, func(t *testing.T, k linkKind) {
		proctest.Check(t)
		a, b := k.open(t, 10)
		for _, l := range []Link{a, b} {
			if err := l.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			wantError(t, "Send", l.Send(Header{Kind: 1}, nil, nil), ErrClosed)
			wantError(t, "Mark", l.Mark(1), ErrClosed)
			_, err := l.Recv()
			wantError(t, "Recv", err, ErrClosed)
			l.HangUp()
			_, err = l.Recv()
			wantError(t, "Recv after HangUp", err, ErrClosed)
			if err := l.Close(); err != nil {
				t.Errorf("the second Close: %v", err)
			}
		}
	})
}

// TestPipeWakes ends a pipe under who waits for it.
func TestPipeWakes(t *testing.T) {
	for _, c := range []struct {
		name       string
		end        func(near, far Link)
		send, recv error
	}{
		{"Close", func(near, _ Link) { near.Close() }, ErrClosed, ErrClosed},
		{"Close there", func(_, far Link) { far.Close() }, io.ErrClosedPipe, io.EOF},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := pipes(t, 1<<20)
				sent, received := make(chan error, 1), make(chan error, 1)
				go func() { sent <- near.Send(Header{Kind: 1}, nil, payload(1000, 0)) }()
				go func() {
					_, err := near.Recv()
					received <- err
				}()
				synctest.Wait() // both sleep
				c.end(near, far)
				wantError(t, "Send", <-sent, c.send)
				wantError(t, "Recv", <-received, c.recv)
			})
		})
	}
}

// A descendant of the dead process may have the other end: nobody waits for it for long.
func TestPipeHangUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, _ := pipes(t, 1<<20)
		sent, received := make(chan error, 1), make(chan error, 1)
		go func() { sent <- near.Send(Header{Kind: 1}, nil, payload(1000, 0)) }()
		go func() {
			_, err := near.Recv()
			received <- err
		}()
		synctest.Wait()
		near.HangUp()
		if err := <-sent; err == nil {
			t.Error("Send to a dead process succeeded")
		}
		wantError(t, "Recv", <-received, io.EOF)
		wantError(t, "Send afterwards", near.Send(Header{Kind: 1}, nil, nil), ErrGone)
	})
}

// TestModel sends frames at random: they arrive in order and equal.
func TestModel(t *testing.T) {
	eachKind(t, func(t *testing.T, k linkKind) {
		rapid.Check(t, func(rt *rapid.T) {
			a, b := k.open(t, 1<<20)
			defer a.Close()
			defer b.Close()
			size := rapid.OneOf(rapid.IntRange(0, 100), rapid.IntRange(0, 10_000), rapid.SampledFrom(sizes[:len(sizes)-1]))
			ns := rapid.SliceOfN(size, 1, 30).Draw(rt, "sizes")
			at := rapid.IntRange(0, slices.Max(ns)).Draw(rt, "split")
			sent := make(chan error, 1)
			go func() {
				for i, n := range ns {
					p := payload(n, byte(i))
					if err := a.Send(Header{Kind: 1, Seq: uint64(i)}, p[:min(at, n)], p[min(at, n):]); err != nil {
						sent <- err
						return
					}
					if err := a.Mark(uint64(i + 1)); err != nil {
						sent <- err
						return
					}
				}
				sent <- a.Send(Header{Kind: 2}, nil, nil)
			}()
			for i, n := range ns {
				f, err := b.Recv()
				wantFrame(t, f, err, Header{Kind: 1, Seq: uint64(i)}, nil, payload(n, byte(i)))
				if m := b.PeerMark(); m < uint64(i) {
					rt.Fatalf("the mark is %d with frame %d", m, i)
				}
			}
			f, err := b.Recv()
			wantFrame(t, f, err, Header{Kind: 2}, nil, nil)
			if m := b.PeerMark(); m != uint64(len(ns)) {
				rt.Fatalf("the mark is %d after %d frames", m, len(ns))
			}
			wantError(t, "Send", result(t, "Send", sent), nil)
		})
	})
}
