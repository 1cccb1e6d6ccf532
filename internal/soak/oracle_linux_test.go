package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// brokenEnv has the driver be one that does not do what it should.
const brokenEnv = "BRAID_SOAK_TEST_BROKEN"

func TestMain(m *testing.M) {
	if os.Getenv(roleEnv) == "driver" {
		switch os.Getenv(brokenEnv) {
		case "dies":
			fmt.Fprintln(os.Stderr, "last words")
			os.Exit(3)
		case "leaves early":
			os.Exit(0)
		case "lies":
			fmt.Fprintln(os.NewFile(3, "events"), `{"e":"result","id":256,"outcome":"ok"}`)
			select {}
		case "leaves a child":
			tell := newTeller(os.NewFile(3, "events"))
			c := exec.Command("sleep", "1000")
			c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			if err := c.Start(); err != nil {
				os.Exit(4)
			}
			tell.tell(event{What: evBye})
			tell.close()
			os.Exit(0)
		}
	}
	playRole()
	os.Exit(m.Run())
}

// TestSoak is a short soak, at whose end all must be well.
func TestSoak(t *testing.T) {
	run := 3 * time.Second
	if testing.Short() {
		run = time.Second
	}
	var out bytes.Buffer
	sound, err := soak(settings{seed: 1, time: run, gap: 20 * time.Millisecond}, 1, &out, nil)
	if err != nil || !sound {
		t.Errorf("sound = %v, %v\n%s", sound, err, out.String())
	}
	for _, want := range []string{"seed 1, for", "SIGKILL", "killed the program 1 times", "sound\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, out.String())
		}
	}
}

// TestBrokenDriver: what a driver does that it must not is told, with the seed.
func TestBrokenDriver(t *testing.T) {
	for how, want := range map[string]string{
		"dies":           "last words",
		"leaves early":   "the driver has ended",
		"lies":           "an outcome of a call that nobody has submitted",
		"leaves a child": "(sleep ",
	} {
		t.Setenv(brokenEnv, how)
		var out bytes.Buffer
		o := newOracle(settings{seed: 99, time: time.Second, gap: 20 * time.Millisecond, dir: t.TempDir()}, nil)
		o.patience = patience{call: time.Second, driver: time.Second, settle: 100 * time.Millisecond}
		if err := o.drive(); err != nil {
			t.Fatal(err)
		}
		for _, v := range o.violations {
			v.write(&out, 99)
		}
		if !strings.Contains(out.String(), want) || !strings.Contains(out.String(), "seed 99") {
			t.Errorf("a driver that %s: the report lacks %q:\n%s", how, want, out.String())
		}
	}
}

// idler returns an oracle with a process that does nothing in the place of its driver.
func idler(t *testing.T) *oracle {
	t.Helper()
	o := newOracle(settings{seed: testSeed, dir: t.TempDir()}, nil)
	o.patience = patience{call: time.Hour, driver: time.Hour, settle: 50 * time.Millisecond}
	o.mark = fmt.Sprint("test-", t.Name())
	o.driver = exec.Command("sleep", "1000")
	if err := o.driver.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = o.driver.Process.Kill()
		_ = o.driver.Wait()
	})
	return o
}

// TestHang: a call without an outcome, and a driver without a word, are noticed.
func TestHang(t *testing.T) {
	o := idler(t)
	o.patience.call = 20 * time.Millisecond
	lines := make(chan event, 1)
	lines <- event{What: evSubmit, ID: callID(1, normal)}
	o.listen(lines)
	if len(o.violations) != 1 || !strings.Contains(o.violations[0].what, "a call hangs") || o.violations[0].id != callID(1, normal) {
		t.Errorf("a call that hangs: %+v", o.violations)
	}
	if st, err := o.driver.Process.Wait(); err != nil || st.Sys().(syscall.WaitStatus).Signal() != syscall.SIGQUIT {
		t.Errorf("the driver was not asked for its goroutines: %v, %v", st, err)
	}
	o = idler(t)
	o.patience.driver = 20 * time.Millisecond
	o.listen(make(chan event))
	if len(o.violations) != 1 || !strings.Contains(o.violations[0].what, "the driver hangs") {
		t.Errorf("a driver that hangs: %+v", o.violations)
	}
}

