//go:build linux

package multiprocessing_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/go-braid/braid/multiprocessing"
	"github.com/go-braid/braid/strand"
)

func newQueue(t testing.TB, capacity int, opts ...multiprocessing.QueueOption) *multiprocessing.Queue[string] {
	return made[*multiprocessing.Queue[string]](t)(multiprocessing.NewQueue[string](capacity, opts...))
}

func init() {
	tricks["queue: put"] = func(ctx context.Context, k kit) (int, error) {
		for i := range k.N {
			if err := k.Queue.Put(ctx, fmt.Sprintf("%d from %d", i, os.Getpid())); err != nil {
				return 0, err
			}
		}
		return 0, nil
	}
	// Takes until the queue is shut down, and reports each item here.
	tricks["queue: get"] = func(ctx context.Context, k kit) (int, error) {
		for item, err := range k.Queue.All(ctx) {
			if err != nil {
				return 0, err
			}
			n := -1
			_, _ = fmt.Sscanf(item, "%d", &n)
			if err := k.Done.Put(ctx, n); err != nil {
				return 0, err
			}
			k.Queue.TaskDone()
		}
		return 0, nil
	}
	// Puts or gets, and dies at the step with the name behind the second colon.
	tricks["queue: die"] = func(ctx context.Context, k kit) (int, error) {
		at, _ := syscall.Getenv("TEST_DIE_AT")
		multiprocessing.SetStep(func(name string) {
			if name == at {
				signalSelf(syscall.SIGKILL)
				select {}
			}
		})
		if strings.HasPrefix(at, "put") {
			return 0, k.Queue.Put(ctx, strings.Repeat("x", 1000))
		}
		_, err := k.Queue.Get(ctx)
		return 0, err
	}
	tricks["queue: take"] = func(ctx context.Context, k kit) (int, error) {
		for range k.N {
			if _, err := k.Queue.Get(ctx); err != nil {
				return 0, err
			}
		}
		k.Ready.Set()
		return 0, k.Go.Wait(ctx)
	}
	// Passes items on, one at a time, until it is killed.
	tricks["queue: work"] = func(ctx context.Context, k kit) (int, error) {
		for {
			item, err := k.Queue.Get(ctx)
			if err != nil {
				return 0, err
			}
			n := -1
			_, _ = fmt.Sscanf(item, "%d", &n)
			if err := k.Done.Put(ctx, n); err != nil {
				return 0, err
			}
			k.Queue.TaskDone()
		}
	}
}

// TestQueueAcrossProcesses: several processes put, here and elsewhere, and several take:
// each item comes out once.
func TestQueueAcrossProcesses(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	q := newQueue(t, 10)
	done := made[*multiprocessing.Queue[int]](t)(multiprocessing.NewQueue[int](5))
	const n = 300
	var ps []*multiprocessing.Process
	for range 2 {
		ps = append(ps, launch(t, ctx, kit{How: "queue: put", Queue: q, N: n}), launch(t, ctx, kit{How: "queue: get", Queue: q, Done: done}))
	}
	go func() {
		for i := range n {
			if err := q.Put(ctx, fmt.Sprint(i)); err != nil {
				t.Error(err)
			}
		}
		_ = ps[0].Join(ctx)
		_ = ps[2].Join(ctx)
		if err := q.Join(ctx); err != nil {
			t.Errorf("Join: %v", err)
		}
		q.Shutdown()
		_ = ps[1].Join(ctx)
		_ = ps[3].Join(ctx)
		done.Shutdown()
	}()
	seen := make([]int, n)
	for i, err := range done.All(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		seen[i]++
	}
	for i, times := range seen {
		if times != 3 {
			t.Errorf("item %d came %d times", i, times)
		}
	}
	for _, p := range ps {
		if err := p.Join(ctx); err != nil {
			t.Error(err)
		}
	}
	if s := q.Statistics(); s.Len != 0 || s.Unfinished != 0 || s.Lost != 0 || s.Puts != 3*n || s.Getters+s.Putters+s.Joiners != 0 {
		t.Errorf("%+v", s)
	}
}

