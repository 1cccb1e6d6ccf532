//go:build unix

package multiprocessing_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/go-braid/braid/multiprocessing"
)

var testKey = []byte("a key of the tests, which is long enough")

func address(t testing.TB, network string) string {
	if network == "unix" {
		return filepath.Join(t.TempDir(), "s")
	}
	return "127.0.0.1:0"
}

func listen(t testing.TB, network string, cfg multiprocessing.ConnConfig) *multiprocessing.Listener {
	t.Helper()
	l, err := multiprocessing.Listen(network, address(t, network), testKey, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return l
}

// dialed returns the two sides of a connection. The configuration is that of the second.
func dialed(t testing.TB, ctx context.Context, network string, cfg multiprocessing.ConnConfig) (a, b *multiprocessing.Conn) {
	t.Helper()
	l := listen(t, network, multiprocessing.ConnConfig{})
	b, err := multiprocessing.Dial(ctx, network, l.Addr().String(), testKey, cfg)
	if err != nil {
		t.Fatal(err)
	}
	a, err = l.Accept(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.Close()
		b.Close()
	})
	return a, b
}
