package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Variables by which the driver learns what it is to do.
const (
	roleEnv = "BRAID_SOAK_ROLE"
	timeEnv = "BRAID_SOAK_TIME"
	gapEnv  = "BRAID_SOAK_GAP"
	dirEnv  = "BRAID_SOAK_DIR"
)

// Patience is how long an oracle waits: far more than anything here takes, so that only
// what hangs meets it.
type patience struct {
	call   time.Duration // for the outcome of a call
	driver time.Duration // for the next word of the driver
	settle time.Duration // for what is to go away
}

var muchPatience = patience{call: 60 * time.Second, driver: 60 * time.Second, settle: 10 * time.Second}

// An oracle runs drivers and judges them.
type oracle struct {
	settings
	*judge
	patience patience
	verbose  io.Writer // nil: say nothing but the report

	driver  *exec.Cmd
	mark    string
	acks    *os.File
	log     string // the driver's own output
	number  int    // of the driver
	round   int
	base    *measure
	memory  []sample
	killed  int           // drivers so far
	killing bool          // the driver is one to be killed
	slowest time.Duration // that those took to go that they had started
}

// A measure is what the driver holds when it holds nothing.
type measure struct {
	descriptors map[string]int
	goroutines  int
}

func newOracle(s settings, verbose io.Writer) *oracle {
	// What loses its parent becomes our child, wherever in the tree it is. Elsewhere it
	// would be init's, which need not bury it at once.
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	return &oracle{settings: s, judge: newJudge(s.seed), patience: muchPatience, verbose: verbose}
}

// consult runs the soak, and returns the oracle with its judgement.
func consult(s settings, kills int, verbose io.Writer) (*oracle, error) {
	o := newOracle(s, verbose)
	if err := o.drive(); err != nil {
		return nil, err
	}
	for range kills {
		if len(o.violations) > 0 {
			break
		}
		if err := o.killDriver(); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// start starts a driver, which tells on the file that start returns.
func (o *oracle) start(s settings) (*os.File, error) {
	o.number++
	dir := filepath.Join(o.dir, fmt.Sprint("driver", o.number))
	temp := filepath.Join(dir, "tmp")
	if err := os.MkdirAll(temp, 0o700); err != nil {
		return nil, err
	}
	events, told, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer told.Close()
	answers, acks, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer answers.Close()
	o.log = filepath.Join(dir, "log")
	log, err := os.Create(o.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	o.acks, o.mark, o.round, o.base = acks, fmt.Sprintf("%d-%d", os.Getpid(), o.number), 0, nil
	o.driver = exec.Command(self)
	o.driver.Env = append(os.Environ(),
		roleEnv+"=driver", seedEnv+"="+fmt.Sprint(s.seed), timeEnv+"="+s.time.String(), gapEnv+"="+s.gap.String(),
		dirEnv+"="+dir, markEnv+"="+o.mark, "TMPDIR="+temp,
		// A program under the race detector would sleep for a second before it exits.
		"GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	o.driver.Stdin, o.driver.Stdout, o.driver.Stderr = answers, log, log
	o.driver.ExtraFiles = []*os.File{told}
	if err := o.driver.Start(); err != nil {
		return nil, err
	}
	return events, nil
}

// drive runs the driver to its end, and listens to it.
func (o *oracle) drive() error {
	events, err := o.start(o.settings)
	if err != nil {
		return err
	}
	defer events.Close()
	lines := make(chan event, 1024)
	garbled := make(chan error, 1)
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		defer close(lines)
		garbled <- receive(events, lines, stop)
	}()
	bye := o.listen(lines)
	if len(o.violations) > 0 {
		// What is said is said. Who is stuck does not end by itself.
		_ = o.driver.Process.Kill()
	}
	err = o.driver.Wait()
	_ = o.acks.Close()
	if len(o.violations) == 0 && (err != nil || !bye) {
		o.violate(0, o.lastWords(), "the driver has ended: %v", cmpErr(err, <-garbled))
	}
	if left := o.settle(0); len(left) > 0 {
		o.violate(0, left, "processes are left over")
		o.clear()
	}
	return nil
}

func cmpErr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return errors.New("without a word")
}

// receive reads events.
func receive(from io.Reader, to chan<- event, stop <-chan struct{}) error {
	dec := json.NewDecoder(bufio.NewReaderSize(from, 1<<16))
	for {
		var e event
		if err := dec.Decode(&e); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		select {
		case to <- e:
		case <-stop:
			return nil
		}
	}
}

// listen judges what the driver tells, and reports whether it has said farewell.
func (o *oracle) listen(lines <-chan event) (bye bool) {
	tick := time.NewTicker(min(time.Second, o.patience.call, o.patience.driver))
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case e, open := <-lines:
			last = time.Now()
			switch {
			case !open:
				return bye
			case e.What == evBye:
				bye = true
			case e.What == evQuiet:
				o.checkpoint(e)
				if len(o.violations) > 0 {
					return bye
				}
			default:
				o.see(e, last)
			}
		case now := <-tick.C:
			c := o.oldest()
			switch {
			case now.Sub(last) > o.patience.driver:
				o.violate(0, o.dump(), "the driver hangs: it has told nothing for %v", o.patience.driver)
				return bye
			case c != nil && now.Sub(c.at) > o.patience.call:
				lines := c.lines(o.hits)
				o.violate(c.id, append(lines, o.dump()...), "a call hangs: it has had no outcome for %v", o.patience.call)
				return bye
			}
		}
	}
}

