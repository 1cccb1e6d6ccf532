package wire

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/internal/shm"
)

// The indices of a ring count bytes and overflow like any number.
func TestRingNearOverflow(t *testing.T) {
	for _, before := range []uint64{0, 8, 32, 40, minRing, minRing + 16, 3 * minRing} {
		t.Run(fmt.Sprint(before), func(t *testing.T) {
			a, b := ringPair(t, minRing, 1<<20, -before)
			if f, ok, err := b.TryRecv(); ok || err != nil {
				t.Fatalf("TryRecv of an empty ring: %+v, %v", f, err)
			}
			for i := range 100 {
				n := i * 37
				if err := a.Send(sample, nil, payload(n, byte(i))); err != nil {
					t.Fatal(err)
				}
				f, err := b.Recv()
				wantFrame(t, f, err, sample, nil, payload(n, byte(i)))
				if err := b.Send(sample, payload(n, byte(i)), nil); err != nil {
					t.Fatal(err)
				}
				f, err = a.Recv()
				wantFrame(t, f, err, sample, payload(n, byte(i)), nil)
			}
			if a.out.own >= -before && 0 < before && before < 3*minRing {
				t.Errorf("the index is still %d: it did not overflow", a.out.own)
			}
		})
	}
}

// Small messages stay at the beginning of a ring, wherever large ones have led.
func TestRingGoesHome(t *testing.T) {
	a, b := ringPair(t, 1<<20, 4<<20, ^uint64(3<<20-1))
	places := make(map[uint64]bool)
	for i := range 30_000 {
		n := 40
		if i%10_000 == 0 {
			n = 600_000
		}
		sent := make(chan error, 1)
		go func() { sent <- a.Send(sample, nil, payload(n, byte(i))) }()
		f, err := b.Recv()
		wantFrame(t, f, err, sample, nil, payload(n, byte(i)))
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		if i%10_000 > 2 {
			places[a.out.own&(a.out.size-1)>>12] = true
		}
		b.GiveBack()
	}
	if len(places) > (home+home/4)>>12+1 {
		t.Errorf("small messages were in %d pages of the ring", len(places))
	}
}

// A writer that has left out most of the ring waits for the room like any other.
func TestRingGoesHomeAndWaits(t *testing.T) {
	a, b := ringPair(t, 1<<20, 4<<20, 0)
	received := make(chan error)
	go func() {
		for {
			_, err := b.Recv()
			received <- err
			if err != nil {
				return
			}
		}
	}()
	for i := range 200 {
		// The first leads to where there is less room before than the second needs.
		n := home - headerSize
		if i%2 == 1 {
			n = maxFragment
		}
		if err := a.Send(sample, nil, payload(n, 0)); err != nil {
			t.Fatal(err)
		}
		if err := result(t, "Recv", received); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the receiver sleeps", func() bool { return b.in.words.hungry.Load() == 1 })
	}
	b.Close()
	wantError(t, "Recv", result(t, "Recv", received), ErrClosed)
}

// bothSides runs a test with each side of a ring as the one that is tested.
func bothSides(t *testing.T, test func(t *testing.T, own, peer *Ring)) {
	t.Run("parent", func(t *testing.T) {
		proctest.Check(t)
		parent, child := ringPair(t, minRing, 1<<20, 0)
		test(t, parent, child)
	})
	t.Run("child", func(t *testing.T) {
		proctest.Check(t)
		parent, child := ringPair(t, minRing, 1<<20, 0)
		test(t, child, parent)
	})
}

