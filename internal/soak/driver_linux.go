package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/multiprocessing"
)

// A shape is a pool's, as far as the soak varies it.
type shape struct {
	name     string
	config   multiprocessing.Config
	listens  bool // with a listener, which hears of every death
	limited  bool // with a limit of memory
	init     bool
	newborns bool // its workers are replaced so often that there are always new ones
}

const memoryLimit = 192 << 20

var shapes = []shape{
	{name: "1 worker", config: multiprocessing.Config{Workers: 1}},
	{name: "1 worker, pipes, listener", config: multiprocessing.Config{Workers: 1, Pipes: true}, listens: true},
	{name: "2 workers", config: multiprocessing.Config{Workers: 2}, limited: true},
	{name: "2 workers, pipes", config: multiprocessing.Config{Workers: 2, Pipes: true}},
	{name: "2 workers, listener, init", config: multiprocessing.Config{Workers: 2}, listens: true, init: true},
	{name: "2 workers, 5 tasks each", config: multiprocessing.Config{Workers: 2, MaxTasksPerWorker: 5}, newborns: true},
	{name: "4 workers, listener", config: multiprocessing.Config{Workers: 4}, listens: true, limited: true},
	{name: "4 workers, idle 10 ms, init", config: multiprocessing.Config{Workers: 4, IdleTimeout: 10 * time.Millisecond}, init: true},
	{name: "4 workers, pipes, lifetime 200 ms, listener", config: multiprocessing.Config{Workers: 4, Pipes: true, Lifetime: 200 * time.Millisecond}, listens: true, newborns: true},
	{name: "2 workers, no queue, refuses", config: multiprocessing.Config{Workers: 2, Queue: -1, Full: multiprocessing.Refuse}},
}

// settings are what the driver is told.
type settings struct {
	seed uint64
	time time.Duration // how long
	gap  time.Duration // between faults, on average
	dir  string        // for files, each round in a folder of its own
}

// A driver makes pools, submits calls and injects faults.
type driver struct {
	settings
	*teller
	oracle *bufio.Reader // says when the next round may begin
	calls  atomic.Uint64 // numbers given so far
	until  time.Time

	cancels    sync.WaitGroup // those that will be, or are
	goroutines int            // after the first round
}

// A target is a pool of a round.
type target struct {
	*driver
	shape
	number  int
	pool    *multiprocessing.Pool
	closing atomic.Bool
	strikes atomic.Int64 // calls with faults in flight
	oks     atomic.Int64 // calls that have succeeded
	work    sync.WaitGroup
	parents sync.Map // by number of the call: what cancels it when its children are born, or nil: they are
}

// drive is the driver's main.
func drive(s settings, to, from *os.File) error {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	d := &driver{settings: s, teller: newTeller(to), oracle: bufio.NewReader(from), until: time.Now().Add(s.time)}
	r := &dice{state: mix(s.seed, 0xd1ce)}
	// The first round is the base that the others are compared with.
	for round := 0; round == 0 || time.Now().Before(d.until); round++ {
		if err := d.round(round, r); err != nil {
			return err
		}
	}
	d.tell(event{What: evBye})
	d.close()
	return nil
}

// round is the life of two pools.
func (d *driver) round(number int, r *dice) error {
	length := 2*time.Second + r.duration(4*time.Second)
	if number == 0 {
		length = min(length, d.time/4)
	}
	dir := filepath.Join(d.dir, fmt.Sprint(number))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	var targets []*target
	first := r.n(uint64(len(shapes)))
	for i, n := range []uint64{first, (first + 1 + r.n(uint64(len(shapes)-1))) % uint64(len(shapes))} {
		t, err := d.open(2*number+i+1, shapes[n], dir)
		if err != nil {
			return err
		}
		targets = append(targets, t)
	}
	end := time.Now().Add(min(length, max(time.Until(d.until), time.Second)))
	over := make(chan struct{})
	in := &injector{driver: d, dice: &dice{state: r.next()}, targets: targets}
	injected := make(chan struct{})
	go func() {
		defer close(injected)
		in.run(over)
	}()
	var ends sync.WaitGroup
	for _, t := range targets {
		for range t.config.Workers + 1 {
			own := &dice{state: r.next()}
			t.work.Go(func() { t.submitAll(own, end) })
		}
		// Of a third of the pools what is in flight is cut short.
		abruptly := r.n(3) == 0
		ends.Go(func() { t.end(end, abruptly) })
	}
	ends.Wait()
	close(over)
	<-injected
	return d.checkpoint()
}

