//go:build unix

package cli

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/internal/input"
	"github.com/go-braid/braid/record"
)

// Where the task "enter" finds what it needs; commands know these names, too.
const (
	rollEnv   = "TEST_ROLL"   // the file that inputs are entered in
	roundEnv  = "TEST_ROUND"  // which run it is
	victimEnv = "TEST_VICTIM" // the input at which the run is killed, and when: "7 before"
	braidEnv  = "TEST_BRAID"  // whether the task is in the process of braid itself
)

// Enter writes its input and the number of the run into the roll. At one input it kills
// the run.
var _ = braid.Define("enter", func(_ context.Context, name string) (string, error) {
	pid := os.Getppid()
	if os.Getenv(braidEnv) == "self" {
		pid = os.Getpid()
	}
	victim := os.Getenv(victimEnv)
	if victim == name+" before" {
		return "", syscall.Kill(pid, syscall.SIGKILL)
	}
	f, err := os.OpenFile(os.Getenv(rollEnv), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if _, err := fmt.Fprintf(f, "%s %s\n", name, os.Getenv(roundEnv)); err != nil {
		return "", err
	}
	if victim == name+" after" {
		return "", syscall.Kill(pid, syscall.SIGKILL)
	}
	return "<" + name + ">", nil
})

// enterScript is the same as a command.
const enterScript = `[ "$` + victimEnv + `" = "$1 before" ] && kill -9 $PPID
echo "$1 $` + roundEnv + `" >> "$` + rollEnv + `"
[ "$` + victimEnv + `" = "$1 after" ] && kill -9 $PPID
echo "<$1>"`

// A manhunt is a run that is killed again and again, and taken up each time.
type manhunt struct {
	t      *testing.T
	rnd    *rand.Rand
	dir    string
	store  record.Store
	env    []string
	flags  []string
	work   []string         // behind the flags
	atMost int              // how many inputs may be begun and not recorded as done
	inputs []string         // some are there more than once
	done   []map[string]int // after each round, how many of each input are recorded as done
	kills  int
}

// newManhunt begins one; the seed decides when it kills.
func newManhunt(t *testing.T, seed uint64) *manhunt {
	t.Logf("seed %d", seed)
	m := &manhunt{t: t, rnd: rand.New(rand.NewPCG(seed, 0)), dir: t.TempDir()}
	m.store.Dir = m.path("runs")
	for _, name := range []string{"roll", "out"} {
		if err := os.WriteFile(m.path(name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func (m *manhunt) path(name string) string { return filepath.Join(m.dir, name) }

// extend sees to it that enough inputs are left to be done, and puts all into another
// order.
func (m *manhunt) extend(left, more int) {
	if len(m.inputs)-m.total() < left {
		for range more {
			n := len(m.inputs)
			m.inputs = append(m.inputs, strconv.Itoa(n-n%7%3)) // some twice, some three times
		}
	}
	m.rnd.Shuffle(len(m.inputs), func(i, j int) { m.inputs[i], m.inputs[j] = m.inputs[j], m.inputs[i] })
	if err := os.WriteFile(m.path("inputs"), []byte(strings.Join(m.inputs, "\n")+"\n"), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

// total returns how many inputs are recorded as done.
func (m *manhunt) total() (n int) {
	if len(m.done) > 0 {
		for _, c := range m.done[len(m.done)-1] {
			n += c
		}
	}
	return n
}

// victim returns an input that is not done yet, one of the first.
func (m *manhunt) victim() string {
	skip := m.rnd.IntN(60)
	for _, in := range m.inputs {
		if len(m.done) > 0 && m.done[len(m.done)-1][in] > 0 {
			continue
		}
		if skip--; skip < 0 {
			return in
		}
	}
	return ""
}

// round runs braid, and kills it: by the hand of an input, or at a moment within the
// time; with neither it ends by itself.
func (m *manhunt) round(victim string, within time.Duration) {
	m.t.Helper()
	args := append([]string{"run", "-q", "--record", m.store.Dir, "--keep-runs", "all", "--from", m.path("inputs")}, m.flags...)
	if _, err := m.store.Find("last"); err == nil {
		args = append(args, "--resume", "last")
	}
	cmd := exec.CommandContext(m.t.Context(), "braid", append(args, m.work...)...)
	cmd.Env = append(os.Environ(), rollEnv+"="+m.path("roll"), victimEnv+"="+victim, fmt.Sprintf("%s=%d", roundEnv, len(m.done)))
	cmd.Env = append(cmd.Env, m.env...)
	cmd.Dir = m.dir
	out, err := os.OpenFile(m.path("out"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		m.t.Fatal(err)
	}
	defer out.Close()
	var talk strings.Builder
	cmd.Stdout, cmd.Stderr = out, &talk
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	if within > 0 {
		timer := time.AfterFunc(time.Duration(m.rnd.Int64N(int64(within))), func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
	}
	_ = cmd.Wait()
	switch status := cmd.ProcessState.Sys().(syscall.WaitStatus); {
	case status.Signal() == syscall.SIGKILL:
		m.kills++
	case cmd.ProcessState.ExitCode() != exitOK:
		m.t.Fatalf("round %d: exit code %d\n%s", len(m.done), cmd.ProcessState.ExitCode(), talk.String())
	}
	m.done = append(m.done, m.recorded())
}

// recorded returns how many of each input are recorded as done.
func (m *manhunt) recorded() map[string]int {
	m.t.Helper()
	done := make(map[string]int)
	run, err := m.store.Find("last")
	if err != nil {
		return done // it was killed before it had begun
	}
	l, err := readLedger(m.store, run)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, in := range m.inputs {
		if n := l.done[record.Key(run.Run.Hash, recordOf(input.Item{Text: in}))]; n > 0 {
			done[in] = n
		}
	}
	return done
}

// check holds what was done against what was recorded.
func (m *manhunt) check() {
	m.t.Helper()
	f, err := os.Open(m.path("roll"))
	if err != nil {
		m.t.Fatal(err)
	}
	defer f.Close()
	ran := make(map[string]map[int]int) // how often an input was entered, by rounds
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var in string
		var round int
		if _, err := fmt.Sscanf(lines.Text(), "%s %d", &in, &round); err != nil {
			m.t.Fatalf("%q: %v", lines.Text(), err)
		}
		if ran[in] == nil {
			ran[in] = make(map[int]int)
		}
		ran[in][round]++
	}
	out, err := os.ReadFile(m.path("out"))
	if err != nil {
		m.t.Fatal(err)
	}
	printed := make(map[string]int)
	for rest := string(out); ; {
		_, from, ok := strings.Cut(rest, "<")
		if !ok {
			break
		}
		in, _, _ := strings.Cut(from, ">")
		printed[in]++
		rest = from
	}
	times := make(map[string]int) // each input is there
	for _, in := range m.inputs {
		times[in]++
	}
	open := make([]int, len(m.done))
	for in, n := range times {
		sum := 0
		for round, done := range m.done {
			before := 0
			if round > 0 {
				before = m.done[round-1][in]
			}
			if ran[in][round] > n-before {
				m.t.Errorf("input %s: in round %d it ran %d times; it is there %d times, and was recorded as done %d times before",
					in, round, ran[in][round], n, before)
			}
			sum += ran[in][round]
			if done[in] > sum {
				m.t.Errorf("input %s: after round %d it is recorded as done %d times, and ran %d times", in, round, done[in], sum)
			}
			open[round] += ran[in][round] - (done[in] - before)
		}
		if sum < n || m.done[len(m.done)-1][in] != n {
			m.t.Errorf("input %s, which is there %d times, ran %d times and is recorded as done %d times", in, n, sum, m.done[len(m.done)-1][in])
		}
		if printed[in] < n {
			m.t.Errorf("input %s, which is there %d times, has %d results", in, n, printed[in])
		}
	}
	if most := slices.Max(open); most > m.atMost {
		m.t.Errorf("a round had begun %d inputs and not recorded them as done, more than %d", most, m.atMost)
	}
	sum := 0
	for _, n := range open {
		sum += n
	}
	m.t.Logf("%d kills, %d inputs; begun and not recorded as done: %d in all, %d in one round at most",
		m.kills, len(m.inputs), sum, slices.Max(open))
}

// hunt kills the run so often, by turns at an input and at a moment, and lets it end.
func (m *manhunt) hunt(kills, left, more int) {
	for m.kills < kills {
		m.extend(left, more)
		if m.kills%2 == 0 {
			when := []string{" before", " after"}[m.rnd.IntN(2)]
			m.round(m.victim()+when, 0)
		} else {
			m.round("", 80*time.Millisecond)
		}
		if m.t.Failed() {
			return
		}
	}
	m.round("", 0)
	m.check()
}

// A run is killed a hundred times, each time at another moment, and taken up. Nothing that
// is recorded as done is done again, nothing is lost, and no result is.
func TestResumeAfterKill(t *testing.T) {
	t.Parallel()
	kills := 100
	if testing.Short() {
		kills = 10
	}
	const jobs = 4
	m := newManhunt(t, 1)
	m.flags = []string{"-j", strconv.Itoa(jobs)}
	m.work = []string{"--", "sh", "-c", enterScript, "sh", "{}"}
	m.atMost = 2 * jobs // that run, and that have ended and are not printed
	m.hunt(kills, 100, 500)
}

// The same on each engine, with a task, and with -k, which holds back what has ended.
func TestResumeAfterKillOfEngines(t *testing.T) {
	const jobs = 2
	kills := 12
	if testing.Short() {
		kills = 4
	}
	for i, name := range []string{serialName, "threads", asyncName, processesName} {
		kind, err := engineByName(name)
		if err != nil {
			t.Fatal(err)
		}
		for j, order := range []string{"any", "inputs"} {
			t.Run(name+"/"+order, func(t *testing.T) {
				t.Parallel()
				m := newManhunt(t, uint64(2*i+j))
				m.flags = []string{"--engine", name, "-j", strconv.Itoa(jobs)}
				// Beside what is in flight there may be results that are to be printed next.
				m.atMost = windowFor(kind, jobs) + manyReady
				if order == "inputs" {
					m.flags = append(m.flags, "-k")
					m.atMost = aheadFor(kind, jobs) + manyReady
				}
				if name == serialName {
					m.flags = slices.DeleteFunc(m.flags, func(f string) bool { return f == "-j" || f == strconv.Itoa(jobs) })
					m.atMost = 1
				}
				if name != processesName {
					m.env = []string{braidEnv + "=self"}
				}
				m.work = []string{"enter"}
				m.hunt(kills, 2000, 10_000)
			})
		}
	}
}

// A run that was stopped has read a part of its standard input. What of that is not done is
// known; what comes behind it is not.
func TestResumeOfPart(t *testing.T) {
	dir := t.TempDir()
	in, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	inDir := func(cmd *exec.Cmd) { cmd.Dir = dir }
	l := &live{t: t, cmd: exec.CommandContext(t.Context(), "braid", "run", "--record", "runs", "-j1", "check")}
	inDir(l.cmd)
	l.cmd.Stdin, l.cmd.Stdout = in, &l.out
	talk, err := l.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	l.talk = bufio.NewReader(talk)
	if err := l.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	if _, err := w.WriteString("one\ntwo\nhalf a li"); err != nil {
		t.Fatal(err)
	}
	l.hears("two: not ok")
	l.signal(os.Interrupt)
	l.ends(exitInterrupted)

	for _, name := range []string{"ok-one", "ok-two"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := process(t, inDir, "run", "--record", "runs", "--resume", "last")
	o.want(t, exitUsage, "took its inputs from standard input, and it was ended before it had read all of its standard input",
		"Try: repeat the command with its input: … | braid run --resume ")
	o = process(t, inDir, "run", "--record", "runs", "-k", "--rerun-failed", "last")
	o.want(t, exitOK)
	if o.out != "one\ntwo\n" {
		t.Errorf("printed %q, want one and two", o.out)
	}
	o = process(t, func(cmd *exec.Cmd) {
		inDir(cmd)
		cmd.Stdin = strings.NewReader("one\ntwo\nhalf a line\n")
	}, "run", "--record", "runs", "--resume", "last", "check")
	o.want(t, exitFailed, "half a line: not ok", "2 done before")
}
