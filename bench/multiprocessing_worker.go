package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"time"
)

// A worker is a process that waits for calls from this one. What nobody measures
// of it is nil.
type worker struct {
	pid    int
	call   func() error                            // a function that does nothing
	bytes  func(data []byte) ([]byte, error)       // one that returns what it gets
	floats func(data []float64) ([]float64, error) // likewise
	stop   func()
}

// starters start workers of each kind in Go.
var starters = map[string]func() (*worker, error){
	"go-plugin gRPC":                startGRPC,
	"go-plugin net/rpc":             startNetRPC,
	"memcpy twice":                  startCopier(true),
	"memcpy twice, newly allocated": startCopier(false),
	"socketpair":                    startSocketpair,
	"socketpair, net poller":        startPolledSocketpair,
	"spinning word":                 startSpinner,
}

// workerWorks are the works that take a worker of any kind, by the name that the
// cases give them. They return the values of the measures.
var workerWorks = map[string]func(start func() (*worker, error), n int) ([]float64, error){
	"call":   callHot,
	"idle":   callIdle,
	"bytes":  sendBytes,
	"floats": sendFloats,
	"start":  timeStarts,
	"memory": measureIdle,
}

// runPool does a work with a kind of worker, in size n, and prints the values.
func runPool(what, kind, n string) error {
	size, err := strconv.Atoi(n)
	if err != nil {
		return err
	}
	values, err := doPool(what, kind, size)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(values)
}

func doPool(what, kind string, n int) ([]float64, error) {
	start := starters[kind]
	if kind == "braid" {
		if do := braidPools[what]; do != nil {
			return do(n)
		}
		start = startBraid
	}
	do := workerWorks[what]
	if start == nil || do == nil {
		return nil, fmt.Errorf("%s with %s: nobody does that; there are works %q and workers %q", what, kind,
			slices.Sorted(maps.Keys(workerWorks)), slices.Sorted(maps.Keys(starters)))
	}
	return do(start, n)
}

// callHot returns the time of a call, one after the other for n milliseconds.
func callHot(start func() (*worker, error), n int) ([]float64, error) {
	w, err := start()
	if err != nil {
		return nil, err
	}
	defer w.stop()
	calls := func(long time.Duration) (float64, error) {
		began, n := time.Now(), 0
		for time.Since(began) < long {
			for range 100 { // to look at the clock costs as much as the fastest call
				if err := w.call(); err != nil {
					return 0, err
				}
			}
			n += 100
		}
		return time.Since(began).Seconds() / float64(n), nil
	}
	long := time.Duration(n) * time.Millisecond
	if _, err := calls(long / 5); err != nil {
		return nil, err
	}
	each, err := calls(long)
	return []float64{each}, err
}

// callIdle returns the median of n calls, each after 10 ms of sleep.
func callIdle(start func() (*worker, error), n int) ([]float64, error) {
	w, err := start()
	if err != nil {
		return nil, err
	}
	defer w.stop()
	return medianOf(n, func() (time.Duration, error) {
		time.Sleep(10 * time.Millisecond)
		began := time.Now()
		err := w.call()
		return time.Since(began), err
	})
}

// timeStarts returns the median of n starts of a worker, up to its first result.
func timeStarts(start func() (*worker, error), n int) ([]float64, error) {
	return medianOf(n, func() (time.Duration, error) {
		began := time.Now()
		w, err := start()
		if err != nil {
			return 0, err
		}
		defer w.stop()
		err = w.call()
		return time.Since(began), err
	})
}

// measureIdle returns the PSS and the RSS of an idle worker after its first call.
func measureIdle(start func() (*worker, error), _ int) ([]float64, error) {
	w, err := start()
	if err != nil {
		return nil, err
	}
	defer w.stop()
	if err := w.call(); err != nil {
		return nil, err
	}
	time.Sleep(100 * time.Millisecond) // what it does after the reply is not idle
	pss, err := proportional(w.pid)
	if err != nil {
		return nil, err
	}
	rss, err := resident(w.pid)
	return []float64{pss, rss}, err
}

// sendBytes returns the median time of n MiB of bytes there and back.
func sendBytes(start func() (*worker, error), n int) ([]float64, error) {
	w, err := start()
	if err != nil {
		return nil, err
	}
	defer w.stop()
	data := make([]byte, n<<20)
	for i := range data {
		data[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return thereAndBack(data, w.bytes, bytes.Equal)
}

// sendFloats returns the median time of n MiB of float64 there and back.
func sendFloats(start func() (*worker, error), n int) ([]float64, error) {
	w, err := start()
	if err != nil {
		return nil, err
	}
	defer w.stop()
	data := make([]float64, n<<17)
	for i := range data {
		data[i] = float64(i)
	}
	return thereAndBack(data, w.floats, slices.Equal)
}

// warmUps is how often large values travel before it counts: the first few go into memory
// that the system has still to make, which takes three times as long as to copy it.
const warmUps = 8

// thereAndBack is the median of five times, after warmUps that do not count.
func thereAndBack[T any](data []T, send func([]T) ([]T, error), equal func(a, b []T) bool) ([]float64, error) {
	var back []T
	once := func() (time.Duration, error) {
		began := time.Now()
		var err error
		back, err = send(data)
		return time.Since(began), err
	}
	for range warmUps - 1 { // medianOf does another
		if _, err := once(); err != nil {
			return nil, err
		}
	}
	values, err := medianOf(5, once)
	if err == nil && !equal(back, data) {
		err = fmt.Errorf("what came back, %d long, is not what was sent, %d long", len(back), len(data))
	}
	return values, err
}

// startCopier returns what is no worker at all: memory copied twice, as if there
// and back, which is the least that a transport does that copies once each way.
// The destination is either kept from the last time or newly allocated.
func startCopier(kept bool) func() (*worker, error) {
	return func() (*worker, error) {
		return &worker{
			bytes:  copier[byte](kept),
			floats: copier[float64](kept),
			stop:   func() {},
		}, nil
	}
}

func copier[T any](kept bool) func([]T) ([]T, error) {
	var there, back []T
	return func(data []T) ([]T, error) {
		if !kept {
			there, back = nil, nil
		}
		there = append(there[:0], data...)
		back = append(back[:0], there...)
		return back, nil
	}
}

// childWorkers are the workers that are this program, by name. They return when
// there is nothing more to do.
var childWorkers = map[string]func() error{
	"gRPC":                   serveGRPC,
	"net/rpc":                serveNetRPC,
	"socketpair":             serveSocketpair,
	"socketpair, net poller": servePolledSocketpair,
	"spinning word":          serveSpinner,
}

// runChildWorker is the worker's side. A worker ends with its input, whatever it
// does: none is left over when this program is killed.
func runChildWorker(name string) error {
	serve, ok := childWorkers[name]
	if !ok {
		return fmt.Errorf("there is no worker %q", name)
	}
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	return serve()
}

// startChildWorker starts one of childWorkers, which gets a file as its third
// descriptor. The caller closes its own copy. The worker has still to be given
// its calls.
func startChildWorker(name string, file *os.File) (*worker, error) {
	p := inGo(name, 0, "worker", name)
	if p.absent != "" {
		return nil, fmt.Errorf("%s", p.absent)
	}
	cmd := exec.Command(p.command[0], p.command[1:]...)
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{file}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &worker{pid: cmd.Process.Pid, stop: func() {
		in.Close()
		cmd.Wait()
	}}, nil
}
