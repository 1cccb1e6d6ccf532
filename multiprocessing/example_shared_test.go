//go:build linux

package multiprocessing_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/multiprocessing"
)

type image struct {
	Pixels   *multiprocessing.SharedMemory
	From, To int
}

var invert = braid.Define("example.invert", func(_ context.Context, in image) (struct{}, error) {
	defer in.Pixels.Close()
	part := in.Pixels.Bytes()[in.From:in.To]
	for i := range part {
		part[i] = ^part[i]
	}
	return struct{}{}, nil
})

// Two processes work on two halves of the same memory.
func ExampleSharedMemory() {
	ctx := context.Background()
	pool, err := multiprocessing.NewPool(multiprocessing.Config{Workers: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close(ctx)
	pixels, err := multiprocessing.NewSharedMemory(6)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pixels.Close()
	copy(pixels.Bytes(), []byte{0, 1, 2, 253, 254, 255})
	_, err = braid.Gather(ctx,
		braid.Submit(ctx, pool, invert, image{pixels, 0, 3}),
		braid.Submit(ctx, pool, invert, image{pixels, 3, 6}))
	fmt.Println(pixels.Bytes(), err)
	// Output:
	// [255 254 253 2 1 0] <nil>
}

type work struct {
	Seen  *multiprocessing.Value[int64]
	Times int
}

var see = braid.Define("example.see", func(_ context.Context, in work) (struct{}, error) {
	for range in.Times {
		in.Seen.Add(1)
	}
	return struct{}{}, nil
})

// What many processes add to one number is all there.
func ExampleValue() {
	ctx := context.Background()
	pool, err := multiprocessing.NewPool(multiprocessing.Config{Workers: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close(ctx)
	seen, err := multiprocessing.NewValue[int64](0)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer seen.Close()
	_, err = braid.Gather(ctx,
		braid.Submit(ctx, pool, see, work{seen, 3000}),
		braid.Submit(ctx, pool, see, work{seen, 3000}))
	fmt.Println(seen.Load(), err)
	// Output:
	// 6000 <nil>
}

type accounts struct {
	Balances *multiprocessing.Array[int64]
	From, To int
}

var transfer = braid.Define("example.transfer", func(ctx context.Context, in accounts) (struct{}, error) {
	return struct{}{}, in.Balances.Update(ctx, func(balances []int64) error {
		balances[in.From] -= 10
		balances[in.To] += 10
		return nil
	})
})

// Update changes several elements at a time: no other Update sees one changed and the
// other not.
func ExampleArray() {
	ctx := context.Background()
	pool, err := multiprocessing.NewPool(multiprocessing.Config{Workers: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close(ctx)
	balances, err := multiprocessing.NewArray[int64](3)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer balances.Close()
	copy(balances.Slice(), []int64{100, 100, 100})
	_, err = braid.Gather(ctx,
		braid.Submit(ctx, pool, transfer, accounts{balances, 0, 1}),
		braid.Submit(ctx, pool, transfer, accounts{balances, 0, 2}),
		braid.Submit(ctx, pool, transfer, accounts{balances, 1, 2}))
	fmt.Println(balances.Slice(), err)
	// Output:
	// [80 100 120] <nil>
}

type holding struct {
	Mutex *multiprocessing.Mutex
	Held  *multiprocessing.Event
}

var holdForever = braid.Define("example.holdForever", func(ctx context.Context, in holding) (struct{}, error) {
	if err := in.Mutex.Lock(ctx); err != nil {
		return struct{}{}, err
	}
	in.Held.Set()
	select {} // and never unlocks it
})

// The owner of a mutex is killed. Who waits for it is told so, and decides whether what
// the mutex guards can be put in order.
func ExampleMutex_Recover() {
	ctx := context.Background()
	mutex, err := multiprocessing.NewMutex()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer mutex.Close()
	held, err := multiprocessing.NewEvent()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer held.Close()
	owner, err := multiprocessing.Start(ctx, holdForever, holding{mutex, held})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := held.Wait(ctx); err != nil {
		fmt.Println(err)
	}
	owner.Kill()

	err = mutex.Lock(ctx)
	fmt.Println(errors.Is(err, multiprocessing.ErrOwnerDied))
	died, err := mutex.Recover(ctx)
	fmt.Println("died:", died, err)
	mutex.Unlock()
	fmt.Println(mutex.Lock(ctx))
	mutex.Unlock()
	<-owner.Done()
	// Output:
	// true
	// died: true <nil>
	// <nil>
}

type logFile struct {
	Mutex *multiprocessing.Mutex
	Path  string
}

var appendLine = braid.Define("example.appendLine", func(ctx context.Context, in logFile) (struct{}, error) {
	if err := in.Mutex.Lock(ctx); err != nil {
		return struct{}{}, err
	}
	defer in.Mutex.Unlock()
	b, err := os.ReadFile(in.Path)
	if err != nil {
		return struct{}{}, err
	}
	return struct{}{}, os.WriteFile(in.Path, append(b, "a line\n"...), 0o600)
})

// Processes take turns with a file.
func ExampleMutex() {
	ctx := context.Background()
	pool, err := multiprocessing.NewPool(multiprocessing.Config{Workers: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close(ctx)
	mutex, err := multiprocessing.NewMutex()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer mutex.Close()
	f, err := os.CreateTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.Remove(f.Name())
	defer f.Close()
	var futures []*braid.Future[struct{}]
	for range 4 {
		futures = append(futures, braid.Submit(ctx, pool, appendLine, logFile{mutex, f.Name()}))
	}
	_, err = braid.Gather(ctx, futures...)
	b, _ := os.ReadFile(f.Name())
	fmt.Print(string(b), err, "\n")
	// Output:
	// a line
	// a line
	// a line
	// a line
	// <nil>
}

type download struct {
	Connections *multiprocessing.Semaphore
	Now, Most   *multiprocessing.Value[int64]
}

var fetch = braid.Define("example.fetch", func(ctx context.Context, in download) (struct{}, error) {
	if err := in.Connections.Acquire(ctx, 1); err != nil {
		return struct{}{}, err
	}
	defer in.Connections.Release(1)
	now := in.Now.Add(1)
	in.Most.Update(func(most int64) int64 { return max(most, now) })
	in.Now.Add(-1)
	return struct{}{}, nil
})

// However many workers there are, at most two of them are connected. One that is killed
// gives its permit back.
func ExampleSemaphore() {
	ctx := context.Background()
	pool, err := multiprocessing.NewPool(multiprocessing.Config{Workers: 4})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close(ctx)
	connections, err := multiprocessing.NewBoundedSemaphore(2)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer connections.Close()
	now, err := multiprocessing.NewValue[int64](0)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer now.Close()
	most, err := multiprocessing.NewValue[int64](0)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer most.Close()
	var futures []*braid.Future[struct{}]
	for range 20 {
		futures = append(futures, braid.Submit(ctx, pool, fetch, download{connections, now, most}))
	}
	_, err = braid.Gather(ctx, futures...)
	fmt.Println("at most 2:", most.Load() <= 2, err)
	// Output:
	// at most 2: true <nil>
}

var waitForStart = braid.Define("example.waitForStart", func(ctx context.Context, start *multiprocessing.Event) (string, error) {
	if err := start.Wait(ctx); err != nil {
		return "", err
	}
	return "started", nil
})

func ExampleEvent() {
	ctx := context.Background()
	pool, err := multiprocessing.NewPool(multiprocessing.Config{Workers: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close(ctx)
	start, err := multiprocessing.NewEvent()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer start.Close()
	a := braid.Submit(ctx, pool, waitForStart, start)
	b := braid.Submit(ctx, pool, waitForStart, start)
	start.Set()
	fmt.Println(a.Await(ctx))
	fmt.Println(b.Await(ctx))
	// Output:
	// started <nil>
	// started <nil>
}

type stock struct {
	Changed *multiprocessing.Condition
	Bottles *multiprocessing.Value[int64]
}

var buy = braid.Define("example.buy", func(ctx context.Context, in stock) (int64, error) {
	if err := in.Changed.Lock(ctx); err != nil {
		return 0, err
	}
	defer in.Changed.Unlock()
	if err := in.Changed.WaitFor(ctx, func() bool { return in.Bottles.Load() >= 6 }); err != nil {
		return 0, err
	}
	return in.Bottles.Add(-6), nil
})

// A process waits until there is enough.
func ExampleCondition() {
	ctx := context.Background()
	pool, err := multiprocessing.NewPool(multiprocessing.Config{Workers: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close(ctx)
	changed, err := multiprocessing.NewCondition(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer changed.Close()
	bottles, err := multiprocessing.NewValue[int64](0)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer bottles.Close()
	left := braid.Submit(ctx, pool, buy, stock{changed, bottles})
	for range 4 {
		if err := changed.Lock(ctx); err != nil {
			fmt.Println(err)
			return
		}
		bottles.Add(2)
		changed.NotifyAll()
		changed.Unlock()
	}
	_, err = left.Await(ctx)
	fmt.Println("left:", bottles.Load(), err)
	// Output:
	// left: 2 <nil>
}

type phase struct {
	Barrier *multiprocessing.Barrier
	Parts   *multiprocessing.Array[int64]
	Part    int
}

// Each computes its part, and from the parts of all, when all are done, the sum.
var sumUp = braid.Define("example.sumUp", func(ctx context.Context, in phase) (int64, error) {
	in.Parts.Store(in.Part, int64(in.Part+1)*100)
	// Whoever does not come would be waited for in vain.
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if _, err := in.Barrier.Wait(ctx); err != nil {
		return 0, err
	}
	sum := int64(0)
	for i := range in.Parts.Len() {
		sum += in.Parts.Load(i)
	}
	return sum, nil
})

func ExampleBarrier() {
	ctx := context.Background()
	pool, err := multiprocessing.NewPool(multiprocessing.Config{Workers: 3})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close(ctx)
	barrier, err := multiprocessing.NewBarrier(3)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer barrier.Close()
	parts, err := multiprocessing.NewArray[int64](3)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer parts.Close()
	var futures []*braid.Future[int64]
	for i := range 3 {
		futures = append(futures, braid.Submit(ctx, pool, sumUp, phase{barrier, parts, i}))
	}
	fmt.Println(braid.Gather(ctx, futures...))
	// Output:
	// [600 600 600] <nil>
}

type plumbing struct {
	In  *multiprocessing.Queue[string]
	Out *multiprocessing.Queue[int]
}

var measure = braid.Define("example.measure", func(ctx context.Context, p plumbing) (struct{}, error) {
	for s, err := range p.In.All(ctx) {
		if err != nil {
			return struct{}{}, err
		}
		if err := p.Out.Put(ctx, len(s)); err != nil {
			return struct{}{}, err
		}
		p.In.TaskDone()
	}
	return struct{}{}, nil
})

// Two processes take texts from one queue and put their lengths into another.
func ExampleQueue() {
	ctx := context.Background()
	pool, err := multiprocessing.NewPool(multiprocessing.Config{Workers: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close(ctx)
	in, err := multiprocessing.NewQueue[string](10)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer in.Close()
	out, err := multiprocessing.NewQueue[int](10)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer out.Close()
	var workers []*braid.Future[struct{}]
	for range 2 {
		workers = append(workers, braid.Submit(ctx, pool, measure, plumbing{in, out}))
	}
	for _, s := range []string{"one", "three", "eleven"} {
		if err := in.Put(ctx, s); err != nil {
			fmt.Println(err)
			return
		}
	}
	// All are done, and none was lost with a process that died.
	fmt.Println(in.Join(ctx))
	in.Shutdown()
	_, err = braid.Gather(ctx, workers...)
	sum := 0
	for range 3 {
		n, _ := out.Get(ctx)
		sum += n
	}
	fmt.Println(sum, err)
	// Output:
	// <nil>
	// 14 <nil>
}
