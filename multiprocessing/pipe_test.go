//go:build linux

package multiprocessing_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/multiprocessing"
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

func TestSmoke(t *testing.T) {
	proctest.Check(t)
	ctx := context.Background()
	a, b := newPipe(t, multiprocessing.PipeConfig{})
	for _, n := range []int{0, 1, 100, 65535, 65536, 65537, 1 << 20, 16 << 20} {
		want := bytes.Repeat([]byte{7}, n)
		if err := a.SendBytes(ctx, want); err != nil {
			t.Fatal(n, err)
		}
		got, err := b.RecvBytes(ctx)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatal(n, len(got), err)
		}
	}
	a.Close()
	if _, err := b.RecvBytes(ctx); err != io.EOF {
		t.Fatal(err)
	}
}
