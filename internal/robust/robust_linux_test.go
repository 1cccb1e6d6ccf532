package robust

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/internal/shm"
	"github.com/go-braid/braid/strand"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dead is a process that cannot be.
var dead = makeID(1<<pidBits-1, 12345)

func TestID(t *testing.T) {
	proctest.Check(t)
	self, err := Self()
	if err != nil {
		t.Fatal(err)
	}
	if self.PID() != os.Getpid() || self.State() != Running {
		t.Errorf("this process is %d, in state %d", self.PID(), self.State())
	}
	if s := (self | left).State(); s != Dead {
		t.Errorf("a process that has left is in state %d", s)
	}
	if s := dead.State(); s != Dead {
		t.Errorf("no process is in state %d", s)
	}
	if s := makeID(os.Getppid(), 1).State(); s != Dead {
		t.Errorf("a process whose number is another's is in state %d", s)
	}

	c := exec.Command("cat")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	s, err := parseStat(string(b))
	if err != nil {
		t.Fatal(err)
	}
	id := s.id()
	is := func(want State) {
		t.Helper()
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for id.State() != want {
			<-tick.C
		}
	}
	is(Running)
	_ = c.Process.Signal(syscall.SIGSTOP)
	is(Stopped)
	_ = c.Process.Signal(syscall.SIGCONT)
	is(Running)
	_ = in.Close()
	is(Dead) // a zombie
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
	is(Dead)
}

