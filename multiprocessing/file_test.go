//go:build unix

package multiprocessing_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/multiprocessing"
)

var readFile = braid.Define("test.readFile", func(_ context.Context, f multiprocessing.File) (string, error) {
	if f.File == nil {
		return "", errSentinel
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	return string(b), err
})

var openFile = braid.Define("test.openFile", func(_ context.Context, path string) (multiprocessing.File, error) {
	f, err := os.Open(path)
	return multiprocessing.File{File: f}, err
})

// A file that a call is given, or gives back, is the same open file.
func TestFileTravels(t *testing.T) {
	ctx, p := deadline(t), newPool(t, multiprocessing.Config{Workers: 1})
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("hello, world"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Seek(7, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	got, err := braid.Submit(ctx, p, readFile, multiprocessing.File{File: f}).Await(ctx)
	if err != nil || got != "world" {
		t.Errorf("the worker read %q, %v; want the rest of the file", got, err)
	}
	if at, _ := f.Seek(0, io.SeekCurrent); at != 12 {
		t.Errorf("the position is %d after the worker has read to the end, want 12", at)
	}
	back, err := braid.Submit(ctx, p, openFile, path).Await(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	if b, err := io.ReadAll(back); err != nil || string(b) != "hello, world" {
		t.Errorf("the file of the worker holds %q, %v", b, err)
	}
	if _, err := braid.Submit(ctx, p, readFile, multiprocessing.File{}).Await(ctx); !errors.Is(err, errSentinel) {
		t.Errorf("no file: %v, want that the worker says so", err)
	}
}

// Many small calls with files do not travel together, but they do travel.
func TestMapFiles(t *testing.T) {
	ctx, p := deadline(t), newPool(t, multiprocessing.Config{Workers: 2})
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	const n = 50
	opened := 0
	for f, err := range braid.Map(ctx, p, openFile, slices.Values(slices.Repeat([]string{path}, n))) {
		if err != nil {
			t.Fatal(err)
		}
		opened++
		for got, err := range braid.Map(ctx, p, readFile, slices.Values([]multiprocessing.File{f})) {
			if err != nil || got != "text" {
				t.Fatalf("file %d: %q, %v", opened, got, err)
			}
		}
		f.Close()
	}
	if opened != n {
		t.Errorf("%d files of %d", opened, n)
	}
}

// A file that is closed fails the call that was to have it, and nothing else.
func TestClosedFile(t *testing.T) {
	ctx, p := deadline(t), newPool(t, multiprocessing.Config{Workers: 1})
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	_, err = braid.Submit(ctx, p, readFile, multiprocessing.File{File: f}).Await(ctx)
	if !errors.Is(err, braid.ErrNotStarted) {
		t.Errorf("a closed file: %v, want ErrNotStarted", err)
	}
	if got, err := braid.Submit(ctx, p, square, 3).Await(ctx); err != nil || got != 9 || p.Statistics().Deaths != 0 {
		t.Errorf("afterwards: %d, %v, %+v", got, err, p.Statistics())
	}
}

func TestFileElsewhere(t *testing.T) {
	proctest.Check(t)
	if _, err := (multiprocessing.File{File: os.Stdin}).MarshalCBOR(); err == nil {
		t.Error("a file was written outside of a message")
	}
	for _, b := range []string{"", "\x00", "\x41", "\x42\x00\x00", "\x41\x00", "\x58\x01\x00"} {
		if err := new(multiprocessing.File).UnmarshalCBOR([]byte(b)); err == nil {
			t.Errorf("%x was read outside of a message", b)
		}
	}
}
