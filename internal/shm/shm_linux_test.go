package shm

import (
	"errors"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/go-braid/braid/internal/proctest"
)

func create4K(t *testing.T) *os.File {
	t.Helper()
	f, err := Create("test", int64(os.Getpagesize()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestCreateSealed(t *testing.T) {
	proctest.Check(t)
	f := create4K(t)
	size := int64(os.Getpagesize())
	if got, err := Check(f); err != nil || got != size {
		t.Errorf("Check = %d, %v; want %d", got, err, size)
	}
	for _, n := range []int64{0, size / 2, 2 * size} {
		if err := f.Truncate(n); err == nil {
			t.Errorf("a sealed file was made %d bytes long", n)
		}
	}
	if f, err := Create("test", -1); err == nil {
		f.Close()
		t.Error("Create of -1 bytes: no error")
	}
}

func TestMapTwice(t *testing.T) {
	proctest.Check(t)
	f := create4K(t)
	size := os.Getpagesize()
	one, err := Map(f)
	if err != nil {
		t.Fatal(err)
	}
	two, err := MapTwice(f)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if len(one.Bytes()) != size || len(two.Bytes()) != 2*size {
		t.Fatalf("the mappings have %d and %d bytes, want %d and %d", len(one.Bytes()), len(two.Bytes()), size, 2*size)
	}
	copy(two.Bytes()[size-2:], "abcd")
	if got := string(one.Bytes()[:2]) + string(one.Bytes()[size-2:]); got != "cdab" {
		t.Errorf("the memory holds %q, want %q", got, "cdab")
	}
	for range 2 {
		if err := errors.Join(one.Close(), two.Close()); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if two.Bytes() != nil {
		t.Error("there are bytes after Close")
	}
}

func TestMapRefuses(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	empty, err := Create("empty", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer empty.Close()
	odd, err := Create("odd", 100)
	if err != nil {
		t.Fatal(err)
	}
	defer odd.Close()
	closed := create4K(t)
	closed.Close()
	for name, f := range map[string]*os.File{"no memory file": null, "empty": empty, "odd": odd, "closed": closed} {
		if m, err := MapTwice(f); err == nil {
			m.Close()
			t.Errorf("%s: no error", name)
		}
	}
}

func TestFutex(t *testing.T) {
	m, err := Map(create4K(t))
	if err != nil {
		t.Fatal(err)
	}
	word := (*uint32)(unsafe.Pointer(&m.Bytes()[0]))
	if err := FutexWait(word, 1, -1); err != nil {
		t.Errorf("FutexWait for another value: %v", err)
	}
	if err := FutexWait(word, 0, time.Millisecond); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("FutexWait: %v, want os.ErrDeadlineExceeded", err)
	}
	woken := make(chan error, 1)
	go func() {
		for atomic.LoadUint32(word) == 0 {
			if err := FutexWait(word, 0, -1); err != nil {
				woken <- err
				return
			}
		}
		woken <- nil
	}()
	runtime.Gosched()
	atomic.StoreUint32(word, 1)
	if err := FutexWake(word, 1); err != nil {
		t.Error(err)
	}
	select {
	case err := <-woken:
		if err != nil {
			t.Errorf("FutexWait: %v", err)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("FutexWake woke nobody")
	}
}