// marked starts a process as a worker's child would be, and returns it.
func marked(t *testing.T, o *oracle, child string) *exec.Cmd {
	t.Helper()
	c := exec.Command("sleep", "1000")
	c.Env = append(os.Environ(), markEnv+"="+o.mark, childEnv+"="+child)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	// Until it runs its own program it has our environment.
	for variable(c.Process.Pid, markEnv) == "" {
		if p, ok := processOf(c.Process.Pid); !ok || p.state == 'Z' {
			t.Fatal("the child has ended")
		}
	}
	return c
}

// TestOrphan: a process that is left over is found, and excused only if its worker was
// struck from outside.
func TestOrphan(t *testing.T) {
	o := idler(t)
	if left := o.settle(0); len(left) > 0 {
		t.Fatalf("before: %q", left)
	}
	marked(t, o, "")
	if left := o.settle(0); len(left) != 1 || !strings.Contains(left[0], "sleep") {
		t.Errorf("an orphan: %q", left)
	}
	o.clear()
	if left := o.settle(0); len(left) > 0 {
		t.Errorf("an orphan that was killed: %q", left)
	}
	marked(t, o, "256 100 true")
	o.struck = blame{later: map[int]bool{101: true}, lethal: map[int]bool{100: true}}
	if left := o.settle(0); len(left) != 1 {
		t.Errorf("a child of a worker that was not struck: %q", left)
	}
	o.struck.later[100] = true
	o.patience.settle = time.Minute // until it is gone
	if left := o.settle(0); len(left) > 0 {
		t.Errorf("a child of a worker that was: %q", left)
	}
	marked(t, o, "256 100 false")
	o.patience.settle = 50 * time.Millisecond
	if left := o.settle(0); len(left) != 1 {
		t.Errorf("a child in the group of a worker that was struck: %q", left)
	}
	o.killing, o.patience.settle = true, time.Minute
	if left := o.settle(0); len(left) > 0 {
		t.Errorf("the same after the death of the program: %q", left)
	}
}

// TestLeaks: whatever a driver holds more than before is named.
func TestLeaks(t *testing.T) {
	o := newOracle(settings{seed: testSeed}, nil)
	self := os.Getpid()
	measureSelf := func(goroutines int) measure {
		fds, err := descriptors(self)
		if err != nil {
			t.Fatal(err)
		}
		return measure{descriptors: fds, goroutines: goroutines}
	}
	base := measureSelf(10)
	o.base = &base
	if left := o.leaks(self, measureSelf(10)); len(left) > 0 {
		t.Errorf("nothing: %q", left)
	}
	expect := func(what string, m measure) {
		t.Helper()
		if left := o.leaks(self, m); len(left) != 1 || !strings.Contains(left[0], what) {
			t.Errorf("%s: %q", what, left)
		}
	}
	expect("11 goroutines, not 10", measureSelf(11))

	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	expect("descriptors of pipe:", measureSelf(10))
	r.Close()
	w.Close()

	fd, err := unix.MemfdCreate("leak", 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Ftruncate(fd, 4096); err != nil {
		t.Fatal(err)
	}
	m, err := unix.Mmap(fd, 0, 4096, unix.PROT_READ, unix.MAP_SHARED)
	unix.Close(fd)
	if err != nil {
		t.Fatal(err)
	}
	expect("1 mappings of memory files", measureSelf(10))
	if err := unix.Munmap(m); err != nil {
		t.Fatal(err)
	}

	c := exec.Command("true")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for p, ok := processOf(c.Process.Pid); ok && p.state != 'Z'; p, ok = processOf(c.Process.Pid) {
	}
	withPidfd := measureSelf(10) // the package os holds one
	o.base = &withPidfd
	expect("state Z", withPidfd)
	_ = c.Wait()
}

// TestTeller: what is told arrives in order, and all of it before close returns.
func TestTeller(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	lines := make(chan event, 1000)
	received := make(chan error, 1)
	go func() { received <- receive(r, lines, nil) }()
	tell := newTeller(w)
	for i := range 1000 {
		tell.tell(event{What: evDone, ID: uint64(i + 1)})
	}
	tell.close()
	if err := <-received; err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		if e := <-lines; e.ID != uint64(i+1) {
			t.Fatalf("event %d is of call %d", i, e.ID)
		}
	}
	// What is no event is an error, not an event.
	if err := receive(strings.NewReader("{nonsense"), lines, nil); err == nil || err == io.EOF {
		t.Errorf("nonsense: %v", err)
	}
}