// dump has the driver print its goroutines and die, and returns what it says.
func (o *oracle) dump() []string {
	_ = o.driver.Process.Signal(syscall.SIGQUIT)
	for end := time.Now().Add(o.patience.settle); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if p, ok := processOf(o.driver.Process.Pid); !ok || p.state == 'Z' {
			break
		}
	}
	return o.lastWords()
}

// lastWords returns the end of the driver's own output.
func (o *oracle) lastWords() []string {
	const most = 256 << 10
	b, _ := os.ReadFile(o.log)
	return []string{string(b[max(0, len(b)-most):])}
}

// checkpoint judges a round and looks at what is left of it.
func (o *oracle) checkpoint(e event) {
	dir := filepath.Join(o.dir, fmt.Sprint("driver", o.number), fmt.Sprint(o.round))
	journal, err := os.Open(filepath.Join(dir, "journal"))
	if err != nil {
		o.violate(0, nil, "there is no journal: %v", err)
		return
	}
	o.endRound(journal)
	_ = journal.Close()
	pid := o.driver.Process.Pid
	if left := o.settle(pid); len(left) > 0 {
		o.violate(0, left, "processes are left over")
		return
	}
	o.measure(pid, e)
	if entries, err := os.ReadDir(filepath.Join(filepath.Dir(dir), "tmp")); err != nil || len(entries) > 0 {
		o.violate(0, nil, "temporary files are left over: %v, %v", entries, err)
	}
	if len(o.violations) > 0 {
		return // its files may tell more
	}
	_ = os.RemoveAll(dir)
	o.round++
	if o.verbose != nil {
		fmt.Fprintf(o.verbose, "round %d: %d calls, %d faults so far; the slowest end after a cancel took %v:\n", o.round, o.totals.calls, o.totals.injected(), o.totals.latest)
		for _, line := range o.totals.last {
			fmt.Fprintf(o.verbose, "    %s\n", line)
		}
	}
	_, _ = io.WriteString(o.acks, "go\n")
}

// measure compares what the driver holds with what it held after the first round.
func (o *oracle) measure(pid int, e event) {
	var now measure
	var left []string
	for end := time.Now().Add(o.patience.settle); ; time.Sleep(10 * time.Millisecond) {
		fds, err := descriptors(pid)
		if err != nil {
			o.violate(0, nil, "the descriptors of the driver cannot be listed: %v", err)
			return
		}
		now = measure{descriptors: fds, goroutines: e.Goroutines}
		if left = o.leaks(pid, now); len(left) == 0 || time.Now().After(end) {
			break
		}
	}
	if len(left) > 0 {
		o.violate(0, append(left, e.Text), "the driver holds more than after the first round")
	}
	if o.base == nil {
		o.base = &now
	}
	rss, err := resident(pid)
	if err != nil {
		o.violate(0, nil, "the memory of the driver cannot be read: %v", err)
	}
	o.memory = append(o.memory, sample{at: time.Now(), rss: float64(rss), heap: float64(e.Heap)})
}