func TestParseStat(t *testing.T) {
	const rest = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 5 18 777 20"
	s, err := parseStat("42 (a) (b c))" + rest)
	if want := (stat{pid: 42, state: 'S', threads: 5, start: 777}); err != nil || s != want {
		t.Errorf("parseStat = %+v, %v", s, err)
	}
	for _, bad := range []string{"", "42", ") (", "42 (a)", "x (a)" + rest, "42 (a) SS" + rest[2:], "42 (a)" + rest[:30], strings.Replace("42 (a)"+rest, "777", "x", 1)} {
		if s, err := parseStat(bad); err == nil {
			t.Errorf("parseStat(%q) = %+v", bad, s)
		}
	}
	for line, want := range map[string]State{
		"S": Running, "R": Running, "T": Stopped, "t": Stopped, "Z": Dead, "X": Dead,
	} {
		s := stat{pid: 7, start: 9, state: line[0], threads: 1}
		if got := s.stateOf(makeID(7, 9)); got != want {
			t.Errorf("state %s is %d, want %d", line, got, want)
		}
	}
	// A leader that is a zombie while other threads are still being killed.
	if got := (stat{pid: 7, start: 9, state: 'Z', threads: 2}).stateOf(makeID(7, 9)); got != Running {
		t.Errorf("a process with threads is in state %d", got)
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add("42 (a) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 5 18 777 20")
	f.Add(") (")
	f.Fuzz(func(_ *testing.T, line string) { _, _ = parseStat(line) })
}

// thing is an object with all that objects have.
type thing struct {
	*thingState
	r       *Region
	mutex   *Mutex
	repairs atomic.Int32
}

type thingState struct {
	lock atomic.Uint32
	have [MaxProcesses]atomic.Int32
}

func (o *thing) Busy(slot int) bool     { return o.mutex.Busy(slot) }
func (o *thing) Look()                  { o.mutex.Look() }
func (o *thing) Settle(slot int)        { o.have[slot].Store(0) }
func (o *thing) Concerns(slot int) bool { return o.have[slot].Load() != 0 }
func (o *thing) Repair()                { o.repairs.Add(1) }

var thingKind = &Kind{
	Name: "thing", Lines: 2,
	Size: func(p Params) (int64, error) {
		if p.A > 10 {
			return 0, errors.New("too much")
		}
		return 4096, nil
	},
	New: func(r *Region) Object {
		o := &thing{thingState: At[thingState](r, 0), r: r}
		o.mutex = NewMutex(r, &o.lock, r.Line(0))
		return o
	},
}

type stays struct{}

func (stays) Gone() error { return nil }

func newThing(t testing.TB) (*Region, *thing) {
	t.Helper()
	r, err := Create(thingKind, Params{A: 3, Element: "int"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Release)
	return r, r.Object().(*thing)
}

// dup returns another descriptor of the object's file.
func dup(t testing.TB, r *Region) *os.File {
	t.Helper()
	f, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", r.File().Fd()), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// another opens an object as another process would, with a slot of its own.
func another(t testing.TB, r *Region) (*Region, *thing) {
	t.Helper()
	r2, err := openAnother(t, r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r2.Release)
	return r2, r2.Object().(*thing)
}

func openAnother(t testing.TB, r *Region) (*Region, error) {
	t.Helper()
	registry.Lock()
	delete(registry.regions, r.key)
	registry.Unlock()
	r2, err := Open(thingKind, dup(t, r))
	registry.Lock()
	defer registry.Unlock()
	registry.regions[r.key] = r
	if err == nil {
		r2.key = fileKey{} // so that it does not take the other out of the registry
	}
	return r2, err
}

func TestOpenTwice(t *testing.T) {
	proctest.Check(t)
	r, _ := newThing(t)
	again, err := Open(thingKind, dup(t, r))
	if err != nil || again != r {
		t.Errorf("Open = %p, %v, want %p", again, err, r)
	}
	again.Release()
	if p := r.Params(); p != (Params{A: 3, Element: "int"}) {
		t.Errorf("Params = %+v", p)
	}
	other := *thingKind
	if _, err := Open(&other, dup(t, r)); err == nil {
		t.Error("it was opened as another kind")
	}
	r2, _ := another(t, r)
	if r2.Slot() != 1 || r.Slot() != 0 || r.Used() != 2 {
		t.Errorf("the slots are %d and %d of %d", r.Slot(), r2.Slot(), r.Used())
	}
}

// garbage makes a memory file that begins with b.
func garbage(t testing.TB, size int64, b []byte) *os.File {
	t.Helper()
	f, err := shm.Create("garbage", size)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(b[:min(int64(len(b)), size)], 0); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestOpenGarbage(t *testing.T) {
	proctest.Check(t)
	r, _ := newThing(t)
	valid := bytes.Clone(r.mapping.Bytes())
	size := int64(len(valid))
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	change := func(at int, with string) []byte {
		b := bytes.Clone(valid)
		copy(b[at:], with)
		return b
	}
	for name, c := range map[string]struct {
		f    *os.File
		want string
	}{
		"no memory file": {null, "not a sealed memory file"},
		"zeros":          {garbage(t, size, nil), "none of braid's"},
		"small":          {garbage(t, 100, valid), "too little"},
		"too small":      {garbage(t, size-4096, valid), "bytes, where"},
		"too large":      {garbage(t, size+1, valid), "bytes, where"},
		"version":        {garbage(t, size, change(0, "\x02")), "another version"},
		"kind":           {garbage(t, size, change(8, "sheep\x00")), `"sheep", not a thing`},
		"long kind":      {garbage(t, size, change(8, strings.Repeat("x", 16))), "not a thing"},
		"parameters":     {garbage(t, size, change(24, "\xff\xff")), "too much"},
	} {
		if r, err := Open(thingKind, c.f); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
			if err == nil {
				r.Release()
			}
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(uint16(0), []byte{1, 2, 3})
	f.Add(uint16(8), []byte("thing"))
	f.Fuzz(func(t *testing.T, at uint16, b []byte) {
		r, err := Create(thingKind, Params{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		whole := bytes.Clone(r.mapping.Bytes())
		r.Release()
		copy(whole[int(at)%len(whole):], b)
		// A lock that somebody seems to hold who does not die is waited for, rightly.
		copy(whole[unsafe.Offsetof(head{}.lock):][:4], "\x00\x00\x00\x00")
		r, err = Open(thingKind, garbage(t, int64(len(whole)), whole))
		if err != nil {
			return
		}
		o := r.Object().(*thing)
		r.Look()
		_, _ = o.mutex.Owner()
		if out := o.mutex.TryLock(); out == Taken {
			o.mutex.Unlock()
		}
		r.Line(1).RingAll()
		r.Line(1).Waiting()
		r.Release()
	})
}

// TestLockOfTheDead: the region's lock is taken from the dead, by one of those who wait,
// and what they have begun is repaired.
func TestLockOfTheDead(t *testing.T) {
	proctest.Check(t)
	r, o := newThing(t)
	for i := range 3 {
		r.head.ids[7].Store(uint64(dead))
		r.head.lock.Store(r.head.lock.Load() | 8)
		var wg sync.WaitGroup
		n := 0
		for range 4 {
			wg.Go(func() {
				r.Lock()
				n++
				r.Unlock()
			})
		}
		wg.Wait()
		if n != 4 || o.repairs.Load() != int32(i+1) {
			t.Errorf("%d have locked it, and there were %d repairs", n, o.repairs.Load())
		}
	}
	if w := r.head.lock.Load(); w != 3*epoch {
		t.Errorf("the word is %#x", w)
	}
}

// TestLockAmongProcesses: several regions of one object stand for several processes.
func TestLockAmongProcesses(t *testing.T) {
	proctest.Check(t)
	r, _ := newThing(t)
	r2, _ := another(t, r)
	r3, _ := another(t, r)
	var wg sync.WaitGroup
	in := atomic.Int32{}
	for _, r := range []*Region{r, r2, r3, r, r2} {
		wg.Go(func() {
			for range 2000 {
				r.Lock()
				if in.Add(1) != 1 {
					t.Error("two have the lock")
				}
				in.Add(-1)
				r.Unlock()
			}
		})
	}
	wg.Wait()
	if w := r.head.lock.Load(); w != 0 {
		t.Errorf("the word is %#x", w)
	}
}

func TestMutexOfTheDead(t *testing.T) {
	proctest.Check(t)
	r, o := newThing(t)
	r2, err := openAnother(t, r)
	if err != nil {
		t.Fatal(err)
	}
	o2 := r2.Object().(*thing)
	ctx := context.Background()
	op := strand.Op{Kind: strand.OpLock}
	r.head.ids[9].Store(uint64(dead))
	r.head.used.Store(10)
	o.lock.Store(10)
	if out, err := o.mutex.Lock(ctx, op, stays{}, false); out != Orphaned || err != nil {
		t.Errorf("Lock = %d, %v", out, err)
	}
	if pid, isDead := o.mutex.Owner(); pid != dead.PID() || !isDead {
		t.Errorf("Owner = %d, %v", pid, isDead)
	}
	// As long as the lock names it, the slot is not freed.
	o.have[9].Store(1)
	r.Look()
	if o.have[9].Load() != 0 || r.ID(9) != dead {
		t.Errorf("it has %d, and the slot is %d's", o.have[9].Load(), r.ID(9))
	}
	var taken, inherited atomic.Int32
	var wg sync.WaitGroup
	for _, m := range []*Mutex{o.mutex, o2.mutex, o.mutex, o2.mutex} {
		wg.Go(func() {
			out, err := m.Lock(ctx, op, stays{}, true)
			switch {
			case err != nil:
				t.Error(err)
			case out == Inherited:
				inherited.Add(1)
			case out == Taken:
				taken.Add(1)
			}
			if !m.Unlock() {
				t.Error("it was not held")
			}
		})
	}
	wg.Wait()
	if taken.Load() != 3 || inherited.Load() != 1 {
		t.Errorf("%d have taken it, %d inherited", taken.Load(), inherited.Load())
	}
	o.have[9].Store(1)
	r.Look()
	if r.ID(9) != 0 {
		t.Error("the slot of the dead is not free")
	}
	if o.mutex.Unlock() || o2.mutex.Mine() {
		t.Error("a free mutex is held")
	}
	// Who leaves with the mutex is as good as dead.
	if o2.mutex.TryLock() != Taken || o.mutex.Unlock() {
		t.Error("one cannot lock it, or the other unlock")
	}
	r2.Release()
	if out, err := o.mutex.Lock(ctx, op, stays{}, true); out != Inherited || err != nil {
		t.Errorf("Lock = %d, %v", out, err)
	}
	o.mutex.Unlock()
}

// TestTableFull: who comes when all slots are taken gets that of a dead process, with
// nothing of what that had, or an error.
func TestTableFull(t *testing.T) {
	proctest.Check(t)
	r, o := newThing(t)
	self, _ := Self()
	for slot := 1; slot < MaxProcesses; slot++ {
		r.head.ids[slot].Store(uint64(self))
	}
	if _, err := openAnother(t, r); !errors.Is(err, ErrTooManyProcesses) {
		t.Errorf("Open = %v", err)
	}
	r.head.ids[100].Store(uint64(dead))
	r.head.ids[200].Store(uint64(dead))
	o.lock.Store(101) // the mutex names it
	o.have[200].Store(5)
	r.Line(0).s.waiting[200/64].Or(1 << (200 % 64))
	r2, err := openAnother(t, r)
	if err != nil {
		t.Fatal(err)
	}
	if r2.Slot() != 200 || o.have[200].Load() != 0 || !r.Line(0).Empty() || r.Used() != 201 {
		t.Errorf("the slot is %d, with %d, of %d", r2.Slot(), o.have[200].Load(), r.Used())
	}
	r2.Release()
	if r.ID(200) != 0 {
		t.Error("the slot is not free after Release")
	}
}

// TestLinePassesOver: the dead in front are put out of the line.
func TestLinePassesOver(t *testing.T) {
	proctest.Check(t)
	r, _ := newThing(t)
	l := r.Line(1)
	for slot := 3; slot < 6; slot++ {
		r.head.ids[slot].Store(uint64(dead))
		l.s.places[slot].ticket.Store(l.s.tickets.Add(1))
		l.s.places[slot].count.Store(1)
		l.s.waiting[0].Or(1 << slot)
	}
	r.head.used.Store(6)
	if l.Waiting() != 3 || l.Empty() {
		t.Errorf("%d wait", l.Waiting())
	}
	w := &Waiter{Owner: stays{}}
	w.Try = func() bool { return l.First(w) }
	if err := l.Wait(context.Background(), strand.Op{Kind: strand.OpWait}, w); err != nil {
		t.Fatal(err)
	}
	for slot := 3; slot < 6; slot++ {
		if r.ID(slot) != 0 {
			t.Errorf("slot %d is not free", slot)
		}
	}
}

// TestLineStorm: strands of several processes come and are cancelled at random, while
// tokens are handed out: none is lost.
func TestLineStorm(t *testing.T) {
	proctest.Check(t)
	r, o := newThing(t)
	r2, _ := another(t, r)
	r3, _ := another(t, r)
	tokens := &o.have[255] // that nobody else uses
	take := func() bool {
		for {
			n := tokens.Load()
			if n == 0 {
				return false
			}
			if tokens.CompareAndSwap(n, n-1) {
				return true
			}
		}
	}
	const each = 300
	var wg sync.WaitGroup
	for i, r := range []*Region{r, r2, r3, r, r2, r3} {
		wg.Go(func() {
			for got := 0; got < each; {
				ctx, cancel := context.WithCancel(context.Background())
				if (i+got)%2 == 0 && rand.IntN(3) > 0 {
					go cancel()
				}
				l := r.Line(1)
				w := &Waiter{Owner: stays{}}
				w.Try = func() bool { return l.First(w) && take() }
				if l.Wait(ctx, strand.Op{Kind: strand.OpWait}, w) == nil {
					got++
					l.Ring()
				}
				cancel()
			}
		})
	}
	wg.Go(func() {
		for range 6 * each {
			tokens.Add(1)
			r.Line(1).Ring()
		}
	})
	wg.Wait()
	if n := tokens.Load(); n != 0 || !r.Line(1).Empty() {
		t.Errorf("%d tokens are left, and the line is empty: %v", n, r.Line(1).Empty())
	}
}