// open makes a pool.
func (d *driver) open(number int, s shape, dir string) (*target, error) {
	t := &target{driver: d, shape: s, number: number}
	c := s.config
	c.Name = fmt.Sprintf("pool %d", number)
	c.Grace, c.Heartbeat, c.MaxMessage, c.OpenFiles = 60*time.Millisecond, 200*time.Millisecond, maxMessage, 128
	c.Env = append(append([]string{}, multiprocessing.DefaultEnv...), markEnv, seedEnv, journalEnv+"="+filepath.Join(dir, "journal"))
	c.Output = t.output
	c.Logger = slog.New(slog.DiscardHandler)
	if s.limited && !raceEnabled { // the race detector needs more than there is
		c.MemoryLimit = memoryLimit
	}
	if s.init {
		// Each pool counts its own starts.
		own := filepath.Join(dir, fmt.Sprint("pool", number))
		if err := os.Mkdir(own, 0o700); err != nil {
			return nil, err
		}
		c.Init = multiprocessing.Task(initTask, own)
	}
	if s.listens {
		c.Listener = &engine.Listener{
			Progress: func(engine.Event) {},
			WorkerStopped: func(e engine.Event) {
				if e.Err != nil {
					d.tell(addCrash(event{What: evDeath, Pool: number, Text: cut(e.Err.Error())}, e.Err))
				}
			},
		}
	}
	d.tell(event{What: evPool, Pool: number, Text: s.name})
	var err error
	t.pool, err = multiprocessing.NewPool(c)
	return t, err
}

// output takes the lines of workers.
func (t *target) output(o multiprocessing.Output) {
	if strings.Contains(o.Text, "WARNING: DATA RACE") {
		t.tell(event{What: evRace, Pool: t.number, PID: o.PID, Text: o.Text})
	}
	var id uint64
	if _, err := fmt.Sscanf(o.Text, bornLine+" %d", &id); err == nil {
		// Its driver may not have come so far.
		v, _ := t.parents.LoadOrStore(id, nil)
		if cancel, ok := v.(func()); ok {
			cancel()
		}
	}
}

// end closes the pool at the end of the round: when its calls are over, or at once.
func (t *target) end(at time.Time, abruptly bool) {
	ctx := context.Background()
	if abruptly {
		time.Sleep(time.Until(at) - 50*time.Millisecond)
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		cancel()
	} else {
		t.work.Wait()
	}
	t.closing.Store(true)
	t.tell(event{What: evClosing, Pool: t.number})
	_ = t.pool.Close(ctx) // says only whether something was cut short
	t.work.Wait()
	s := t.pool.Statistics()
	t.tell(event{What: evClosed, Pool: t.number, Counts: &counts{
		Submitted: s.Submitted, Refused: s.Refused, Completed: s.Completed, Deaths: s.Deaths, Strays: s.Strays,
		Left: s.Workers + s.Starting + s.Running + s.Queued + s.Waiting + len(t.pool.Workers()), Workers: t.config.Workers,
	}})
}