// fill sends until there is no more room for a frame of a quarter.
func fill(t testing.TB, r *Ring) {
	t.Helper()
	for r.out.size-(r.out.own-r.out.other) >= uint64(headerSize+r.out.size/4) {
		if err := r.Send(sample, nil, payload(int(r.out.size/4), 0)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRingCorruptTail(t *testing.T) {
	for _, by := range []int64{-8, -1, 1, 8, 31, minRing + 8, -minRing, 1 << 62} {
		bothSides(t, func(t *testing.T, own, peer *Ring) {
			if err := peer.Send(sample, nil, payload(50, 0)); err != nil {
				t.Fatal(err)
			}
			f, err := own.Recv()
			wantFrame(t, f, err, sample, nil, payload(50, 0))
			peer.out.words.tail.Add(uint64(by))
			_, _, err = own.TryRecv()
			wantCorrupt(t, fmt.Sprintf("TryRecv with a tail that is off by %d", by), err)
		})
	}
}

func TestRingCorruptHead(t *testing.T) {
	for _, by := range []int64{-8, -1, minRing, 1 << 62, -1 << 62} {
		bothSides(t, func(t *testing.T, own, peer *Ring) {
			fill(t, own)
			peer.in.words.head.Add(uint64(by))
			err := own.Send(sample, nil, payload(minRing/4, 0))
			wantCorrupt(t, fmt.Sprintf("Send with a head that is off by %d", by), err)
		})
	}
}

func TestRingCorruptFrame(t *testing.T) {
	for _, n := range []int{0, 50, checked, checked + 1} {
		for i := range headerSize + n {
			if i == headerSize && n > checked {
				break // the checksum covers the header only
			}
			if i > 100 && i < headerSize+n-8 && i%64 != 0 {
				continue
			}
			func() {
				a, b := ringPair(t, minRing, 1<<20, 0)
				defer a.Close()
				defer b.Close()
				if err := a.Send(sample, nil, payload(n, 0)); err != nil {
					t.Fatal(err)
				}
				b.in.data[i] ^= 0x41
				_, _, err := b.TryRecv()
				wantCorrupt(t, fmt.Sprintf("TryRecv of %d bytes with byte %d wrong", n, i), err)
			}()
		}
	}
}

// TestRingFlip changes each bit of a frame, but for the padding after it.
func TestRingFlip(t *testing.T) {
	p := payload(50, 0)
	good := sealed(fragment{Header: sample, total: 50}, p)
	a, b := ringPair(t, minRing, 1<<20, 0)
	for i := range 8 * len(good) {
		bad := slices.Clone(good)
		bad[i/8] ^= 1 << (i % 8)
		copy(a.out.data, bad)
		a.out.words.tail.Store(headerSize + roundUp(len(p)))
		_, ok, err := b.TryRecv()
		wantCorrupt(t, fmt.Sprintf("TryRecv (%v) with bit %d of byte %d wrong", ok, i%8, i/8), err)
	}
}

// TestRingCut publishes two frames up to each byte, and no more: what is complete is
// received, and what is not is never taken for a frame.
func TestRingCut(t *testing.T) {
	p := payload(50, 0)
	one := append(sealed(fragment{Header: sample, total: 50}, p), make([]byte, roundUp(len(p))-uint64(len(p)))...)
	both := append(slices.Clone(one), one...)
	for n := range len(both) + 1 {
		func() {
			a, b := ringPair(t, minRing, 1<<20, 0)
			defer a.Close()
			defer b.Close()
			copy(a.out.data, both)
			a.out.words.tail.Store(uint64(n))
			b.HangUp()
			for range n / len(one) {
				f, ok, err := b.TryRecv()
				if !ok {
					t.Fatalf("cut after %d bytes: no frame, %v", n, err)
				}
				wantFrame(t, f, err, sample, nil, p)
			}
			f, ok, err := b.TryRecv()
			if n%len(one) == 0 {
				if ok || err != io.EOF {
					t.Errorf("cut after %d bytes: %+v, %v", n, f, err)
				}
				return
			}
			if ok {
				t.Errorf("cut after %d bytes: the frame %+v", n, f)
			}
			wantCorrupt(t, fmt.Sprintf("cut after %d bytes", n), err)
		}()
	}
}

// TestRingNonsense receives fragments that are intact and make no sense.
func TestRingNonsense(t *testing.T) {
	for _, c := range []struct {
		name   string
		f      fragment
		length int
	}{
		{"larger than a quarter", fragment{Header: sample, total: minRing/4 + 8}, minRing/4 + 8},
		{"files", fragment{Header: sample, files: 1}, 0},
		{"empty", fragment{Header: sample, total: 8}, 0},
		{"out of turn", fragment{Header: sample, total: 8, further: true}, 8},
		{"beyond the limit", fragment{Header: sample, total: 1<<20 + 1}, 8},
		{"skips too much", fragment{Header: Header{Kind: kindSkip, Seq: 8}}, 0},
		{"skips something else", fragment{Header: Header{Kind: kindSkip, Seq: 8}, total: 8}, 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := ringPair(t, minRing, 1<<20, 0)
			bytes := sealed(c.f, payload(c.length, 0))
			if c.length > checked {
				seal(bytes[:headerSize], nil)
			}
			copy(a.out.data, bytes)
			a.out.words.tail.Store(headerSize + roundUp(c.length))
			_, _, err := b.TryRecv()
			wantCorrupt(t, "TryRecv", err)
		})
	}
}

// sleepers has goroutines of own that sleep, one in Send and one in Recv, and returns
// what they return.
func sleepers(t *testing.T, own *Ring) (sent, received <-chan error) {
	t.Helper()
	fill(t, own)
	s, r := make(chan error, 1), make(chan error, 1)
	go func() { s <- own.Send(sample, nil, payload(minRing/4, 1)) }()
	go func() {
		_, err := own.Recv()
		r <- err
	}()
	eventually(t, "the sender sleeps", func() bool { return own.out.words.crowded.Load() == 1 })
	eventually(t, "the receiver sleeps", func() bool { return own.in.words.hungry.Load() == 1 })
	return s, r
}

func TestRingCloseWakes(t *testing.T) {
	bothSides(t, func(t *testing.T, own, _ *Ring) {
		sent, received := sleepers(t, own)
		if err := own.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		wantError(t, "Send", result(t, "Send", sent), ErrClosed)
		wantError(t, "Recv", result(t, "Recv", received), ErrClosed)
	})
}

func TestRingHangUpWakes(t *testing.T) {
	bothSides(t, func(t *testing.T, own, _ *Ring) {
		sent, received := sleepers(t, own)
		own.HangUp()
		wantError(t, "Send", result(t, "Send", sent), ErrGone)
		wantError(t, "Recv", result(t, "Recv", received), io.EOF)
	})
}

// What the dead process had published is received.
func TestRingHangUpLeavesTheRest(t *testing.T) {
	bothSides(t, func(t *testing.T, own, peer *Ring) {
		for i := range 3 {
			if err := peer.Send(sample, nil, payload(50, byte(i))); err != nil {
				t.Fatal(err)
			}
		}
		own.HangUp()
		for i := range 3 {
			f, err := own.Recv()
			wantFrame(t, f, err, sample, nil, payload(50, byte(i)))
		}
		_, err := own.Recv()
		wantError(t, "Recv at the end", err, io.EOF)
	})
}

// A message of which only a part was published is cut short.
func TestRingHangUpInsideMessage(t *testing.T) {
	bothSides(t, func(t *testing.T, own, peer *Ring) {
		sent := make(chan error, 1)
		go func() { sent <- peer.Send(sample, nil, payload(2*minRing, 0)) }()
		eventually(t, "the sender sleeps", func() bool { return peer.out.words.crowded.Load() == 1 })
		peer.HangUp() // it sends no more
		wantError(t, "Send", result(t, "Send", sent), ErrGone)
		own.HangUp()
		_, err := own.Recv()
		wantError(t, "Recv", err, io.ErrUnexpectedEOF)
	})
}

// TestRingSleeps hands single frames to and fro between sides that sleep.
func TestRingSleeps(t *testing.T) {
	bothSides(t, func(t *testing.T, own, peer *Ring) {
		received := make(chan error)
		go func() {
			for range 50 {
				f, err := own.Recv()
				if err == nil && len(f.Payload) != 3 {
					err = fmt.Errorf("a payload of %d bytes", len(f.Payload))
				}
				received <- err
			}
		}()
		for range 50 {
			eventually(t, "the receiver sleeps", func() bool { return own.in.words.hungry.Load() == 1 })
			if err := peer.Send(sample, nil, payload(3, 0)); err != nil {
				t.Fatal(err)
			}
			if err := result(t, "Recv", received); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A quiet frame wakes nobody until Flush.
func TestRingQuiet(t *testing.T) {
	bothSides(t, func(t *testing.T, own, peer *Ring) {
		received := make(chan error, 1)
		go func() {
			_, err := peer.Recv()
			received <- err
		}()
		flag := &peer.in.words.hungry
		eventually(t, "the receiver sleeps", func() bool { return flag.Load() == 1 })
		if err := own.SendQuiet(sample, nil, payload(3, 0)); err != nil {
			t.Fatal(err)
		}
		if flag.Load() != 1 {
			t.Error("SendQuiet woke the receiver")
		}
		if err := own.Flush(); err != nil {
			t.Error(err)
		}
		wantError(t, "Recv", result(t, "Recv", received), nil)
		own.Close()
		wantError(t, "Flush after Close", own.Flush(), ErrClosed)
	})
}

// Who waits for room wakes the receiver that all has been sent to quietly.
func TestRingQuietUntilFull(t *testing.T) {
	bothSides(t, func(t *testing.T, own, peer *Ring) {
		received := make(chan error, 1)
		go func() {
			for range 5 {
				if _, err := peer.Recv(); err != nil {
					received <- err
					return
				}
			}
			received <- nil
		}()
		eventually(t, "the receiver sleeps", func() bool { return peer.in.words.hungry.Load() == 1 })
		// Half of the ring, then a quarter, then more than is left.
		for _, n := range []int{minRing/4 - headerSize, minRing/4 - headerSize, minRing / 4, minRing / 4, 0} {
			if err := own.SendQuiet(sample, nil, payload(n, 0)); err != nil {
				t.Fatal(err)
			}
		}
		if err := own.Flush(); err != nil {
			t.Error(err)
		}
		wantError(t, "Recv", result(t, "Recv", received), nil)
	})
}

func pay(r *Ring) {
	r.receive.Lock()
	defer r.receive.Unlock()
	if !r.closed.Load() {
		r.payDebt()
	}
}

// The wake-up that SendLast owes is paid when the receiver does not help himself, and
// not if he does.
func TestRingSendLast(t *testing.T) {
	bothSides(t, func(t *testing.T, own, peer *Ring) {
		awake := make(chan error, 1)
		go func() { awake <- own.Await() }()
		flag := &own.in.words.hungry
		eventually(t, "Await sleeps", func() bool { return flag.Load() == 1 })
		if err := peer.SendLast(sample, nil, nil); err != nil {
			t.Fatal(err)
		}
		if flag.Load() != 1 {
			t.Error("SendLast woke the receiver")
		}
		for range 2 { // the second gives back what the first has lent
			if _, _, err := own.TryRecv(); err != nil {
				t.Fatal(err)
			}
		}
		pay(peer)
		if flag.Load() != 1 {
			t.Error("the receiver was woken for what he had taken")
		}
		if err := peer.SendLast(sample, nil, nil); err != nil {
			t.Fatal(err)
		}
		pay(peer)
		// Await may have returned without a reason.
		wantError(t, "Await", result(t, "Await", awake), nil)
		if _, ok, err := own.TryRecv(); !ok || err != nil {
			t.Errorf("TryRecv: %v, %v; want a frame", ok, err)
		}
	})
}

// Who sends last and then waits wakes the receiver.
func TestRingSendLastThenAwait(t *testing.T) {
	bothSides(t, func(t *testing.T, own, peer *Ring) {
		for range 50 {
			received := make(chan error, 1)
			go func() {
				_, err := own.Recv()
				received <- err
			}()
			eventually(t, "the receiver sleeps", func() bool { return own.in.words.hungry.Load() == 1 })
			if err := peer.SendLast(sample, nil, payload(3, 0)); err != nil {
				t.Fatal(err)
			}
			answered := make(chan error, 1)
			go func() {
				_, err := peer.Recv()
				answered <- err
			}()
			if err := result(t, "Recv", received); err != nil {
				t.Fatal(err)
			}
			if err := own.Send(sample, nil, nil); err != nil {
				t.Fatal(err)
			}
			if err := result(t, "Recv of the answer", answered); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestRingCloseRaces closes a ring under all who use it: nobody touches the memory
// afterwards, which would be the end of the process.
func TestRingCloseRaces(t *testing.T) {
	for range 10 {
		bothSides(t, func(t *testing.T, own, peer *Ring) {
			var users sync.WaitGroup
			for name, use := range map[string]func() error{
				"Await": own.Await,
				"Mark": func() error {
					if !own.parent {
						return ErrClosed // not while Close runs
					}
					return own.Mark(1)
				},
				"Send": func() error { return own.Send(sample, nil, payload(100, 0)) },
				"TryRecv": func() error {
					_, _, err := own.TryRecv()
					return err
				},
				"HangUp": func() error {
					own.HangUp()
					own.PeerMark()
					pay(own)
					return own.Flush()
				},
			} {
				users.Go(func() {
					for {
						switch err := use(); {
						case errors.Is(err, ErrClosed):
							return
						case err != nil && !errors.Is(err, ErrGone) && !errors.Is(err, io.EOF):
							t.Errorf("%s: %v", name, err)
							return
						}
					}
				})
			}
			users.Go(func() {
				for peer.Send(sample, nil, nil) == nil {
					if _, _, err := peer.TryRecv(); err != nil && !errors.Is(err, io.EOF) {
						t.Errorf("TryRecv: %v", err)
					}
					if own.closed.Load() {
						peer.HangUp()
					}
				}
			})
			eventually(t, "a frame was sent", func() bool { return own.in.words.tail.Load() != 0 })
			if err := own.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			peer.HangUp()
			done := make(chan struct{})
			go func() {
				users.Wait()
				close(done)
			}()
			result(t, "all", done)
		})
	}
}

func TestNewRingSize(t *testing.T) {
	proctest.Check(t)
	for _, size := range []int{-1, 0, minRing / 2, minRing + 4096, 2 * maxRing} {
		if r, files, err := NewRing(size, 1); err == nil {
			closeFiles(files)
			r.Close()
			t.Errorf("NewRing(%d): no error", size)
		}
	}
}

// OpenRing looks at what it is given before it uses it.
func TestOpenRingNonsense(t *testing.T) {
	proctest.Check(t)
	r, files, err := NewRing(minRing, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer closeFiles(files)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	odd, err := shm.Create("odd", 3*minRing)
	if err != nil {
		t.Fatal(err)
	}
	defer odd.Close()
	for _, c := range []struct {
		name  string
		files []*os.File
	}{
		{"none", nil},
		{"too few", files[:4]},
		{"no memory files", []*os.File{null, null, null, null, null}},
		{"a ring for the control page", []*os.File{files[1], files[1], files[2], files[3], files[4]}},
		{"the control page for a ring", []*os.File{files[0], files[0], files[2], files[3], files[4]}},
		{"an odd size", []*os.File{files[0], files[1], odd, files[3], files[4]}},
		{"no memory file for a ring", []*os.File{files[0], files[1], null, files[3], files[4]}},
	} {
		if r, err := OpenRing(c.files, 1); err == nil {
			r.Close()
			t.Errorf("%s: no error", c.name)
		}
	}
}

// The watch of the side that opened the ring stays within its bounds.
func TestRingWatch(t *testing.T) {
	a, b := ringPair(t, minRing, 100, 0)
	for i := range 200 {
		if err := a.Send(sample, nil, nil); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			if err := b.Await(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := b.Recv(); err != nil {
			t.Fatal(err)
		}
		if b.watch < 0 || b.watch > maxWatch || a.watch != 0 {
			t.Fatalf("watches of %v and %v, want at most %v and 0", b.watch, a.watch, time.Duration(maxWatch))
		}
	}
}

// TestRingAwaitLeavesTheLoan: while one goroutine uses a payload, another one that waits
// does not give it back.
func TestRingAwaitLeavesTheLoan(t *testing.T) {
	bothSides(t, func(t *testing.T, own, peer *Ring) {
		for range 2 { // so that Await has no reason to sleep, whatever it gives back
			if err := peer.Send(Header{Kind: 1}, []byte("payload"), nil); err != nil {
				t.Fatal(err)
			}
		}
		if _, ok, err := own.TryRecv(); !ok || err != nil {
			t.Fatal(ok, err)
		}
		head := own.in.words.head.Load()
		if err := own.Await(); err != nil {
			t.Fatal(err)
		}
		if now := own.in.words.head.Load(); now != head {
			t.Errorf("Await gave back %d bytes that were lent", now-head)
		}
		own.GiveBack()
		if own.in.words.head.Load() == head {
			t.Error("GiveBack gave nothing back")
		}
	})
}
