package spawn

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/go-braid/braid/internal/proctest"
)

// A child is this test binary, told by a variable what to do.
const (
	childVar = "BRAID_TEST_CHILD"
	raceVar  = "GORACE=atexit_sleep_ms=0"
)

func TestMain(m *testing.M) {
	if name := os.Getenv(childVar); name != "" {
		children[name]()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// The death of its parent is told to the main thread of a child.
func init() {
	if strings.HasSuffix(os.Getenv(childVar), "heir") {
		runtime.LockOSThread()
	}
}

// heir has a family, and takes it along when its parent is dead.
func heir() {
	OnParentDeath(os.Getppid(), KillFamily)
	family(nil, "wait")
	family(&syscall.SysProcAttr{Setsid: true}, "stray")
}

// bequeath starts a child as a pool starts a worker. Its last words, which the runtime of one
// without descriptors may have, are not heard among the numbers.
func bequeath(to string) {
	s := Spec{Env: []string{childVar + "=" + to, raceVar}, Stdout: os.Stdout}
	if _, err := Start(s); err != nil {
		panic(err)
	}
	wait()
}

var children = map[string]func(){
	"heir": func() { heir(); wait() },
	"stopped heir": func() {
		heir()
		fmt.Println(os.Getpid())
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		wait()
	},
	"closed heir": func() {
		OnParentDeath(os.Getppid(), KillFamily)
		fmt.Println(os.Getpid())
		for fd := 3; fd < 64; fd++ {
			_ = syscall.Close(fd)
		}
		select {}
	},
	"exit 0": func() {},
	"exit 7": func() { os.Exit(7) },
	"panic":  func() { panic("the child's") },
	"wait":   wait,
	"args":   func() { fmt.Println(os.Args[1:], os.Getenv("GIVEN"), os.Getenv("HOME")) },
	"dir":    func() { dir, _ := os.Getwd(); fmt.Println(dir) },
	"stdin":  func() { b, err := io.ReadAll(os.Stdin); fmt.Println(len(b), err) },
	"files": func() {
		f := os.NewFile(3, "three")
		b, err := io.ReadAll(f)
		fmt.Printf("%s %v\n", b, err)
	},
	// foreign keeps 3 of the descriptors that it inherits, and not 4.
	"foreign": func() {
		CloseForeign([]uintptr{3})
		_, err3 := unix.FcntlInt(3, unix.F_GETFD, 0)
		_, err4 := unix.FcntlInt(4, unix.F_GETFD, 0)
		_, err2 := unix.FcntlInt(2, unix.F_GETFD, 0)
		fmt.Println(err2, err3, err4)
	},
	"group": func() {
		// A grandchild in the group, and one that has left it with a child of its own.
		family(nil, "wait")
		family(&syscall.SysProcAttr{Setsid: true}, "stray")
		wait()
	},
	"stray":        func() { family(nil, "wait"); wait() },
	"leaves group": func() { family(nil, "wait") },

	"bequeaths to heir":         func() { bequeath("heir") },
	"bequeaths to stopped heir": func() { bequeath("stopped heir") },
	"bequeaths to closed heir":  func() { bequeath("closed heir") },
	"counts":                    counts,
	"counting family": func() {
		family(nil, "counts")
		counts()
		// The other one's line must have come too, for which its end stands.
		var ws syscall.WaitStatus
		_, _ = syscall.Wait4(-1, &ws, 0, nil)
	},
}

// wait tells its number, and waits to be killed.
func wait() {
	fmt.Println(os.Getpid())
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGWINCH) // so that waiting is no deadlock
	for {
		<-c
	}
}

// counts tells its number, and of the signal that it gets.
func counts() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1)
	fmt.Println(os.Getpid())
	fmt.Println(<-c)
}

// family starts a child of a child.
func family(attr *syscall.SysProcAttr, name string) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env, cmd.SysProcAttr = []string{childVar + "=" + name, raceVar}, attr
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		panic(err)
	}
}