// checkpoint says that everything of the round is over, and waits until the oracle has
// looked at what is left.
func (d *driver) checkpoint() error {
	d.cancels.Wait()
	// What has said farewell may not quite be gone.
	for end := time.Now().Add(5 * time.Second); d.goroutines > 0 && runtime.NumGoroutine() > d.goroutines && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if d.goroutines == 0 {
		time.Sleep(100 * time.Millisecond)
		d.goroutines = runtime.NumGoroutine()
	}
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	stacks := make([]byte, 64<<10)
	d.tell(event{What: evQuiet, Goroutines: runtime.NumGoroutine(), Heap: m.HeapAlloc, Text: string(stacks[:runtime.Stack(stacks, true)])})
	line, err := d.oracle.ReadString('\n')
	if err != nil || line != "go\n" {
		return fmt.Errorf("the oracle says %q: %w", line, err)
	}
	return nil
}

// submitAll submits calls until the end, as a user of the pool.
func (t *target) submitAll(r *dice, end time.Time) {
	for time.Now().Before(end) && !t.closing.Load() {
		switch {
		case r.n(12) == 0:
			t.mapAll(r, end)
		case r.n(8) == 0:
			// Workers are idle now and then.
			time.Sleep(r.duration(100 * time.Millisecond))
		default:
			var waits []func() outcome
			for range 1 + r.n(8) {
				k := normal
				if r.n(12) == 0 {
					k = flaking
				}
				waits = append(waits, t.submit(t.nextID(k)))
			}
			turnedAway := false
			for _, wait := range waits {
				turnedAway = wait() == refused || turnedAway
			}
			if turnedAway {
				time.Sleep(r.duration(10 * time.Millisecond))
			}
		}
	}
}

func (d *driver) nextID(k kind) uint64 { return callID(d.calls.Add(1), k) }

// submit submits a call. The function that it returns waits for the outcome.
func (t *target) submit(id uint64) (wait func() outcome) {
	p := planOf(t.seed, id)
	t.tell(event{What: evSubmit, ID: id, Pool: t.number, Idempotent: p.idempotent})
	var opts []braid.Option
	if p.idempotent {
		opts = append(opts, braid.Idempotent())
	}
	if p.retries > 0 {
		opts = append(opts, braid.Retry(p.retries), braid.Backoff(time.Millisecond, 5*time.Millisecond))
	}
	if p.timeout > 0 {
		opts = append(opts, braid.Timeout(p.timeout))
	}
	ctx := context.Background()
	switch p.form {
	case structured:
		o := order{ID: id, Data: make([]byte, p.size)}
		fill(o.Data, id)
		return follow(t, p, braid.Submit(ctx, t.pool, structuredTask, o, opts...), func(o order) (uint64, []byte) { return o.ID, o.Data })
	case raw:
		return follow(t, p, braid.Submit(ctx, t.pool, rawTask, newRaw(id, p.size, id), opts...), func(b []byte) (uint64, []byte) {
			n, data, _ := readRaw(b)
			return n, data
		})
	case trapped:
		return follow(t, p, braid.Submit(ctx, t.pool, trapTask, lure{id}, opts...), func(r prize) (uint64, []byte) {
			if r.id != id {
				return 0, nil
			}
			return p.answer(t.seed), nil
		})
	default:
		return follow(t, p, braid.Submit(ctx, t.pool, tinyTask, id, opts...), func(n uint64) (uint64, []byte) { return n, nil })
	}
}

// follow sees a call to its end.
func follow[T any](t *target, p plan, f *braid.Future[T], read func(T) (uint64, []byte)) (wait func() outcome) {
	f.OnDone(func() { t.tell(event{What: evDone, ID: p.id}) })
	stop := func() bool { return false }
	cancel := func() {
		t.tell(event{What: evCancel, ID: p.id})
		f.Cancel(nil)
	}
	switch {
	case p.kind == familyHangs:
		if _, born := t.parents.Swap(p.id, cancel); born {
			cancel()
		}
		f.OnDone(func() { t.parents.Delete(p.id) })
	case p.cancel > 0:
		t.cancels.Add(1)
		stop = time.AfterFunc(p.cancel, func() {
			defer t.cancels.Done()
			cancel()
		}).Stop
	}
	return func() outcome {
		v, err := f.Await(context.Background())
		if stop() {
			t.cancels.Done()
		}
		if err == nil {
			t.oks.Add(1)
		}
		e := outcomeOf(p.id, err, func() (uint64, []byte) { return read(v) })
		t.tell(e)
		return e.Outcome
	}
}

