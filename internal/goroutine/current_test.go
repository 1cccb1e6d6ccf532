package goroutine

import (
	"runtime"
	"sync"
	"testing"
)

func TestCurrent(t *testing.T) {
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		if id := Current(); id != 0 {
			t.Fatalf("Current() = %#x where it cannot be told", id)
		}
		return
	}
	mine := Current()
	if mine == 0 {
		t.Fatal("Current() = 0")
	}
	// All alive at once, growing their stacks and changing their threads.
	var mu sync.Mutex
	ids := map[ID]bool{mine: true}
	var met, all sync.WaitGroup
	met.Add(100)
	for range 100 {
		all.Go(func() {
			id := Current()
			mu.Lock()
			if ids[id] {
				t.Errorf("two goroutines are %#x", id)
			}
			ids[id] = true
			mu.Unlock()
			met.Done()
			met.Wait()
			for range 10 {
				runtime.Gosched()
				if again := deep(100); again != id {
					t.Errorf("a goroutine was %#x and is %#x", id, again)
				}
			}
		})
	}
	all.Wait()
	if again := Current(); again != mine {
		t.Errorf("this goroutine was %#x and is %#x", mine, again)
	}
}

func deep(n int) ID {
	var pad [128]byte
	if n == 0 {
		return Current()
	}
	pad[n%len(pad)] = 1
	id := deep(n - 1)
	if pad[n%len(pad)] != 1 {
		panic("the stack is broken")
	}
	return id
}

func BenchmarkCurrent(b *testing.B) {
	for b.Loop() {
		_ = Current()
	}
}
