package wire

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
)

// FuzzStream receives whatever the other side sends: frames within the limit, then an
// error that says what is wrong.
func FuzzStream(f *testing.F) {
	one := encoded(f, sample, payload(50, 0))
	f.Add([]byte{})
	f.Add(one)
	f.Add(one[:40])
	f.Add(append(bytes.Clone(one), encoded(f, Header{Kind: kindMark, Seq: 9}, nil)...))
	f.Add(append(sealed(fragment{Header: sample, total: 20}, payload(15, 1)),
		sealed(fragment{Header: sample, total: 20, further: true}, payload(5, 1))...))
	f.Add(sealed(fragment{Header: sample, files: 3}, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		const limit = 1 << 20
		s := NewStream(memory{Reader: bytes.NewReader(b)}, limit)
		bytesSent := 0
		for {
			fr, err := s.Recv()
			var bad *CorruptError
			switch {
			case err == nil:
				bytesSent += headerSize + len(fr.Payload)
				if fr.Kind == 0 || len(fr.Payload) > limit || bytesSent > len(b) || fr.Files != nil {
					t.Fatalf("frames of %d bytes out of %d; the last is %+v", bytesSent, len(b), fr)
				}
				continue
			case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &bad):
			default:
				t.Fatalf("Recv: %v", err)
			}
			return
		}
	})
}

// FuzzGetHeader decodes headers: what is accepted is within its bounds and encodes to the
// same bytes.
func FuzzGetHeader(f *testing.F) {
	whole := encoded(f, sample, payload(50, 0))[:headerSize]
	further := sealed(fragment{Header: sample, total: 20, further: true}, payload(5, 1))[:headerSize]
	f.Add(whole, int64(1<<20), false, int64(0))
	f.Add(further, int64(1<<20), true, int64(15))
	f.Add(sealed(fragment{Header: sample, files: 200}, nil), int64(0), false, int64(0))
	f.Add(bytes.Repeat([]byte{255}, headerSize), int64(1<<62), false, int64(0))
	f.Fuzz(func(t *testing.T, b []byte, limit int64, inside bool, done int64) {
		if len(b) < headerSize || limit < 0 {
			return
		}
		b = b[:headerSize]
		const total = 20
		var due *fragment
		if inside {
			due = &fragment{Header: sample, total: total}
			done = max(0, done) % total
		}
		got, err := getHeader(b, limit, due, done)
		if err != nil {
			wantCorrupt(t, "getHeader", err)
			return
		}
		if got.length < 0 || int64(got.length) > got.total || got.total > limit || got.Kind == 0 {
			t.Fatalf("%+v is beyond its bounds", got)
		}
		if inside && (int64(got.length) > total-done || got.length == 0 || got.Header != sample) {
			t.Fatalf("%+v does not belong where it is", got)
		}
		again := make([]byte, headerSize)
		putHeader(again, &got)
		if !slices.Equal(again[4:], b[4:]) {
			t.Fatalf("%x became %x", b, again)
		}
	})
}
