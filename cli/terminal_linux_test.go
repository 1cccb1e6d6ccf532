package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A terminal is one that a braid runs on alone.
type terminal struct {
	t      *testing.T
	master *os.File
	cmd    *exec.Cmd

	mu    sync.Mutex
	shown bytes.Buffer
	more  chan struct{} // closed and replaced when there is more
	done  chan struct{} // closed at the end
}

// onTerminal starts a command line of sh on a terminal of so many columns.
func onTerminal(t *testing.T, columns uint16, script string) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	need(t, err, "a pseudo terminal")
	t.Cleanup(func() { master.Close() })
	conn, err := master.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var number int
	var failed error
	if err := conn.Control(func(fd uintptr) {
		number, failed = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		failed = errors.Join(failed,
			unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0),
			unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}))
	}); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	slave, err := os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|unix.O_NOCTTY, 0)
	need(t, err, "a pseudo terminal")
	defer slave.Close()
	p := &terminal{t: t, master: master, more: make(chan struct{}), done: make(chan struct{})}
	p.cmd = exec.CommandContext(t.Context(), "sh", "-c", script)
	p.cmd.Env = append(os.Environ(), "TERM=xterm", "NO_COLOR=1")
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = slave, slave, slave
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.read()
	return p
}

func (p *terminal) read() {
	defer close(p.done)
	buf := make([]byte, 4096)
	for {
		n, err := p.master.Read(buf)
		p.mu.Lock()
		p.shown.Write(buf[:n])
		close(p.more)
		p.more = make(chan struct{})
		p.mu.Unlock()
		if err != nil { // EIO: all who had it open are gone
			return
		}
	}
}

// shows waits until a text has been written.
func (p *terminal) shows(text string) {
	p.t.Helper()
	for {
		p.mu.Lock()
		all, more := p.shown.String(), p.more
		p.mu.Unlock()
		if strings.Contains(all, text) {
			return
		}
		select {
		case <-more:
		case <-p.done:
			p.t.Fatalf("the terminal never showed %q, but %q", text, all)
		}
	}
}

func (p *terminal) types(keys string) {
	p.t.Helper()
	if _, err := io.WriteString(p.master, keys); err != nil {
		p.t.Fatal(err)
	}
}

// ends waits for the end, and returns what is on the screen.
func (p *terminal) ends(code int) string {
	p.t.Helper()
	_ = p.cmd.Wait()
	<-p.done
	raw := strings.ReplaceAll(p.shown.String(), "\r\n", "\n")
	if got := p.cmd.ProcessState.ExitCode(); got != code {
		p.t.Errorf("exit code %d, want %d; written: %q", got, code, raw)
	}
	return screen(raw)
}

// With nothing to read but the terminal, braid does not wait for it.
func TestTerminalIsNoInput(t *testing.T) {
	t.Parallel()
	got := onTerminal(t, 80, "exec braid run double").ends(exitNoInput)
	if !strings.Contains(got, "braid: there is no input\nTry: inputs as arguments, --glob") {
		t.Errorf("the screen shows:\n%s", got)
	}
}

// Results and a bar on one screen keep apart, and the bar goes away.
func TestTerminalBar(t *testing.T) {
	t.Parallel()
	for _, columns := range []uint16{100, 40, 20} {
		t.Run(fmt.Sprint(columns), func(t *testing.T) {
			t.Parallel()
			p := onTerminal(t, columns, "exec braid run -k -j1 sleep 0 0.6 x 0.6")
			p.shows("75%")
			got := p.ends(exitFailed)
			lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
			if len(lines) != 5 || !strings.HasPrefix(lines[0], "slept 0s") || !strings.HasPrefix(lines[1], "slept 600ms") ||
				!strings.HasPrefix(lines[2], `braid: "x": it is not`) || !strings.HasPrefix(lines[3], "slept 600ms") ||
				!strings.HasPrefix(lines[4], "braid: 4 done, 1 failed") {
				t.Errorf("the screen shows:\n%s", got)
			}
		})
	}
}

// A line without an end is not drawn over.
func TestTerminalPartialLine(t *testing.T) {
	t.Parallel()
	got := onTerminal(t, 80, "exec braid run -k -j1 -- printf '[%s]' ::: a b c").ends(exitOK)
	if !strings.HasPrefix(got, "[a][b][c]\nbraid: 3 done") {
		t.Errorf("the screen shows:\n%s", got)
	}
}

// Ctrl-C reaches braid, and not the commands that it runs.
func TestTerminalInterrupt(t *testing.T) {
	t.Parallel()
	r := newRoll(t)
	go_ := newRoll(t)
	p := onTerminal(t, 80, `exec braid run -j1 -- sh -c '`+r.enter("read word < "+go_.path+"; echo done $word {}")+`' ::: 1 2`)
	r.wait(1)
	p.types("\x03")
	p.shows("interrupted: waiting for what runs")
	if err := os.WriteFile(go_.path, []byte("well\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := p.ends(130)
	r.empty()
	if !strings.Contains(got, "done well 1\n") || strings.Contains(got, "well 2") {
		t.Errorf("the screen shows:\n%s", got)
	}
}

// Quiet means no bar.
func TestTerminalQuiet(t *testing.T) {
	t.Parallel()
	p := onTerminal(t, 80, "exec braid run -q double 1")
	got := p.ends(exitOK)
	if got != "2\n" || strings.Contains(p.shown.String(), "\x1b") {
		t.Errorf("written: %q", p.shown.String())
	}
}