// mapAll has many calls of one Map, most of them innocent.
func (t *target) mapAll(r *dice, end time.Time) {
	n := 1 + r.n(600)
	leaveAt := n // after so many results
	if r.n(8) == 0 {
		leaveAt = r.n(n)
	}
	idempotent := r.n(2) == 0 // all of them, whatever their plans say
	var ids []uint64
	input := iter.Seq[uint64](func(yield func(uint64) bool) {
		for range n {
			if time.Now().After(end) || t.closing.Load() {
				return
			}
			k := mapped
			if r.n(300) == 0 {
				k = mappable[r.n(uint64(len(mappable)))]
			}
			id := t.nextID(k)
			ids = append(ids, id)
			t.tell(event{What: evSubmit, ID: id, Pool: t.number, Idempotent: idempotent, Mapped: true})
			if !yield(id) {
				return
			}
		}
	})
	got := 0
	opts := []braid.Option{braid.Limit(int(1 + r.n(256)))}
	if idempotent {
		opts = append(opts, braid.Idempotent())
	}
	for v, err := range braid.Map(context.Background(), t.pool, tinyTask, input, opts...) {
		t.tell(outcomeOf(ids[got], err, func() (uint64, []byte) { return v, nil }))
		got++
		if uint64(got) > leaveAt {
			break
		}
	}
	if got < len(ids) {
		t.tell(event{What: evLeft, Pool: t.number})
	}
	for _, id := range ids[got:] {
		t.tell(event{What: evResult, ID: id, Outcome: abandoned})
	}
}

// outcomeOf describes an outcome.
func outcomeOf(id uint64, err error, read func() (uint64, []byte)) event {
	e := event{What: evResult, ID: id, Outcome: classify(err)}
	if err == nil {
		var data []byte
		e.Answer, data = read()
		e.Sum, e.Len = sumOf(data), len(data)
		return e
	}
	if t, ok := errors.AsType[*engine.TaskError](err); ok {
		e.Attempt = t.Attempt
	}
	e.NotStarted = errors.Is(err, engine.ErrNotStarted)
	e.Text = cut(err.Error())
	return addCrash(e, err)
}

func addCrash(e event, err error) event {
	if c, ok := errors.AsType[*engine.CrashError](err); ok {
		e.PID, e.Exit, e.Signal, e.Phase, e.OOM, e.Reason = c.PID, c.ExitCode, c.Signal, string(c.Phase), c.OOM, cut(c.Reason)
	}
	return e
}

func cut(s string) string { return s[:min(len(s), 300)] }

// classify says what became of a call.
func classify(err error) outcome {
	codec, isCodec := errors.AsType[*engine.CodecError](err)
	_, isPanic := errors.AsType[*engine.PanicError](err)
	_, isCrash := errors.AsType[*engine.CrashError](err)
	switch {
	case err == nil:
		return ok
	case errors.Is(err, multiprocessing.ErrBroken):
		return broken
	case errors.Is(err, engine.ErrClosed):
		return closed
	case errors.Is(err, engine.ErrSaturated):
		return refused
	case engine.Cancelled(err):
		return cancelled
	case engine.Interrupted(err):
		return timedOut
	case errors.Is(err, engine.ErrPoison):
		return poison
	case isCrash:
		return crashed
	case isPanic:
		return panicked
	case isCodec:
		return map[engine.Phase]outcome{
			engine.PhaseSubmit: unsent, engine.PhaseDecode: unread,
			engine.PhaseEncode: unwritten, engine.PhaseResult: unreadable,
		}[codec.Phase]
	case errors.Is(err, engine.ErrGoexit):
		return ended
	case errors.Is(err, errPlanned):
		return failed
	}
	return other
}
