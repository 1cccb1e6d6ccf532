package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// A server is an echo server in a process of its own. All of them, in whatever
// language, print their address, answer each line of their input with a line once
// they have collected their garbage, and end with their input.
type server struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr bytes.Buffer
	cancel context.CancelFunc
	addr   string
}

func startServer(p program) (*server, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	s := &server{cmd: p.cmd(ctx), cancel: cancel}
	s.cmd.Stderr = &s.stderr
	var err error
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		cancel()
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		cancel()
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		cancel()
		return nil, err
	}
	s.out = bufio.NewReader(out)
	if s.addr, err = s.line(); err != nil {
		return nil, s.stop(err)
	}
	return s, nil
}

// line reads a line from the server.
func (s *server) line() (string, error) {
	text, err := s.out.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("the server said nothing more: %w", err)
	}
	return strings.TrimSpace(text), nil
}

// collect has the server collect its garbage.
func (s *server) collect() error {
	if _, err := io.WriteString(s.in, "collect\n"); err != nil {
		return err
	}
	_, err := s.line()
	return err
}

// stop ends the server. It returns err, with the server's last words; if err is
// nil, why the server itself failed.
func (s *server) stop(err error) error {
	s.in.Close()
	ended := s.cmd.Wait()
	s.cancel()
	if err = cmp.Or(err, ended); err != nil && s.stderr.Len() > 0 {
		err = fmt.Errorf("%w\n%s", err, s.stderr.Bytes())
	}
	return err
}

// An echo is a case of echo servers: so many connections in a closed loop.
type echo struct {
	conns    int
	size     int // bytes of a request
	requests int // in all
}

var echoMeasures = []measure{
	{"server CPU a request", inSeconds},
	{"time a request", inSeconds},
	{"99 % answered within", inSeconds},
}

// run drives a server. It returns the values of echoMeasures.
func (e echo) run(p program) (values []float64, err error) {
	s, err := startServer(p)
	if err != nil {
		return nil, err
	}
	defer func() { err = s.stop(err) }()
	l, err := dial(s.addr, e.conns)
	if err != nil {
		return nil, err
	}
	defer l.close()
	each := e.requests / e.conns
	if _, err := l.exchange(each/10+1, e.size); err != nil {
		return nil, err
	}
	before, err := cpuTime(s.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	latencies, err := l.exchange(each, e.size)
	if err != nil {
		return nil, err
	}
	took := time.Since(began)
	after, err := cpuTime(s.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	slices.Sort(latencies)
	n := len(latencies)
	return []float64{
		(after - before).Seconds() / float64(n),
		took.Seconds() / float64(n),
		latencies[n*99/100].Seconds(),
	}, nil
}

var idleMeasures = []measure{{"server memory each", inBytes}}

// runIdle opens so many connections and returns the bytes by which the server's
// resident memory grew for each. What the kernel keeps for a socket is not in it.
func runIdle(conns int, p program) (values []float64, err error) {
	s, err := startServer(p)
	if err != nil {
		return nil, err
	}
	defer func() { err = s.stop(err) }()
	settled := func() (float64, error) {
		if err := s.collect(); err != nil {
			return 0, err
		}
		return resident(s.cmd.Process.Pid)
	}
	// The first connections pay for what a server has once.
	first, err := dial(s.addr, 10)
	if err != nil {
		return nil, err
	}
	defer first.close()
	before, err := settled()
	if err != nil {
		return nil, err
	}
	l, err := dial(s.addr, conns)
	if err != nil {
		return nil, err
	}
	defer l.close()
	after, err := settled()
	if err != nil {
		return nil, err
	}
	return []float64{(after - before) / float64(conns)}, nil
}

// servers start the echo servers in Go, by name, and return where they listen.
var servers = map[string]func() (net.Addr, error){
	"braid":       listenBraid,
	"net, 64 KiB": func() (net.Addr, error) { return listenNet(64 << 10) },
	"net, 4 KiB":  func() (net.Addr, error) { return listenNet(4 << 10) },
	"gnet":        listenGnet,
}

// serve is the server's side of a server.
func serve(name string) error {
	start, ok := servers[name]
	if !ok {
		return fmt.Errorf("there is no server %q", name)
	}
	addr, err := start()
	if err != nil {
		return err
	}
	fmt.Println(addr)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		debug.FreeOSMemory()
		fmt.Println("ok")
	}
	return nil
}
