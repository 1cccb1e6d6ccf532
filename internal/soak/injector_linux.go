package main

import (
	"math"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/go-braid/braid/multiprocessing"
	"golang.org/x/sys/unix"
)

// An injector injects faults, in the order that its dice say.
type injector struct {
	*driver
	dice    *dice
	targets []*target
	work    sync.WaitGroup

	began    time.Time
	injected int
	oks      int64 // calls that had succeeded …
	since    int   // … at the last fault before which one had, and the faults since
}

// The bounds of the pause between two faults, bursts apart.
const (
	minGap = time.Millisecond
	maxGap = 200 * time.Millisecond
)

// mappable are the faults that an item of a Map can have.
var mappable = []kind{exitZero, exitCode, panics, nilDeref, goexits, fatal, panicElsewhere, killSelf, stopSelf, exitsAfter, floods}

// run injects faults until over is closed, and then waits for the last.
func (in *injector) run(over <-chan struct{}) {
	defer in.work.Wait()
	in.began = time.Now()
	for {
		n := uint64(1)
		if in.dice.n(50) == 0 {
			n += in.dice.n(8) // a burst
		}
		for range n {
			in.injected += in.inject()
		}
		select {
		case <-over:
			return
		case <-time.After(in.gap()):
		}
	}
}

// gap returns the pause before the next fault: shorter if there have been too few for
// the average, longer if nothing succeeds between them.
func (in *injector) gap() time.Duration {
	mean := float64(in.driver.gap)
	due := float64(time.Since(in.began))/mean - float64(in.injected)
	mean /= min(4, max(0.25, 1+due/20))
	var oks int64
	for _, t := range in.targets {
		oks += t.oks.Load()
	}
	if oks > in.oks {
		in.oks, in.since = oks, 0
	} else if in.since++; in.since > 20 {
		mean *= 4
	}
	u := float64(1+in.dice.n(1<<53)) / (1 << 53)
	return min(maxGap, max(minGap, time.Duration(-math.Log(u)*mean)))
}

// inject injects a fault, and returns how many it has.
func (in *injector) inject() int {
	t := in.targets[in.dice.n(uint64(len(in.targets)))]
	if in.dice.n(2) == 0 {
		return in.hit(t, firstOutside+kind(in.dice.n(uint64(kinds)-uint64(firstOutside))))
	}
	k := firstFault + kind(in.dice.n(uint64(firstOutside-firstFault)))
	switch {
	case k == initExits, // no call does that
		k == outOfMemory && (!t.limited || raceEnabled),
		t.strikes.Load() > int64(2*t.config.Workers):
		return 0
	}
	t.strikes.Add(1)
	id := in.nextID(k)
	in.work.Go(func() {
		defer t.strikes.Add(-1)
		t.submit(id)()
	})
	return 1
}

// hit hits workers from outside.
func (in *injector) hit(t *target, k kind) int {
	switch k {
	case ownNoise:
		in.tell(event{What: evFault, Pool: t.number, PID: os.Getpid(), Kind: k, Phase: "program"})
		for range 10 {
			for _, sig := range []syscall.Signal{syscall.SIGURG, syscall.SIGCHLD, syscall.SIGWINCH, syscall.SIGCONT} {
				_ = syscall.Kill(os.Getpid(), sig)
			}
		}
		return 1
	case killAtStart:
		return in.hitNewborn(t)
	}
	ws := t.pool.Workers()
	if len(ws) == 0 {
		return 0
	}
	if k == killAll {
		n := 0
		for _, w := range ws {
			n += in.send(t, w, k, syscall.SIGKILL)
		}
		return n
	}
	w := ws[in.dice.n(uint64(len(ws)))]
	if in.dice.n(3) == 0 {
		// Idle ones are rare.
		if i := slices.IndexFunc(ws, func(w multiprocessing.WorkerInfo) bool { return w.Task == "" && w.Tasks > 0 }); i >= 0 {
			w = ws[i]
		}
	}
	if w.Task == "" && w.Tasks == 0 && k != sigKill && k != killGroup {
		// It may not be ready yet. To be killed by somebody is no failed start, but
		// any other end is, and there may be few of those in succession.
		k = sigKill
	}
	switch k {
	case sigTerm:
		return in.send(t, w, k, syscall.SIGTERM)
	case sigHup:
		return in.send(t, w, k, syscall.SIGHUP)
	case sigSegv:
		return in.send(t, w, k, syscall.SIGSEGV)
	case sigAbrt:
		return in.send(t, w, k, syscall.SIGABRT)
	case sigQuit:
		return in.send(t, w, k, syscall.SIGQUIT)
	case sigStop:
		return in.send(t, w, k, syscall.SIGSTOP)
	case sigStopCont:
		n := in.send(t, w, k, syscall.SIGSTOP)
		after := in.dice.duration(500 * time.Millisecond)
		in.work.Go(func() {
			time.Sleep(after)
			signalChild(w.PID, syscall.SIGCONT)
		})
		return n
	case sigNoise:
		return in.send(t, w, k, syscall.SIGINT, syscall.SIGCHLD, syscall.SIGURG, syscall.SIGWINCH, syscall.SIGPIPE, syscall.SIGCONT)
	default:
		return in.send(t, w, k, syscall.SIGKILL)
	}
}

// hitNewborn kills a worker that is not ready yet, if there is one soon.
func (in *injector) hitNewborn(t *target) int {
	after := in.dice.duration(8 * time.Millisecond)
	for end := time.Now().Add(60 * time.Millisecond); time.Now().Before(end); time.Sleep(200 * time.Microsecond) {
		for _, w := range t.pool.Workers() {
			if w.Task == "" && w.Tasks == 0 && time.Since(w.Started) < 10*time.Millisecond {
				time.Sleep(after)
				return in.send(t, w, killAtStart, syscall.SIGKILL)
			}
		}
	}
	return 0
}

// send sends signals to a worker, and tells the oracle before.
func (in *injector) send(t *target, w multiprocessing.WorkerInfo, k kind, sigs ...syscall.Signal) int {
	in.tellNow(event{What: evFault, Pool: t.number, PID: w.PID, Kind: k, Phase: t.phase(w)})
	sent := false
	if k == killGroup {
		sent = isChild(w.PID) && unix.Kill(-w.PID, sigs[0]) == nil
	} else {
		sent = signalChild(w.PID, sigs...)
	}
	if !sent {
		in.tell(event{What: evMissed, Pool: t.number, PID: w.PID, Kind: k, Phase: t.phase(w)})
		return 0
	}
	return 1
}

// phase says what a worker does, as far as that can be seen.
func (t *target) phase(w multiprocessing.WorkerInfo) string {
	switch {
	case t.closing.Load():
		return "shutdown"
	case w.Task != "":
		return "busy"
	case w.Tasks > 0:
		return "idle"
	}
	if p, ok := processOf(w.PID); ok && p.threads == 1 {
		return "spawn" // its runtime is not up
	}
	return "handshake"
}

// signalChild sends signals to a process if it is a child of this one that has not
// ended: its number may be another's by now.
func signalChild(pid int, sigs ...syscall.Signal) bool {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	if !isChild(pid) {
		return false
	}
	for _, sig := range sigs {
		if unix.PidfdSendSignal(fd, sig, nil, 0) != nil {
			return false
		}
	}
	return true
}

func isChild(pid int) bool {
	p, ok := processOf(pid)
	return ok && p.parent == os.Getpid() && p.state != 'Z' && p.state != 'X'
}