// TestQueueSteps kills a process between any two steps of Put and Get. The queue has what
// it had before or what it should have afterwards, and goes on; what is lost is counted.
func TestQueueSteps(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	for _, c := range []struct {
		step string
		len  int // afterwards; it was 2
		lost uint64
	}{
		{"put: locked", 2, 0},
		{"put: half written", 2, 0},
		{"put: written", 2, 0},
		{"put: counted", 3, 0},
		{"get: locked", 2, 0},
		{"get: announced", 2, 0},
		{"get: counted", 1, 1},
		{"get: taken", 1, 1},
	} {
		q := newQueue(t, 3)
		for _, s := range []string{"one", "two"} {
			if err := q.Put(ctx, s); err != nil {
				t.Fatal(err)
			}
		}
		p, err := multiprocessing.Start(ctx, perform, kit{How: "queue: die", Queue: q}, multiprocessing.With(multiprocessing.Config{Env: append(os.Environ(), "TEST_DIE_AT="+c.step)}))
		if err != nil {
			t.Fatal(err)
		}
		waits := make(chan error)
		if c.step == "put: locked" {
			go func() { waits <- q.Join(ctx) }()
		}
		_ = p.Join(ctx)
		if code, _ := p.ExitCode(); code != -9 {
			t.Fatalf("%s: exit code %d, want that of a kill", c.step, code)
		}
		if n := q.Len(); n != c.len {
			t.Errorf("%s: %d items are in the queue, want %d", c.step, n, c.len)
		}
		q.Shutdown()
		var got []string
		for s, err := range q.All(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, s)
			q.TaskDone()
		}
		want := []string{"one", "two", strings.Repeat("x", 1000)}
		want = want[c.lost : int(c.lost)+c.len]
		if !slices.Equal(got, want) {
			t.Errorf("%s: the queue had %.60q", c.step, got)
		}
		err = q.Join(ctx)
		lost, _ := errors.AsType[*multiprocessing.LostItemsError](err)
		if c.lost == 0 && err != nil || c.lost > 0 && (lost == nil || lost.Items != c.lost) {
			t.Errorf("%s: Join = %v", c.step, err)
		}
		if c.step == "put: locked" {
			if err := <-waits; err != nil {
				t.Errorf("%s: who waited in Join got %v", c.step, err)
			}
		}
	}
}

// TestQueueTakerDies: Join does not wait for what died with its process, and says so.
func TestQueueTakerDies(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	q, ready := newQueue(t, 10), newEvent(t)
	for range 4 {
		if err := q.Put(ctx, "x"); err != nil {
			t.Fatal(err)
		}
	}
	p := launch(t, ctx, kit{How: "queue: take", Queue: q, Ready: ready, Go: newEvent(t), N: 3})
	if err := ready.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := q.Get(ctx); err != nil {
		t.Fatal(err)
	}
	q.TaskDone()
	q.TaskDone() // one of the other's
	joined := make(chan error)
	go func() { joined <- q.Join(ctx) }()
	until(t, "it waits", func() bool { return q.Statistics().Joiners == 1 })
	slay(p)
	err := <-joined
	if lost, ok := errors.AsType[*multiprocessing.LostItemsError](err); !ok || lost.Items != 2 {
		t.Errorf("Join = %v", err)
	}
	expectPanic(t, "more often", q.TaskDone)
	if s := q.Statistics(); s.Lost != 2 || s.Unfinished != 0 {
		t.Errorf("%+v", s)
	}
}

