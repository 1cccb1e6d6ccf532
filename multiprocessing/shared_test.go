//go:build linux

package multiprocessing_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/multiprocessing"
	"github.com/go-braid/braid/strand"
)

// made fails the test if a constructor has.
func made[T closer](t testing.TB) func(v T, err error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := v.Close(); err != nil {
				t.Error(err)
			}
		})
		return v
	}
}

type closer interface{ Close() error }

// mappings returns how many objects in shared memory this process has mapped.
func mappings(t testing.TB) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(b), "/memfd:braid-shared-")
}

// checkShared is proctest.Check, and counts mappings as well.
func checkShared(t testing.TB) {
	t.Helper()
	proctest.Check(t)
	before := mappings(t)
	t.Cleanup(func() { until(t, "all mappings are gone", func() bool { return mappings(t) <= before }) })
}

// until waits for something that other strands or processes bring about.
func until(t testing.TB, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.After(30 * time.Second)
	for !f() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("it has not come to that: %s", what)
		}
	}
}

// A kit is the argument of the task "test.shared": what it is to do, and with what.
type kit struct {
	How       string
	N         int
	Ready     *multiprocessing.Event // is set when what is waited for comes next
	Go        *multiprocessing.Event // is waited for
	Mutex     *multiprocessing.Mutex
	Semaphore *multiprocessing.Semaphore
	Condition *multiprocessing.Condition
	Barrier   *multiprocessing.Barrier
	Queue     *multiprocessing.Queue[string]
	Done      *multiprocessing.Queue[int]
	Counts    *multiprocessing.Array[int64]
	Number    *multiprocessing.Value[int64]
}

// tricks are what processes do in the tests. Each test file adds its own.
var tricks = map[string]func(ctx context.Context, k kit) (int, error){}

var perform = braid.Define("test.shared", func(ctx context.Context, k kit) (int, error) {
	f := tricks[k.How]
	if f == nil {
		return 0, fmt.Errorf("there is no trick %q", k.How)
	}
	return f(ctx, k)
})

// launch starts a process that does a trick.
func launch(t testing.TB, ctx context.Context, k kit) *multiprocessing.Process {
	t.Helper()
	p, err := multiprocessing.Start(ctx, perform, k)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		<-p.Done()
	})
	return p
}

// slay kills a process and waits until it is gone.
func slay(p *multiprocessing.Process) {
	p.Kill()
	<-p.Done()
}

func hang() { select {} }

// each runs f for one of every kind of object, new, and what would use it.
func each(t *testing.T, f func(t *testing.T, c closer, use func(ctx context.Context))) {
	run := func(name string, c closer, err error, use func(ctx context.Context)) {
		t.Run(name, func(t *testing.T) {
			f(t, made[closer](t)(c, err), use)
		})
	}
	sm, err := multiprocessing.NewSharedMemory(100)
	run("SharedMemory", sm, err, func(context.Context) {
		_, _ = sm.ReadAt(make([]byte, 10), 0)
		_, _ = sm.WriteAt(make([]byte, 10), 0)
		_ = sm.Size()
	})
	v, err := multiprocessing.NewValue[int32](0)
	run("Value", v, err, func(context.Context) { v.Add(1) })
	a, err := multiprocessing.NewArray[int8](10)
	run("Array", a, err, func(ctx context.Context) {
		_ = a.Update(ctx, func(e []int8) error { e[0]++; return nil })
		a.Store(3, a.Load(2))
	})
	m, err := multiprocessing.NewMutex()
	run("Mutex", m, err, func(ctx context.Context) {
		if m.Lock(ctx) == nil {
			m.Unlock()
		}
	})
	s, err := multiprocessing.NewSemaphore(1)
	run("Semaphore", s, err, func(ctx context.Context) {
		if s.Acquire(ctx, 1) == nil {
			s.Release(1)
		}
	})
	e, err := multiprocessing.NewEvent()
	run("Event", e, err, func(ctx context.Context) {
		e.Set()
		_ = e.Wait(ctx)
		e.Clear()
	})
	c, err := multiprocessing.NewCondition(nil)
	run("Condition", c, err, func(ctx context.Context) {
		if c.Lock(ctx) == nil {
			c.NotifyAll()
			c.Unlock()
		}
	})
	b, err := multiprocessing.NewBarrier(1)
	run("Barrier", b, err, func(ctx context.Context) { _, _ = b.Wait(ctx) })
	q, err := multiprocessing.NewQueue[string](10)
	run("Queue", q, err, func(ctx context.Context) {
		_ = q.Put(ctx, "hello")
		_, _ = q.TryGet()
	})
}

