package asyncio_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/strand"
)

func TestFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	within(t, func(ctx context.Context) {
		f, err := asyncio.OpenFile(ctx, name, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := f.Write([]byte("one\ntwo\n")); n != 8 || err != nil {
			t.Errorf("Write = %d, %v", n, err)
		}
		if n, err := f.WriteAt([]byte("T"), 4); n != 1 || err != nil {
			t.Errorf("WriteAt = %d, %v", n, err)
		}
		if err := f.Sync(); err != nil {
			t.Errorf("Sync = %v", err)
		}
		b := make([]byte, 3)
		if n, err := f.ReadAt(b, 4); string(b[:n]) != "Two" || err != nil {
			t.Errorf("ReadAt = %q, %v", b[:n], err)
		}
		if n, err := f.Seek(0, io.SeekStart); n != 0 || err != nil {
			t.Errorf("Seek = %d, %v", n, err)
		}
		lines := bufio.NewScanner(f)
		var got []string
		for lines.Scan() {
			got = append(got, lines.Text())
		}
		if len(got) != 2 || got[0] != "one" || got[1] != "Two" || lines.Err() != nil {
			t.Errorf("lines = %q, %v", got, lines.Err())
		}
		if _, err := f.Read(b); err != io.EOF {
			t.Errorf("Read at the end = %v", err)
		}
		if err := f.Close(); err != nil || f.Name() != name {
			t.Errorf("Close = %v", err)
		}
		if _, err := f.Read(b); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("Read after Close = %v", err)
		}
	})
}

func TestReadAndWriteFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	within(t, func(ctx context.Context) {
		if err := asyncio.WriteFile(ctx, name, []byte("text"), 0o600); err != nil {
			t.Errorf("WriteFile = %v", err)
		}
		if b, err := asyncio.ReadFile(ctx, name); string(b) != "text" || err != nil {
			t.Errorf("ReadFile = %q, %v", b, err)
		}
		if _, err := asyncio.ReadFile(ctx, name+"x"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("ReadFile of nothing = %v", err)
		}
		if f, err := asyncio.Open(ctx, name+"x"); !errors.Is(err, fs.ErrNotExist) || f != nil {
			t.Errorf("Open of nothing = %v, %v", f, err)
		}
	})
	// Without a loop.
	f, err := asyncio.Open(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(f); string(b) != "text" || err != nil {
		t.Errorf("ReadAll = %q, %v", b, err)
	}
	if err := f.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
}

// A cancelled coroutine reads no more, and yet closes; so does one that is unwound.
func TestFileCancelled(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	within(t, func(ctx context.Context) {
		own, cancel := context.WithCancel(ctx)
		c := asyncio.Go(own, func(ctx context.Context) error {
			f, err := asyncio.Open(ctx, name)
			if err != nil {
				return err
			}
			cancel()
			if n, err := f.Read(make([]byte, 4)); n != 0 || !errors.Is(err, context.Canceled) {
				t.Errorf("Read = %d, %v", n, err)
			}
			return f.Close()
		})
		if err := c.Join(ctx); err != nil {
			t.Errorf("Close = %v", err)
		}
		var opened strand.Event
		asyncio.Go(context.WithoutCancel(ctx), func(ctx context.Context) error {
			f, err := asyncio.Open(ctx, name)
			if err != nil {
				return err
			}
			defer func() {
				if err := f.Close(); err != nil {
					t.Errorf("Close in a coroutine that is unwound = %v", err)
				}
			}()
			opened.Set()
			return new(strand.Event).Wait(ctx)
		})
		if err := opened.Wait(ctx); err != nil {
			t.Error(err)
		}
	}, asyncio.With(asyncio.Config{Grace: -1}))
}
