package cli

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// echoes reports whether the terminal shows what is typed.
func (p *terminal) echoes() bool {
	p.t.Helper()
	conn, err := p.master.SyscallConn()
	if err != nil {
		p.t.Fatal(err)
	}
	var state *unix.Termios
	var failed error
	if err := conn.Control(func(fd uintptr) { state, failed = unix.IoctlGetTermios(int(fd), unix.TCGETS) }); err != nil || failed != nil {
		p.t.Fatal(err, failed)
	}
	return state.Lflag&unix.ECHO != 0 && state.Lflag&unix.ICANON != 0
}

// Plus and minus change how many run at once, and the terminal is as before afterwards.
func TestTerminalKeys(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"threads", "async"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			r, goOn := newRoll(t), newRoll(t)
			p := onTerminal(t, 80, `braid run --engine `+engine+` -j1 -- sh -c '`+r.enter("read word < "+goOn.path)+`' ::: 1 2 3; echo over; read line; echo "[$line]"`)
			r.wait(1)
			p.types("x-+")
			p.shows("braid: 2 at once from now on")
			r.wait(1)
			p.types("=")
			p.shows("braid: 3 at once from now on")
			r.wait(1)
			p.types("-")
			p.shows("braid: 2 at once from now on")
			if p.echoes() {
				t.Error("the terminal shows the keys that are typed")
			}
			f, err := os.OpenFile(goOn.path, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteString("well\nwell\nwell\n"); err != nil {
				t.Fatal(err)
			}
			p.shows("over")
			f.Close()
			if !p.echoes() {
				t.Error("the terminal is not as it was before")
			}
			p.types("a line\n")
			if got := p.ends(exitOK); !strings.Contains(got, "[a line]") {
				t.Errorf("the screen shows:\n%s", got)
			}
		})
	}
}

// Ctrl-Z suspends braid and its commands, gives the terminal back, and all go on.
func TestTerminalSuspend(t *testing.T) {
	t.Parallel()
	r, goOn := newRoll(t), newRoll(t)
	p := onTerminal(t, 80, `set -m; braid run -j2 -- sh -c '`+r.enter("read word < "+goOn.path+"; echo done $word {}")+`' ::: 1; echo suspended; read line; fg; echo over`)
	pid := r.wait(1)[0]
	p.types("+")
	p.shows("braid: 3 at once from now on")
	p.types("\x1a")
	p.shows("suspended")
	if !p.echoes() {
		t.Error("the terminal is not given back")
	}
	awaitState(t, pid, "T")
	p.types("\n")
	awaitState(t, pid, "S")
	p.types("+")
	p.shows("braid: 4 at once from now on")
	if err := os.WriteFile(goOn.path, []byte("well\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.shows("over")
	if got := p.ends(exitOK); !strings.Contains(got, "done well 1") {
		t.Errorf("the screen shows:\n%s", got)
	}
}

// awaitState waits until a process is in a state of ps.
func awaitState(t *testing.T, pid int, state string) {
	t.Helper()
	for t.Context().Err() == nil {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			t.Fatal(err)
		}
		if _, after, _ := strings.Cut(string(text), ") "); strings.HasPrefix(after, state) {
			return
		}
	}
}

// SIGUSR1 has a run say how far it is, and go on.
func TestReport(t *testing.T) {
	t.Parallel()
	r, goOn := newRoll(t), newRoll(t)
	l := start(t, "run", "-j1", "--", "sh", "-c", r.enter("read word < "+goOn.path), ":::", "1")
	r.wait(1)
	l.signal(syscall.SIGUSR1)
	l.hears("braid: 0 of 1 done, ")
	if err := os.WriteFile(goOn.path, []byte("well\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.ends(exitOK)
}

// Without a shell that would have it go on, a run is not suspended.
func TestTerminalSuspendAlone(t *testing.T) {
	t.Parallel()
	r, goOn := newRoll(t), newRoll(t)
	p := onTerminal(t, 80, `exec braid run -j1 -- sh -c '`+r.enter("read word < "+goOn.path)+`' ::: 1`)
	r.wait(1)
	p.types("\x1a+")
	p.shows("braid: 2 at once from now on")
	if err := os.WriteFile(goOn.path, []byte("well\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.ends(exitOK)
}