// child starts one, and returns it with what it writes.
func child(t *testing.T, name string, change func(*Spec)) (*Process, *bufio.Reader) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	// Under the race detector a process sleeps for a second before it ends, unless told.
	s := Spec{Env: []string{childVar + "=" + name, raceVar}, Stdout: w, Stderr: w}
	if change != nil {
		change(&s)
	}
	p, err := Start(s)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.Kill()
		<-p.Done()
	})
	return p, bufio.NewReader(r)
}

func check(t *testing.T) {
	t.Helper()
	proctest.Check(t, goleak.IgnoreTopFunction("github.com/go-braid/braid/internal/spawn.Spawner"))
}

func line(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	s, err := r.ReadString('\n')
	if err != nil {
		t.Fatalf("the child said %q, %v", s, err)
	}
	return strings.TrimSuffix(s, "\n")
}

// hold opens as many processes as tell their number; they are not this one's children.
func hold(t *testing.T, r *bufio.Reader, n int) []int {
	t.Helper()
	var fds []int
	for range n {
		pid, err := strconv.Atoi(line(t, r))
		if err != nil {
			t.Fatal(err)
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) // for a test that fails
			_ = unix.Close(fd)
		})
		fds = append(fds, fd)
	}
	return fds
}

// awaitDeath waits for the processes to end.
func awaitDeath(t *testing.T, fds []int) {
	t.Helper()
	for i, fd := range fds {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(p, 30_000)
		for err == unix.EINTR {
			n, err = unix.Poll(p, 30_000)
		}
		if n != 1 || err != nil {
			t.Errorf("process %d of %d lives (%v)", i+1, len(fds), err)
		}
	}
}

// until polls.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
	}
}

func TestExitCodes(t *testing.T) {
	check(t)
	for name, want := range map[string]int{"exit 0": 0, "exit 7": 7, "panic": 2} {
		p, out := child(t, name, nil)
		<-p.Done()
		st := p.State()
		if st.ExitCode != want || st.Signal != "" || st.SignalNumber != 0 || st.Killed {
			t.Errorf("%s: State = %+v", name, st)
		}
		if st.MaxRSS < 1<<20 || st.UserTime+st.SystemTime <= 0 {
			t.Errorf("%s: State = %+v, without what it used", name, st)
		}
		if text, _ := io.ReadAll(out); name == "panic" && Explain(string(text), st, 0, 0).Reason != "panic: the child's" {
			t.Errorf("Explain of %q = %+v", text, Explain(string(text), st, 0, 0))
		}
	}
}

func TestWhatTheChildIsGiven(t *testing.T) {
	check(t)
	t.Setenv("HOME", "not given")
	p, out := child(t, "args", func(s *Spec) {
		s.Args, s.Env = []string{"-a", "b c"}, append(s.Env, "GIVEN=this")
	})
	if got := line(t, out); got != "[-a b c] this " {
		t.Errorf("args: %q", got)
	}
	<-p.Done()

	dir := t.TempDir()
	_, out = child(t, "dir", func(s *Spec) { s.Dir = dir })
	if got := line(t, out); got != dir {
		t.Errorf("dir: %q, want %q", got, dir)
	}

	_, out = child(t, "stdin", nil)
	if got := line(t, out); got != "0 <nil>" {
		t.Errorf("standard input: %q, want it empty", got)
	}

	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := w.WriteString("through a pipe"); err != nil {
		t.Fatal(err)
	}
	w.Close()
	_, out = child(t, "files", func(s *Spec) { s.Files = []*os.File{r} })
	if got := line(t, out); got != "through a pipe <nil>" {
		t.Errorf("files: %q", got)
	}

	_, out = child(t, "foreign", func(s *Spec) { s.Files = []*os.File{r, r} })
	if got := line(t, out); got != "<nil> <nil> bad file descriptor" {
		t.Errorf("standard error, kept, and foreign descriptor: %q", got)
	}
}

