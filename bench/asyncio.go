package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
)

// asyncioCases are the works of an event loop: switching, starting, passing on,
// waiting, and serving connections.
//
// Every candidate runs in a process of its own that reports on its body alone:
// how long a program takes to start is not counted. The bodies in Python are
// written as its manual advises; tasks are joined with gather, which is a little
// faster there than a TaskGroup, and started eagerly where Python can (3.12).
//
// The servers are driven by one load in this process, on the same machine: it
// competes with them for the processors, so the times a request are those of the
// pair; the CPU time is the server's alone.
func asyncioCases(short bool) ([]benchCase, func(), error) {
	if runtime.GOOS != "linux" {
		return nil, nil, fmt.Errorf("on %s there is no /proc to measure processes with: run it on Linux", runtime.GOOS)
	}
	p, err := preparePeers()
	if err != nil {
		return nil, nil, err
	}
	cases := p.bodyCases(short)
	cases = append(cases, p.echoCases(short)...)
	cases = append(cases, p.idleCase(short))
	return cases, func() { os.RemoveAll(p.dir) }, nil
}

// A bodyCase is a case whose candidates are bodies.
type bodyCase struct {
	name     string // with a verb for the size
	body     string
	n        int
	short    int  // the size of a short run
	cold     bool // do it once only; the others do it once before, unmeasured, as pyperf has it
	procs    int  // GOMAXPROCS of the candidates in Go; 0: the usual
	alone    bool // goroutines with GOMAXPROCS=1 too, where that matters to them
	measures []measure
	values   func(r report, n int) []float64 // of measures; nil: the time
}

var bodyCases = []bodyCase{
	{name: "yield, 1 coroutine × %s", body: "yield", n: 1_000_000, short: 20_000, alone: true},
	{name: "yield, %s coroutines × 100, GOMAXPROCS=1", body: "yield-many", n: 10_000, short: 1_000, procs: 1},
	{name: "start and join %s", body: "spawn", n: 100_000, short: 10_000, alone: true},
	{name: "ping-pong of two, %s rounds", body: "ping-pong", n: 200_000, short: 10_000, alone: true},
	{name: "tree of depth %s, nothing", body: "tree-none", n: 6, short: 4, alone: true},
	{name: "tree of depth %s, 50 ms", body: "tree-io", n: 6, short: 4},
	{name: "tree of depth %s, 90 %% memoized", body: "tree-memoization", n: 6, short: 4},
	{name: "tree of depth %s, half factorial", body: "tree-mixed", n: 6, short: 4, alone: true},
	{
		name: "%s asleep for 1 s", body: "sleepers", n: 100_000, short: 10_000, cold: true,
		measures: []measure{{"time", inSeconds}, {"peak memory each", inBytes}},
		values: func(r report, n int) []float64 {
			return []float64{r.Seconds, (r.Peak - r.Before) / float64(n)}
		},
	},
}

func (p *peers) bodyCases(short bool) []benchCase {
	var cases []benchCase
	for _, b := range bodyCases {
		if short {
			b.n = b.short
		}
		c := benchCase{
			name:     fmt.Sprintf(b.name, thousands(b.n)),
			braid:    b.goes("braid", "braid", b.procs),
			measures: b.measures,
			warm:     true,
		}
		for _, py := range p.pythons {
			c.peers = append(c.peers, b.candidate(py.does("bodies.py", b.args()...)))
		}
		c.peers = append(c.peers, b.goes("goroutines, "+usual(b.procs), "goroutines", b.procs))
		if b.alone && runtime.GOMAXPROCS(0) > 1 {
			c.peers = append(c.peers, b.goes("goroutines, "+usual(1), "goroutines", 1))
		}
		cases = append(cases, c)
	}
	return cases
}

// usual says how many Ps a program in Go has, where 0 means as many as usual.
func usual(procs int) string {
	if procs == 0 {
		procs = runtime.GOMAXPROCS(0)
	}
	return fmt.Sprint("GOMAXPROCS=", procs)
}

func (b bodyCase) args() []string {
	warm := b.n
	if b.cold {
		warm = 0
	}
	return []string{b.body, strconv.Itoa(b.n), strconv.Itoa(warm)}
}

// goes is the candidate in Go: who does it, on so many Ps.
func (b bodyCase) goes(name, who string, procs int) candidate {
	args := b.args()
	args[0] = who + "/" + b.body
	return b.candidate(inGo(name, procs, append([]string{"body"}, args...)...))
}

func (b bodyCase) candidate(p program) candidate {
	return candidate{name: p.name, absent: p.absent, python: p.python, run: func() ([]float64, error) {
		r, err := p.report()
		if b.values == nil {
			return []float64{r.Seconds}, err
		}
		return b.values(r, b.n), err
	}}
}

// echoServers are the servers of the echo cases but for those in Go.
func (p *peers) echoServers() []program {
	servers := []program{p.epoll}
	for _, py := range p.pythons {
		servers = append(servers, py.does("echo.py"))
	}
	return servers
}

func (p *peers) echoCases(short bool) []benchCase {
	var cases []benchCase
	for _, e := range []echo{
		{conns: 50, size: 1 << 10, requests: 30_000},
		{conns: 50, size: 10 << 10, requests: 20_000},
		{conns: 50, size: 100 << 10, requests: 5_000},
	} {
		if short {
			e.requests /= 10
		}
		c := benchCase{
			name:     fmt.Sprintf("echo, %d KiB × %s", e.size>>10, thousands(e.requests)),
			braid:    serverInGo("braid", "braid").candidate(e.run),
			measures: echoMeasures,
			warm:     true,
		}
		for _, s := range append(p.echoServers(),
			serverInGo("gnet, one loop", "gnet"),
			serverInGo("goroutine and 64 KiB a connection, "+usual(0), "net, 64 KiB"),
		) {
			// Else the C library hands the memory of uvloop's messages back to
			// the kernel each time, which costs it most of its speed.
			s.env = append(s.env, "MALLOC_TRIM_THRESHOLD_=134217728")
			c.peers = append(c.peers, s.candidate(e.run))
		}
		cases = append(cases, c)
	}
	return cases
}

func (p *peers) idleCase(short bool) benchCase {
	conns := 10_000
	if short {
		conns = 1_000
	}
	run := func(s program) ([]float64, error) { return runIdle(conns, s) }
	c := benchCase{
		name:     thousands(conns) + " idle connections",
		braid:    serverInGo("braid", "braid").candidate(run),
		measures: idleMeasures,
		warm:     true,
	}
	for _, s := range append(p.echoServers(),
		serverInGo("gnet, one loop", "gnet"),
		serverInGo("goroutine and 4 KiB a connection", "net, 4 KiB"),
	) {
		c.peers = append(c.peers, s.candidate(run))
	}
	return c
}

// serverInGo is one of servers.
func serverInGo(name, server string) program {
	return inGo(name, 0, "server", server)
}