// TestCloseWhileInUse: whoever uses what is closed meanwhile gets an error or a panic,
// and never touches memory that is gone.
func TestCloseWhileInUse(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	each(t, func(t *testing.T, c closer, use func(ctx context.Context)) {
		var wg sync.WaitGroup
		began := make(chan struct{}, 4)
		for range 4 {
			wg.Go(func() {
				defer func() {
					if v := recover(); v != nil && !strings.Contains(fmt.Sprint(v), "closed") && !strings.Contains(fmt.Sprint(v), "not hold") {
						t.Errorf("panic: %v", v)
					}
				}()
				for i := range 2000 {
					use(ctx)
					if i == 100 {
						began <- struct{}{}
					}
				}
			})
		}
		<-began
		for range 2 {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
		wg.Wait()
	})
}

// TestDropped: what nobody has any more is closed by the collector.
func TestDropped(t *testing.T) {
	proctest.Check(t)
	before := mappings(t)
	func() {
		m, err := multiprocessing.NewMutex()
		if err != nil {
			t.Fatal(err)
		}
		c, err := multiprocessing.NewCondition(m)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Lock(t.Context()); err != nil {
			t.Fatal(err)
		}
		copied := *m
		m = nil
		runtime.GC()
		copied.Unlock()
		defer runtime.KeepAlive(c)
		if n := mappings(t); n != before+2 {
			t.Errorf("there are %d mappings, want %d", n, before+2)
		}
	}()
	until(t, "the collector has closed them", func() bool {
		runtime.GC()
		return mappings(t) == before
	})
}

type errands struct {
	A, B   *multiprocessing.Mutex
	Plain  multiprocessing.Event
	Events []*multiprocessing.Event
	More   map[string]*multiprocessing.Value[int64]
	None   *multiprocessing.Barrier
}

var travel = braid.Define("test.travel", func(ctx context.Context, e errands) (errands, error) {
	if e.None != nil || len(e.Events) != 2 {
		return e, errors.New("it has not arrived as it was")
	}
	if err := e.A.Lock(ctx); err != nil {
		return e, err
	}
	defer e.A.Unlock()
	if e.B.TryLock() {
		return e, errors.New("A and B are not the same")
	}
	e.Plain.Set()
	e.Events[1].Set()
	e.More["x"].Add(5)
	fresh, err := multiprocessing.NewEvent()
	if err != nil {
		return e, err
	}
	fresh.Set()
	e.Events = append(e.Events, fresh)
	return e, nil
})

// TestTravel: objects arrive wherever they are in a value, and on both ways; one that
// comes twice is there once.
func TestTravel(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	m := made[*multiprocessing.Mutex](t)(multiprocessing.NewMutex())
	var events []*multiprocessing.Event
	for range 3 {
		events = append(events, made[*multiprocessing.Event](t)(multiprocessing.NewEvent()))
	}
	v := made[*multiprocessing.Value[int64]](t)(multiprocessing.NewValue[int64](2))
	p := newPool(t, multiprocessing.Config{Workers: 1})
	in := errands{A: m, B: m, Plain: *events[0], Events: events[1:], More: map[string]*multiprocessing.Value[int64]{"x": v}}
	before := mappings(t)
	out, err := braid.Submit(ctx, p, travel, in).Await(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if !events[0].IsSet() || events[1].IsSet() || !events[2].IsSet() || v.Load() != 7 || len(out.Events) != 3 || !out.Events[2].IsSet() {
		t.Error("what was done there is not seen here")
	}
	if n := mappings(t); n != before+1 {
		t.Errorf("%d more mappings for one new object", n-before)
	}
	// Each of those that came back is closed by itself.
	_ = out.A.Close()
	if !m.TryLock() || out.B.TryLock() {
		t.Error("closing one has closed the other, or they are not the same")
	}
	m.Unlock()
	for _, c := range []closer{out.B, &out.Plain, out.Events[0], out.Events[1], out.Events[2], out.More["x"]} {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestTravelRefused(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	p := newPool(t, multiprocessing.Config{Workers: 1})
	closed, err := multiprocessing.NewMutex()
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	var zero multiprocessing.Mutex
	for name, m := range map[string]*multiprocessing.Mutex{"closed": closed, "made": &zero} {
		_, err := braid.Submit(ctx, p, travel, errands{A: m}).Await(ctx)
		if !errors.Is(err, braid.ErrNotStarted) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := zero.Lock(ctx); err == nil || !strings.Contains(err.Error(), "constructor") {
		t.Errorf("the zero value: %v", err)
	}
}

// TestWrongElement: memory that comes as what it is not is refused.
func TestWrongElement(t *testing.T) {
	checkShared(t)
	a := made[*multiprocessing.Array[int32]](t)(multiprocessing.NewArray[int32](3))
	f := made[*multiprocessing.Array[float32]](t)(multiprocessing.NewArray[float32](3))
	v := made[*multiprocessing.Value[int32]](t)(multiprocessing.NewValue[int32](3))
	if err := multiprocessing.Reopen(a, a); err != nil {
		t.Error(err)
	}
	if err := multiprocessing.Reopen(a, f); err == nil || !strings.Contains(err.Error(), `"int32", not float32`) {
		t.Errorf("an array of int32 as one of float32: %v", err)
	}
	if err := multiprocessing.Reopen(a, v); err == nil || !strings.Contains(err.Error(), "not a value") {
		t.Errorf("an array as a value: %v", err)
	}
	if f.Len() != 3 || v.Load() != 3 {
		t.Error("what was there is gone")
	}
}

func TestSharedMemory(t *testing.T) {
	checkShared(t)
	const size = 5000
	m := made[*multiprocessing.SharedMemory](t)(multiprocessing.NewSharedMemory(size))
	if m.Size() != size || len(m.Bytes()) != size || cap(m.Bytes()) != size {
		t.Errorf("the size is %d, %d bytes, %d of room", m.Size(), len(m.Bytes()), cap(m.Bytes()))
	}
	if n, err := m.WriteAt([]byte("hello"), size-3); n != 3 || !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("WriteAt beyond the end = %d, %v", n, err)
	}
	got, err := io.ReadAll(io.NewSectionReader(m, size-10, 100))
	if err != nil || !bytes.Equal(got, []byte("\x00\x00\x00\x00\x00\x00\x00hel")) {
		t.Errorf("ReadAt: %q, %v", got, err)
	}
	if _, err := m.ReadAt(nil, -1); err == nil {
		t.Error("ReadAt(-1) succeeded")
	}
	if n, err := m.ReadAt(got, size+1); n != 0 || err != io.EOF {
		t.Errorf("ReadAt behind the end = %d, %v", n, err)
	}
	_ = m.Close()
	if _, err := m.ReadAt(got, 0); !errors.Is(err, os.ErrClosed) || m.Size() != 0 {
		t.Errorf("ReadAt after Close: %v", err)
	}
	for _, n := range []int{0, -1, 1 << 60} {
		if m, err := multiprocessing.NewSharedMemory(n); err == nil {
			_ = m.Close()
			t.Errorf("NewSharedMemory(%d) succeeded", n)
		}
	}
}

var keepMemory = braid.Define("test.keepMemory", func(_ context.Context, m *multiprocessing.SharedMemory) ([]byte, error) {
	b := m.Bytes() // m is not used after this
	for range 5 {
		runtime.GC()
		runtime.Gosched()
		b[0]++
	}
	return b[:10], nil
})

// TestArgumentStays: the memory that came with an argument is there until the result is
// written.
func TestArgumentStays(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	p := newPool(t, multiprocessing.Config{Workers: 1})
	for range 20 {
		m := made[*multiprocessing.SharedMemory](t)(multiprocessing.NewSharedMemory(1 << 16))
		b, err := braid.Submit(ctx, p, keepMemory, m).Await(ctx)
		if err != nil || len(b) != 10 || b[0] != 5 {
			t.Fatalf("%v, %v", b, err)
		}
	}
}

// TestMap: objects travel in the arguments of a Map too.
func TestMapOfShared(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	p := newPool(t, multiprocessing.Config{Workers: 2})
	v := made[*multiprocessing.Value[int64]](t)(multiprocessing.NewValue[int64](0))
	const n = 500
	for _, err := range braid.Map(ctx, p, perform, func(yield func(kit) bool) {
		for range n {
			if !yield(kit{How: "value: add", Number: v, N: 2}) {
				return
			}
		}
	}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := v.Load(); got != 2*n {
		t.Errorf("the value is %d", got)
	}
}

// A stage runs a function of the test's while a strand is parked, and then cancels it, so
// that the race between the two is decided.
type stage struct {
	strand.Goroutine
	meanwhile func()
	armed     bool
}

func (s *stage) Park(ctx context.Context, _ strand.Op, w strand.Waitable) error {
	woken := make(chan struct{})
	if s.armed = w.Arm(func() { close(woken) }); !s.armed {
		return nil
	}
	s.meanwhile()
	if w.Disarm() {
		select {
		case <-woken:
			panic("a strand was woken that has left")
		default:
		}
		return context.Canceled
	}
	<-woken
	return nil
}

// cancelled runs f on a strand that is cancelled after meanwhile, while it is parked for
// the first time.
func cancelled(ctx context.Context, meanwhile func(), f func(ctx context.Context) error) error {
	s := &stage{meanwhile: meanwhile}
	return f(strand.WithParker(ctx, s))
}

// stop stops a process by a signal, and waits until it is stopped.
func stop(t testing.TB, p *multiprocessing.Process) {
	t.Helper()
	if err := syscall.Kill(p.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	until(t, "it is stopped", func() bool {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
		return err == nil && strings.HasPrefix(string(b[bytes.LastIndexByte(b, ')')+1:]), " T")
	})
}

// FuzzMemory writes nonsense into the memory of objects, as a process that runs wild may:
// their operations end, well or with an error or a panic of theirs.
func FuzzMemory(f *testing.F) {
	f.Add(uint16(0), []byte{1})
	f.Add(uint16(8), []byte("\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Add(uint16(0), bytes.Repeat([]byte{0xff}, 3000))
	f.Add(uint16(0), bytes.Repeat([]byte{0, 0x80, 3}, 3000))
	f.Fuzz(func(t *testing.T, at uint16, b []byte) {
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		scribble := func(m []byte) {
			if int(at) < len(m) {
				copy(m[at:], b)
			}
		}
		safely := func(f func()) {
			defer func() {
				if v := recover(); v != nil {
					if _, ok := v.(runtime.Error); ok {
						panic(v)
					}
				}
			}()
			f()
		}
		q := made[*multiprocessing.Queue[string]](t)(multiprocessing.NewQueue[string](50, multiprocessing.MaxBytes(4096)))
		for i := range 5 {
			if err := q.TryPut(fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
		scribble(multiprocessing.Memory(q))
		_, _ = q.TryGet()
		_ = q.TryPut("six")
		_ = q.Join(gone)
		_ = q.Statistics()
		safely(q.TaskDone)
		_, _ = q.ShutdownNow()

		s := made[*multiprocessing.Semaphore](t)(multiprocessing.NewSemaphore(5))
		scribble(multiprocessing.Memory(s))
		_ = s.TryAcquire(1)
		safely(func() { s.Release(3) })
		_ = s.Statistics()

		w := made[*multiprocessing.Barrier](t)(multiprocessing.NewBarrier(2))
		scribble(multiprocessing.Memory(w))
		_, _ = w.Wait(gone)
		w.Abort()
		_, _ = w.Wait(t.Context())
		w.Reset()
		_ = w.Statistics()

		m := made[*multiprocessing.Mutex](t)(multiprocessing.NewMutex())
		c := made[*multiprocessing.Condition](t)(multiprocessing.NewCondition(m))
		if !m.TryLock() {
			t.Fatal("a new mutex is locked")
		}
		scribble(multiprocessing.Memory(c))
		c.Notify(3)
		c.NotifyAll()
		_ = c.Statistics()
		scribble(multiprocessing.Memory(m))
		_ = m.TryLock()
		_, _ = m.Recover(gone)
		_ = m.Statistics()
		safely(m.Unlock)
	})
}