func TestStartFails(t *testing.T) {
	check(t)
	if p, err := Start(Spec{Dir: "/nonexistent"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Start = %v, %v", p, err)
	}
}

func TestSignal(t *testing.T) {
	check(t)
	p, out := child(t, "wait", nil)
	if got := line(t, out); got != strconv.Itoa(p.PID()) {
		t.Errorf("PID = %d, the child says %s", p.PID(), got)
	}
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if st := p.State(); st.ExitCode != -1 || st.Signal != "SIGTERM" || st.SignalNumber != 15 || st.Killed {
		t.Errorf("State = %+v", st)
	}
	for name, err := range map[string]error{
		"Signal": p.Signal(syscall.SIGTERM), "SignalGroup": p.SignalGroup(syscall.SIGTERM), "Kill": p.Kill(),
	} {
		if !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("%s after the end = %v", name, err)
		}
	}
	if p.Stopped() || p.State().Killed {
		t.Errorf("Stopped = %v, State = %+v after the end", p.Stopped(), p.State())
	}
}

func TestStopped(t *testing.T) {
	check(t)
	p, out := child(t, "wait", nil)
	line(t, out)
	if p.Stopped() {
		t.Error("Stopped before SIGSTOP")
	}
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	until(t, "stopped", p.Stopped)
	select {
	case <-p.Done():
		t.Fatal("a process that is stopped is done")
	default:
	}
	if err := p.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	until(t, "continued", func() bool { return !p.Stopped() })
	// One that is stopped can be killed.
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if st := p.State(); st.Signal != "SIGKILL" || !st.Killed || p.Stopped() {
		t.Errorf("State = %+v, Stopped = %v", st, p.Stopped())
	}
}

func TestKillReachesTheWholeFamily(t *testing.T) {
	check(t)
	p, out := child(t, "group", nil)
	fds := hold(t, out, 4)
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	awaitDeath(t, fds)
	<-p.Done()
	if st := p.State(); st.Signal != "SIGKILL" || st.SignalNumber != 9 || !st.Killed {
		t.Errorf("State = %+v", st)
	}
	if _, err := out.ReadByte(); err != io.EOF {
		t.Errorf("somebody still holds the standard output: %v", err)
	}
}

// Who is told of the death of its parent takes its whole family along, also when it was
// stopped; and it does not survive if it has closed all its descriptors.
func TestOnParentDeath(t *testing.T) {
	// The parent, the heir, and its family: one that the runtime ends for want of its
	// descriptors could not take that along.
	for how, n := range map[string]int{"heir": 5, "stopped heir": 5, "closed heir": 2} {
		check(t)
		p, out := child(t, "bequeaths to "+how, nil)
		var fds []int
		stopped := how != "stopped heir"
		var pids []int
		for range n {
			pid, err := strconv.Atoi(line(t, out))
			if err != nil {
				t.Fatal(err)
			}
			fd, err := unix.PidfdOpen(pid, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fd)
			fds, pids = append(fds, fd), append(pids, pid)
		}
		until(t, how, func() bool {
			for _, pid := range pids {
				if state, _, _, ok := readStat(pid); ok && state == 'T' {
					stopped = true
				}
			}
			return stopped
		})
		// Kill would find them all.
		if err := p.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		awaitDeath(t, fds)
	}
}

// A process that is asked to end takes along those that have left its group.
func TestSignalGroupReachesTheWholeFamily(t *testing.T) {
	check(t)
	p, out := child(t, "group", nil)
	fds := hold(t, out, 4)
	if err := p.SignalGroup(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	awaitDeath(t, fds)
	<-p.Done()
	if st := p.State(); st.Signal != "SIGTERM" || st.Killed {
		t.Errorf("State = %+v", st)
	}
}

// What a process that ends by itself has left in its group is killed.
func TestGroupDiesWithTheProcess(t *testing.T) {
	check(t)
	p, out := child(t, "leaves group", nil)
	<-p.Done()
	if st := p.State(); st.ExitCode != 0 || st.Killed {
		t.Errorf("State = %+v", st)
	}
	// It ends whether it had come to say something or not.
	if _, err := io.Copy(io.Discard, out); err != nil {
		t.Error(err)
	}
}

func TestSignalGroup(t *testing.T) {
	check(t)
	p, out := child(t, "counting family", nil)
	hold(t, out, 2)
	if err := p.SignalGroup(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := line(t, out); got != syscall.SIGUSR1.String() {
			t.Errorf("a member of the group says %q", got)
		}
	}
	<-p.Done()
	if st := p.State(); st.ExitCode != 0 || st.Killed {
		t.Errorf("State = %+v", st)
	}
}
