package robust

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
)

// An ID is a process, for all time: its number in the low bits, and when it started, so
// that another process that gets the same number later is not taken for it. It fits
// into a word, so that one step of memory says who somebody is. 0 is nobody.
type ID uint64

const (
	pidBits   = 22 // the system gives no number above 1<<22
	startBits = 41 // hundredths of a second since the machine was started: 697 years

	// left marks the ID of a process that lives, but has left what names it.
	left ID = 1 << 63
)

func makeID(pid int, start uint64) ID {
	return ID(pid)&(1<<pidBits-1) | ID(start&(1<<startBits-1))<<pidBits
}

// PID returns the number of the process.
func (id ID) PID() int { return int(id & (1<<pidBits - 1)) }

// A State is what can be said of a process.
type State uint8

// The states of a process. One that cannot be looked at counts as running: it is better
// to wait for nothing than to take from the living.
const (
	Running State = iota
	Stopped       // by SIGSTOP or a debugger, for as long as that lasts
	Dead          // also while it is a zombie
)

// Self returns the ID of this process.
var Self = sync.OnceValues(func() (ID, error) {
	b, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0, fmt.Errorf("who this process is, is in /proc, which cannot be read: %w", err)
	}
	s, err := parseStat(string(b))
	if err != nil {
		return 0, err
	}
	if s.pid != os.Getpid() {
		return 0, errors.New("/proc is that of another PID namespace")
	}
	return s.id(), nil
})

// State looks at the process.
func (id ID) State() State {
	if id&left != 0 {
		return Dead
	}
	if self, err := Self(); err == nil && id == self {
		return Running
	}
	b, err := os.ReadFile("/proc/" + strconv.Itoa(id.PID()) + "/stat")
	if err != nil {
		if isGone(id.PID(), err) {
			return Dead
		}
		return Running
	}
	s, err := parseStat(string(b))
	if err != nil {
		return Running
	}
	return s.stateOf(id)
}

// A stat is what /proc/PID/stat says of a process, as far as it matters here.
type stat struct {
	pid     int
	state   byte
	threads int
	start   uint64
}

func (s stat) id() ID { return makeID(s.pid, s.start) }

func (s stat) stateOf(id ID) State {
	switch {
	case s.id() != id:
		return Dead // and its number is another's
	case (s.state == 'Z' || s.state == 'X' || s.state == 'x') && s.threads <= 1:
		// While there are other threads, the process has not ended: they are still being
		// killed, and one of them may be at work for another microsecond.
		return Dead
	case s.state == 'T' || s.state == 't':
		return Stopped
	}
	return Running
}

// parseStat reads a line of /proc/PID/stat. The second field is a name in parentheses,
// which may hold anything, so the rest is counted from the last one.
func parseStat(line string) (s stat, err error) {
	open, end := strings.IndexByte(line, '('), strings.LastIndexByte(line, ')')
	if open < 0 || end < open {
		return s, fmt.Errorf("/proc/PID/stat is not as expected: %q", line)
	}
	const state, threads, start = 0, 17, 19 // of the fields behind the name
	fields := strings.Fields(line[end+1:])
	if len(fields) <= start || len(fields[state]) != 1 {
		return s, fmt.Errorf("/proc/PID/stat is not as expected: %q", line)
	}
	s.state = fields[state][0]
	var errs [3]error
	s.pid, errs[0] = strconv.Atoi(strings.TrimSpace(line[:open]))
	s.threads, errs[1] = strconv.Atoi(fields[threads])
	s.start, errs[2] = strconv.ParseUint(fields[start], 10, 64)
	if err := errors.Join(errs[:]...); err != nil {
		return s, fmt.Errorf("/proc/PID/stat is not as expected: %w", err)
	}
	return s, nil
}
