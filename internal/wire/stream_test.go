package wire

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/synctest"
)

// memory is a connection that reads from one place and writes to another.
type memory struct {
	io.Reader
	io.Writer
}

func (memory) Close() error { return nil }

// encoded returns what a stream writes for a frame.
func encoded(t testing.TB, h Header, payload []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := NewStream(memory{nil, &b}, 1<<30).Send(h, nil, payload); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func decoder(b []byte) *Stream { return NewStream(memory{Reader: bytes.NewReader(b)}, 1<<30) }

var (
	sample    = Header{Kind: 3, Flags: 5, Index: 7, Seq: 1 << 60}
	fragments = streamFragment + 100 // the size of a payload in two fragments
)

// TestCut ends a stream after each byte of two frames.
func TestCut(t *testing.T) {
	p := payload(50, 0)
	one := encoded(t, sample, p)
	both := append(bytes.Clone(one), one...)
	for n := range len(both) + 1 {
		s := decoder(both[:n])
		for range n / len(one) {
			f, err := s.Recv()
			wantFrame(t, f, err, sample, nil, p)
		}
		want := io.ErrUnexpectedEOF
		if n%len(one) == 0 {
			want = io.EOF
		}
		if f, err := s.Recv(); !errors.Is(err, want) {
			t.Errorf("cut after %d bytes: Recv = %+v, %v; want %v", n, f, err, want)
		}
	}
}

// TestCutFragments ends a stream around the edges of the fragments of a message.
func TestCutFragments(t *testing.T) {
	p := payload(fragments, 0)
	all := encoded(t, sample, p)
	edge := headerSize + streamFragment
	for _, n := range []int{1, headerSize, edge - 1, edge, edge + 1, edge + headerSize, len(all) - 1} {
		if f, err := decoder(all[:n]).Recv(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut after %d bytes: Recv = %+v, %v; want io.ErrUnexpectedEOF", n, f.Header, err)
		}
	}
	f, err := decoder(all).Recv()
	wantFrame(t, f, err, sample, nil, p)
}

// TestFlip changes each bit of a frame.
func TestFlip(t *testing.T) {
	one := encoded(t, sample, payload(50, 0))
	for i := range 8 * len(one) {
		b := bytes.Clone(one)
		b[i/8] ^= 1 << (i % 8)
		f, err := decoder(b).Recv()
		var bad *CorruptError
		if !errors.As(err, &bad) {
			t.Errorf("bit %d of byte %d is wrong: Recv = %+v, %v; want a CorruptError", i%8, i/8, f, err)
		}
	}
}

// TestFlipFragments changes each byte of the headers of a message in two fragments.
func TestFlipFragments(t *testing.T) {
	all := encoded(t, sample, payload(fragments, 0))
	for _, start := range []int{0, headerSize + streamFragment} {
		for i := range headerSize + 1 {
			b := bytes.Clone(all)
			b[start+i] ^= 0x55
			_, err := decoder(b).Recv()
			wantCorrupt(t, "a wrong byte", err)
		}
	}
}

// sealed returns the bytes of a fragment that has a correct checksum.
func sealed(f fragment, payload []byte) []byte {
	b := make([]byte, headerSize)
	f.length = len(payload)
	putHeader(b, &f)
	seal(b, payload)
	return append(b, payload...)
}

// TestNonsense receives fragments that are intact and make no sense.
func TestNonsense(t *testing.T) {
	h := Header{Kind: 1, Seq: 1}
	first := sealed(fragment{Header: h, total: 20}, payload(10, 0))
	for _, c := range []struct {
		name   string
		before []byte
		f      fragment
		length int
	}{
		{"kind 0", nil, fragment{}, 0},
		{"beyond the limit", nil, fragment{Header: h, total: 1<<30 + 1}, 0},
		{"a negative length", nil, fragment{Header: h, total: -1}, 0},
		{"longer than the message", nil, fragment{Header: h, total: 9}, 10},
		{"a further one first", nil, fragment{Header: h, total: 20, further: true}, 10},
		{"a first one within a message", first, fragment{Header: h, total: 10}, 10},
		{"another total", first, fragment{Header: h, total: 21, further: true}, 10},
		{"another header", first, fragment{Header: Header{Kind: 1, Seq: 2}, total: 20, further: true}, 10},
		{"empty within a message", first, fragment{Header: h, total: 20, further: true}, 0},
		{"too much of a message", first, fragment{Header: h, total: 20, further: true}, 11},
		{"files on a link without", nil, fragment{Header: h, files: 1}, 0},
		{"files with a part", nil, fragment{Header: h, total: 20, files: 1}, 10},
		{"files within a message", first, fragment{Header: h, total: 20, further: true, files: 1}, 10},
		{"files with a mark", nil, fragment{Header: Header{Kind: kindMark}, files: 1}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := decoder(append(bytes.Clone(c.before), sealed(c.f, payload(c.length, 0))...))
			_, err := s.Recv()
			wantCorrupt(t, "Recv", err)
		})
	}
}

// A length that lies costs no memory beyond what it is trusted for.
func TestLyingLength(t *testing.T) {
	b := sealed(fragment{Header: sample, total: 1 << 30}, nil)
	b[7] = 0x10 // 256 MiB in this fragment
	s := decoder(b)
	if _, err := s.Recv(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Recv: %v, want io.ErrUnexpectedEOF", err)
	}
	var a assembly
	a.begin(fragment{total: 1 << 40})
	if n := cap(a.buf); n > trusted {
		t.Errorf("%d bytes are set aside, want at most %d", n, trusted)
	}
}

// What was read ahead is not received after Close.
func TestClosedWithFramesReadAhead(t *testing.T) {
	one := encoded(t, sample, payload(50, 0))
	s := decoder(append(bytes.Clone(one), one...))
	if _, err := s.Recv(); err != nil {
		t.Fatal(err)
	}
	s.Close()
	_, err := s.Recv()
	wantError(t, "Recv", err, ErrClosed)
}

// A stream on which a frame was written in part takes no more.
func TestBrokenStream(t *testing.T) {
	r, w := io.Pipe()
	s := NewStream(memory{r, w}, 100)
	go func() {
		_, _ = io.CopyN(io.Discard, r, 40)
		r.CloseWithError(io.ErrNoProgress)
	}()
	wantError(t, "Send", s.Send(sample, nil, payload(50, 0)), io.ErrNoProgress)
	wantError(t, "the next Send", s.Send(sample, nil, nil), io.ErrNoProgress)
}

// A frame that a hang-up cuts short is not the end of the stream.
func TestHangUpInsideFrame(t *testing.T) {
	one := encoded(t, sample, payload(50, 0))
	for _, n := range []int{1, headerSize, headerSize + 1, len(one) - 1} {
		synctest.Test(t, func(t *testing.T) {
			a, b := pipes(t, 100)
			received := make(chan error, 1)
			go func() {
				_, err := a.Recv()
				received <- err
			}()
			if _, err := b.(*Stream).conn.Write(one[:n]); err != nil {
				t.Fatal(err)
			}
			a.HangUp()
			wantError(t, "Recv", <-received, io.ErrUnexpectedEOF)
		})
	}
}

// Without a Unix socket there is no way for files.
func TestSendFilesElsewhere(t *testing.T) {
	a, _ := pipes(t, 100)
	wantError(t, "SendFiles", a.(*Stream).SendFiles(sample, nil), errors.ErrUnsupported)
}
