//go:build unix

package command

import (
	"errors"
	"os"
	"testing"
	"testing/synctest"
)

// A program that ends once Kill has returned leaves no command behind, not even one
// that was being started when Kill was called.
func TestKillWaitsForStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRunner(t, Config{})
		if err := r.begin(); err != nil {
			t.Fatal(err)
		}
		returned := make(chan struct{})
		go func() {
			r.Kill()
			close(returned)
		}()
		synctest.Wait()
		select {
		case <-returned:
			t.Error("Kill has returned while a command was being started")
		default:
		}
		if err := r.begin(); !errors.Is(err, ErrKilled) {
			t.Errorf("another start: %v, want ErrKilled", err)
		}

		// Now it runs, and is killed before Kill returns.
		c := play("stubborn", newPipe(t).path)
		proc, err := os.StartProcess(c.Args[0], c.Args, &os.ProcAttr{Env: c.Env, Sys: sysProcAttr})
		if err != nil {
			t.Fatal(err)
		}
		p := &process{proc: proc}
		r.add(p)
		r.starting.Done()
		<-returned
		if state, err := p.wait(); err != nil || p.stopped() != ErrKilled {
			t.Errorf("%v, %v, stopped for %v", state, err, p.stopped())
		}
		r.remove(p)
	})
}
