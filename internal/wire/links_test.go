package wire

import (
	"bytes"
	"errors"
	"net"
	"runtime"
	"testing"
	"time"
)

// A linkKind is a way to make the two ends of a link.
type linkKind struct {
	name string
	open func(t testing.TB, limit int64) (a, b Link)
}

func pipes(t testing.TB, limit int64) (a, b Link) {
	c, d := net.Pipe()
	return closeBoth(t, NewStream(c, limit), NewStream(d, limit))
}

func closeBoth(t testing.TB, a, b Link) (Link, Link) {
	t.Cleanup(func() {
		a.Close()
		b.Close()
	})
	return a, b
}

// eachKind runs a test for each kind of link.
func eachKind(t *testing.T, test func(*testing.T, linkKind)) {
	for _, k := range linkKinds {
		t.Run(k.name, func(t *testing.T) { test(t, k) })
	}
}

// payload returns n bytes that differ from those of another seed.
func payload(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)*7 ^ byte(i>>8) ^ byte(i>>16)*31 ^ seed
	}
	return b
}

func wantFrame(t testing.TB, f Frame, err error, h Header, small, bulk []byte) {
	t.Helper()
	if err != nil {
		t.Fatalf("Recv: %v; want %+v and %d bytes", err, h, len(small)+len(bulk))
	}
	if f.Header != h {
		t.Fatalf("the header is %+v, want %+v", f.Header, h)
	}
	if n := len(small); len(f.Payload) != n+len(bulk) || !bytes.Equal(f.Payload[:n], small) || !bytes.Equal(f.Payload[n:], bulk) {
		t.Fatalf("a payload of %d bytes is not the one of %d+%d bytes that was sent", len(f.Payload), n, len(bulk))
	}
}

func wantError(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func wantCorrupt(t testing.TB, what string, err error) {
	t.Helper()
	var bad *CorruptError
	if !errors.As(err, &bad) || bad.Reason == "" {
		t.Errorf("%s: %v, want a CorruptError with a reason", what, err)
	}
}

// eventually waits until something is so.
func eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !so(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("it is not so that %s", what)
		}
	}
}

// result returns what comes over a channel before long.
func result[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(20 * time.Second):
		t.Fatalf("%s does not return", what)
		panic("not reached")
	}
}
