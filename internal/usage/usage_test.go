package usage

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// burn computes until this process has used d of processor time in user code.
func burn(t testing.TB, d time.Duration) {
	begin := self(t)
	x := uint64(1)
	for self(t).Sub(begin).User < d {
		for range 100_000 {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
		}
	}
	runtime.KeepAlive(x)
}

func self(t testing.TB) Usage {
	u, ok := Self()
	if !ok {
		t.Fatal("Self: the system does not tell what this process has used")
	}
	return u
}

// TestMain plays the child of TestChildren.
func TestMain(m *testing.M) {
	if os.Getenv("USAGE_TEST_BURN") != "" {
		burn(new(testing.T), 50*time.Millisecond)
		return
	}
	os.Exit(m.Run())
}

func TestSelf(t *testing.T) {
	before, begin := self(t), time.Now()
	burn(t, 50*time.Millisecond)
	used, wall := self(t).Sub(before), time.Since(begin)
	if used.User < 50*time.Millisecond || used.System < 0 {
		t.Errorf("used %+v, want at least 50ms of user time", used)
	}
	// The scheduler's clock ticks as coarsely as 16 ms on some systems.
	if most := time.Duration(runtime.NumCPU())*wall + 50*time.Millisecond; used.CPU() > most {
		t.Errorf("used %v in %v on %d processors", used.CPU(), wall, runtime.NumCPU())
	}
}

func TestSelfCountsAllThreads(t *testing.T) {
	before := self(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // another thread than the test's, whatever the scheduler does
		burn(t, 30*time.Millisecond)
	}()
	<-done
	if used := self(t).Sub(before); used.User < 30*time.Millisecond {
		t.Errorf("used %v, want the 30ms of the other thread", used.User)
	}
}

func TestChildren(t *testing.T) {
	before, ok := Children()
	if !ok {
		if runtime.GOOS == "windows" {
			t.Skip("Windows does not tell what children have used")
		}
		t.Fatal("Children: the system does not tell what children have used")
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "USAGE_TEST_BURN=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	after, _ := Children()
	if used := after.Sub(before); used.User < 50*time.Millisecond {
		t.Errorf("children used %v, want at least the 50ms of the one that was run", used.User)
	}
}

func TestSub(t *testing.T) {
	a := Usage{User: 5 * time.Second, System: 2 * time.Second}
	b := Usage{User: 1 * time.Second, System: 500 * time.Millisecond}
	if got, want := a.Sub(b), (Usage{User: 4 * time.Second, System: 1500 * time.Millisecond}); got != want {
		t.Errorf("Sub: %+v, want %+v", got, want)
	}
	if got := a.Sub(b).CPU(); got != 5500*time.Millisecond {
		t.Errorf("CPU: %v, want 5.5s", got)
	}
}

func TestPeak(t *testing.T) {
	const size = 64 << 20
	const slack = 8 << 20 // what the rest of the process may take or give meanwhile

	// Without a collection in between, a block can only be given back by
	// FreeOSMemory. The first one leaves behind what a race detector keeps for
	// its addresses, so that the second takes and gives no more than its size.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	runtime.KeepAlive(filled(size))
	debug.FreeOSMemory()

	canReset := true
	if err := ResetPeak(); err != nil {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("ResetPeak: %v does not match ErrUnsupported", err)
		}
		if runtime.GOOS == "linux" {
			t.Fatal(err)
		}
		canReset = false
	}
	base := mustPeak(t)

	block := filled(size)
	if got := mustPeak(t); canReset && got < base+size-slack || got < size {
		t.Errorf("peak %d MiB after a block of 64 MiB was filled, %d MiB before", got>>20, base>>20)
	}
	runtime.KeepAlive(block)
	debug.FreeOSMemory()
	if got := mustPeak(t); got < size {
		t.Errorf("peak %d MiB: it fell by itself", got>>20)
	}
	if !canReset {
		return
	}
	if err := ResetPeak(); err != nil {
		t.Fatal(err)
	}
	if got := mustPeak(t); got > base+slack {
		t.Errorf("peak %d MiB after the reset, want about the %d MiB of the start", got>>20, base>>20)
	}
}

// filled returns a block of memory every page of which has been written to.
func filled(size int) []byte {
	block := make([]byte, size)
	for i := 0; i < len(block); i += 1 << 10 {
		block[i] = 1
	}
	return block
}

func mustPeak(t *testing.T) int64 {
	t.Helper()
	bytes, ok := Peak()
	if !ok {
		t.Fatal("Peak: the system does not tell how much memory this process has held")
	}
	return bytes
}

func BenchmarkSelf(b *testing.B) {
	for b.Loop() {
		Self()
	}
}

func BenchmarkPeak(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Peak()
	}
}

func BenchmarkResetPeak(b *testing.B) {
	for b.Loop() {
		_ = ResetPeak()
	}
}