// TestQueueWaitersDie: an item is not lost with a process that waits for one, and nobody
// waits for who cannot go on.
func TestQueueWaitersDie(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	q := newQueue(t, 1)
	counts := newEvent(t)
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSTOP} {
		p := launch(t, ctx, kit{How: "queue: take", Queue: q, Ready: counts, Go: counts, N: 1})
		until(t, "it waits", func() bool { return q.Statistics().Getters == 1 })
		got := make(chan error)
		go func() {
			_, err := q.Get(ctx)
			got <- err
		}()
		until(t, "both wait", func() bool { return q.Statistics().Getters == 2 })
		if err := syscall.Kill(p.PID(), sig); err != nil {
			t.Fatal(err)
		}
		if sig == syscall.SIGKILL {
			<-p.Done()
		} else {
			stop(t, p)
		}
		if err := q.Put(ctx, "x"); err != nil {
			t.Fatal(err)
		}
		if err := <-got; err != nil {
			t.Error(err)
		}
		slay(p)
		until(t, "nobody waits", func() bool { _, _ = q.TryGet(); return q.Statistics().Getters == 0 || sig == syscall.SIGSTOP })
	}
}

// TestQueueStorm kills processes that work at random moments: nothing comes twice, and
// what does not come is counted as lost.
func TestQueueStorm(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	const n = 3000
	q := newQueue(t, 20)
	done := made[*multiprocessing.Queue[int]](t)(multiprocessing.NewQueue[int](20))
	work := kit{How: "queue: work", Queue: q, Done: done}
	var writer, reader sync.WaitGroup
	writer.Go(func() {
		for i := range n {
			if err := q.Put(ctx, fmt.Sprint(i)); err != nil {
				t.Error(err)
				return
			}
		}
	})
	seen := make([]int, n)
	kick := make(chan struct{}, n)
	reader.Go(func() {
		for i, err := range done.All(ctx) {
			if err != nil {
				t.Error(err)
				return
			}
			seen[i]++
			kick <- struct{}{}
		}
	})
	ps := []*multiprocessing.Process{launch(t, ctx, work), launch(t, ctx, work)}
	for i := range 12 {
		for range 10 + rand.IntN(150) {
			<-kick
		}
		slay(ps[i%2])
		ps[i%2] = launch(t, ctx, work)
	}
	writer.Wait()
	err := q.Join(ctx)
	done.Shutdown()
	reader.Wait()
	missing := 0
	for i, times := range seen {
		if times > 1 {
			t.Errorf("item %d came %d times", i, times)
		}
		if times == 0 {
			missing++
		}
	}
	lost, _ := errors.AsType[*multiprocessing.LostItemsError](err)
	if err != nil && lost == nil {
		t.Fatal(err)
	}
	// An item that was passed on but not reported is lost and not missing.
	if lost == nil && missing > 0 || lost != nil && uint64(missing) > lost.Items {
		t.Errorf("%d items are missing; Join says %v", missing, err)
	}
}