func (o *oracle) leaks(pid int, now measure) (left []string) {
	if n, err := memoryFiles(pid); n > 0 || err != nil {
		left = append(left, fmt.Sprintf("%d mappings of memory files, %v", n, err))
	}
	for _, p := range allProcesses() {
		if p.parent == pid {
			left = append(left, fmt.Sprintf("child process %d (%s), state %c", p.pid, p.name, p.state))
		}
	}
	if o.base == nil {
		return left
	}
	for _, what := range slices.Sorted(maps.Keys(now.descriptors)) {
		if n, was := now.descriptors[what], o.base.descriptors[what]; n > was {
			left = append(left, fmt.Sprintf("%d descriptors of %s, not %d", n, what, was))
		}
	}
	if now.goroutines > o.base.goroutines {
		left = append(left, fmt.Sprintf("%d goroutines, not %d", now.goroutines, o.base.goroutines))
	}
	return left
}

// settle waits until no marked process but the driver is left, and returns those that
// are all the same. It buries those that it has adopted, and ends those that may be left.
func (o *oracle) settle(driver int) (left []string) {
	for end := time.Now().Add(o.patience.settle); ; time.Sleep(2 * time.Millisecond) {
		left = left[:0]
		for _, p := range allProcesses() {
			if p.pid == driver || p.pid == os.Getpid() {
				continue
			}
			if p.parent == os.Getpid() && p.state == 'Z' && p.pid != o.driver.Process.Pid {
				_, _ = unix.Wait4(p.pid, nil, unix.WNOHANG, nil)
				continue
			}
			if variable(p.pid, markEnv) != o.mark {
				continue
			}
			child := variable(p.pid, childEnv)
			if o.isExcused(child) {
				_ = unix.Kill(p.pid, unix.SIGKILL)
			}
			left = append(left, fmt.Sprintf("process %d (%s %s), state %c, child of %d", p.pid, p.name, child, p.state, p.parent))
		}
		if len(left) == 0 || time.Now().After(end) {
			return left
		}
	}
}

// isExcused reports whether a child of a worker may be left over. One that has left the
// group cannot be found any more when the worker did not die of its pool; and who dies
// just before the program has nobody who ends what it leaves.
func (o *oracle) isExcused(child string) bool {
	var id uint64
	var worker int
	var apart bool
	if _, err := fmt.Sscanf(child, "%d %d %t", &id, &worker, &apart); err != nil {
		return false
	}
	return apart && o.struck.later[worker] || o.killing && o.struck.lethal[worker]
}

// clear ends what is left over.
func (o *oracle) clear() {
	for _, p := range allProcesses() {
		if p.pid != os.Getpid() && variable(p.pid, markEnv) == o.mark {
			_ = unix.Kill(p.pid, unix.SIGKILL)
		}
	}
	o.settle(0)
}

// killDriver starts another driver, kills it at some moment, and sees whether anything
// survives it.
func (o *oracle) killDriver() error {
	o.killing = true
	r := dice{state: mix(o.settings.seed, uint64(o.number))}
	s := o.settings
	s.seed, s.time = r.next(), time.Hour
	events, err := o.start(s)
	if err != nil {
		return err
	}
	defer events.Close()
	// It is not judged, but for whom it has hit.
	lines, drained := make(chan event), make(chan struct{})
	go func() {
		defer close(lines)
		_ = receive(events, lines, nil)
	}()
	j := newJudge(s.seed)
	go func() {
		defer close(drained)
		for e := range lines {
			j.see(e, time.Now())
		}
	}()
	after := 100*time.Millisecond + r.duration(900*time.Millisecond)
	select {
	case <-time.After(after):
	case <-drained:
		o.violate(0, o.lastWords(), "the driver that was to be killed has ended by itself")
	}
	if r.n(3) == 0 {
		_ = o.driver.Process.Signal(syscall.SIGSTOP)
		time.Sleep(r.duration(100 * time.Millisecond))
	}
	_ = o.driver.Process.Kill()
	killed := time.Now()
	_ = o.driver.Wait()
	<-drained
	if journal, err := os.Open(filepath.Join(o.dir, fmt.Sprint("driver", o.number), "0", "journal")); err == nil {
		o.struck = j.read(journal)
		_ = journal.Close()
	}
	left := o.settle(0)
	o.slowest = max(o.slowest, time.Since(killed))
	o.killed++
	if len(left) > 0 {
		o.violate(0, left, "processes have survived the program, which was killed %v after its start", after)
		o.clear()
	}
	_ = o.acks.Close()
	return nil
}