func TestQueueLimits(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	q := made[*multiprocessing.Queue[[]byte]](t)(multiprocessing.NewQueue[[]byte](4, multiprocessing.MaxBytes(10_000)))
	limit := q.Statistics().MaxBytes
	if limit != 12288 {
		t.Errorf("it holds %d bytes", limit)
	}
	for _, n := range []int{0, 1, limit - 1} { // one byte more tells nil from empty
		in := make([]byte, n)
		for i := range in {
			in[i] = byte(i)
		}
		if err := q.Put(ctx, in); err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if out, err := q.Get(ctx); err != nil || !slices.Equal(in, out) {
			t.Errorf("%d bytes came out as %d: %v", n, len(out), err)
		}
	}
	err := q.Put(ctx, make([]byte, limit))
	if !errors.Is(err, multiprocessing.ErrTooLarge) || !strings.Contains(err.Error(), "12289 bytes, and the queue holds 12288") {
		t.Errorf("too large: %v", err)
	}
	for i := range 4 {
		if err := q.TryPut([]byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.TryPut(nil); err != strand.ErrFull {
		t.Errorf("a full queue: %v", err)
	}
	if _, err := q.Get(ctx); err != nil {
		t.Fatal(err)
	}
	if err := q.TryPut(make([]byte, limit-10)); err != strand.ErrFull {
		t.Errorf("no room for bytes: %v", err)
	}
	for _, f := range []func() (*multiprocessing.Queue[int], error){
		func() (*multiprocessing.Queue[int], error) { return multiprocessing.NewQueue[int](0) },
		func() (*multiprocessing.Queue[int], error) { return multiprocessing.NewQueue[int](1 << 30) },
		func() (*multiprocessing.Queue[int], error) {
			return multiprocessing.NewQueue[int](1, multiprocessing.MaxBytes(0))
		},
	} {
		if q, err := f(); err == nil {
			_ = q.Close()
			t.Error("it was made")
		}
	}
	if _, err := multiprocessing.NewQueue[chan int](1); err == nil || !strings.Contains(err.Error(), "channel") {
		t.Errorf("a queue of channels: %v", err)
	}
}

// TestQueueBadItem: an item that cannot be written takes no place.
func TestQueueBadItem(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	q := made[*multiprocessing.Queue[any]](t)(multiprocessing.NewQueue[any](1))
	for _, bad := range []any{make(chan int), newEvent(t)} {
		if err := q.Put(ctx, bad); err == nil {
			t.Errorf("%T was put", bad)
		}
	}
	if err := q.Put(ctx, "good"); err != nil {
		t.Fatal(err)
	}
	if v, err := q.Get(ctx); v != "good" || err != nil {
		t.Errorf("Get = %v, %v", v, err)
	}
}

// TestQueueLarge: large items take turns with others, and their memory is given back.
func TestQueueLarge(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	q := newQueue(t, 100, multiprocessing.MaxBytes(40<<20))
	large := strings.Repeat("0123456789abcdef", 1<<20) // 16 MiB
	go func() {
		for i := range 6 {
			if err := q.Put(ctx, large[i:]); err != nil {
				t.Error(err)
			}
			if err := q.Put(ctx, fmt.Sprint(i)); err != nil {
				t.Error(err)
			}
		}
		q.Shutdown()
	}()
	for i := range 6 {
		if s, err := q.Get(ctx); err != nil || s != large[i:] {
			t.Fatalf("large item %d: %d bytes, %v", i, len(s), err)
		}
		if s, err := q.Get(ctx); err != nil || s != fmt.Sprint(i) {
			t.Fatalf("small item %d: %.20q, %v", i, s, err)
		}
	}
	if _, err := q.Get(ctx); err != strand.ErrShutdown {
		t.Errorf("Get = %v", err)
	}
}

func TestQueueShutdown(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	q := newQueue(t, 2)
	p := launch(t, ctx, kit{How: "queue: put", Queue: q, N: 3})
	until(t, "it waits for room", func() bool { return q.Statistics().Putters == 1 })
	items, err := q.ShutdownNow()
	if err != nil || len(items) != 2 || !strings.HasPrefix(items[1], "1 from") {
		t.Errorf("ShutdownNow = %q, %v", items, err)
	}
	if err := p.Join(ctx); !errors.Is(err, strand.ErrShutdown) {
		t.Errorf("who waited for room: %v", err)
	}
	if err := q.Join(ctx); err != nil {
		t.Errorf("Join = %v", err)
	}
	if _, err := q.Get(ctx); err != strand.ErrShutdown {
		t.Errorf("Get = %v", err)
	}
	if err := q.TryPut("x"); err != strand.ErrShutdown {
		t.Errorf("TryPut = %v", err)
	}
	q = newQueue(t, 1)
	done := made[*multiprocessing.Queue[int]](t)(multiprocessing.NewQueue[int](5))
	p = launch(t, ctx, kit{How: "queue: get", Queue: q, Done: done})
	until(t, "it waits for an item", func() bool { return q.Statistics().Getters == 1 })
	q.Shutdown()
	if err := p.Join(ctx); err != nil {
		t.Errorf("who waited for an item: %v", err)
	}
}

// TestQueueCancelled decides the races between cancels and the other side both ways.
func TestQueueCancelled(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	q := newQueue(t, 1)
	var got string
	get := func(ctx context.Context) (err error) {
		got, err = q.Get(ctx)
		return err
	}
	if err := cancelled(ctx, func() {}, get); err != context.Canceled {
		t.Errorf("Get, cancelled before Put: %v", err)
	}
	if err := cancelled(ctx, func() {
		_ = q.Put(ctx, "a")
		until(t, "it has it", func() bool { return q.Len() == 0 })
	}, get); err != nil || got != "a" {
		t.Errorf("Get, cancelled after Put: %q, %v", got, err)
	}
	_ = q.Put(ctx, "b")
	put := func(ctx context.Context) error { return q.Put(ctx, "c") }
	if err := cancelled(ctx, func() {}, put); err != context.Canceled || q.Len() != 1 {
		t.Errorf("Put, cancelled before Get: %v", err)
	}
	if err := cancelled(ctx, func() {
		_, _ = q.Get(ctx)
		until(t, "it has put it", func() bool { return q.Len() == 1 })
	}, put); err != nil {
		t.Errorf("Put, cancelled after Get: %v", err)
	}
	if err := cancelled(ctx, func() {}, q.Join); err != context.Canceled {
		t.Errorf("Join, cancelled: %v", err)
	}
	waits := make(chan error, 2)
	go func() { waits <- put(ctx) }()
	go func() { waits <- q.Join(ctx) }()
	until(t, "both wait", func() bool { s := q.Statistics(); return s.Putters == 1 && s.Joiners == 1 })
	_ = q.Close()
	for range 2 {
		if err := <-waits; !errors.Is(err, os.ErrClosed) {
			t.Errorf("closed while it waits: %v", err)
		}
	}
	for _, err := range q.All(ctx) {
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("All of a closed queue: %v", err)
		}
	}
}

// TestQueueCancelStorm cancels at random: no item is lost, doubled or out of order.
func TestQueueCancelStorm(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	q := made[*multiprocessing.Queue[int]](t)(multiprocessing.NewQueue[int](2))
	const n = 1500
	often := func(ctx context.Context, f func(ctx context.Context) error) error {
		for {
			ctx, cancel := context.WithCancel(ctx)
			go cancel()
			err := f(ctx)
			cancel()
			if err != context.Canceled {
				return err
			}
			runtime.Gosched() // or one processor does nothing else for long
		}
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen := make([]int, 2*n)
	for i := range 2 {
		wg.Go(func() {
			for j := range n {
				if err := often(ctx, func(ctx context.Context) error { return q.Put(ctx, i*n+j) }); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			last := [2]int{-1, -1}
			for range n {
				if err := often(ctx, func(ctx context.Context) error {
					v, err := q.Get(ctx)
					if err == nil {
						mu.Lock()
						seen[v]++
						mu.Unlock()
						if v <= last[v/n] {
							t.Errorf("%d came after %d", v, last[v/n])
						}
						last[v/n] = v
					}
					return err
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for v, times := range seen {
		if times != 1 {
			t.Errorf("item %d came %d times", v, times)
		}
	}
	if s := q.Statistics(); s.Len != 0 || s.Getters+s.Putters != 0 {
		t.Errorf("%+v", s)
	}
}

// TestQueueOutlivesPutter: what was put stays, much of it as well, when the process that
// put it has ended, which waits for nobody.
func TestQueueOutlivesPutter(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	const n = 5000
	q := newQueue(t, 2*n)
	for i := range n { // before the process is there
		if err := q.Put(ctx, fmt.Sprintf("%d from here", i)); err != nil {
			t.Fatal(err)
		}
	}
	p := launch(t, ctx, kit{How: "queue: put", Queue: q, N: n})
	if err := p.Join(ctx); err != nil { // before anything is taken
		t.Fatal(err)
	}
	if err := q.TryPut("x"); err != strand.ErrFull {
		t.Errorf("TryPut = %v", err)
	}
	for i := range 2 * n {
		s, err := q.TryGet()
		if err != nil || !strings.HasPrefix(s, fmt.Sprintf("%d from", i%n)) {
			t.Fatalf("item %d is %q, %v", i, s, err)
		}
	}
	if _, err := q.TryGet(); err != strand.ErrEmpty {
		t.Errorf("TryGet = %v", err)
	}
}
