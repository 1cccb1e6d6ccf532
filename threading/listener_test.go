package threading_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

// listener returns a listener that writes all events into d.
func (d *diary) listener() *engine.Listener {
	add := func(line string) func(engine.Event) {
		return func(engine.Event) { d.add(line) }
	}
	return &engine.Listener{
		Submitted: add("submitted"), Started: add("started"), Parked: add("parked"),
		Resumed: add("resumed"), Retrying: add("retrying"), Finished: add("finished"),
		WorkerStarted: func(e engine.Event) { d.add(fmt.Sprintf("worker %d started", e.Worker)) },
		WorkerStopped: func(e engine.Event) {
			how := "stopped"
			if e.Err != nil {
				how = "failed"
			}
			d.add(fmt.Sprintf("worker %d %s", e.Worker, how))
		},
	}
}

func TestEventsOfOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		p := threading.NewPool(threading.Config{Workers: 1, Listener: d.listener()})
		var first, second strand.Event
		f := run(p, func(ctx context.Context) error {
			if err := first.Wait(ctx); err != nil {
				return err
			}
			if err := strand.Sleep(ctx, time.Second); err != nil { // no parking
				return err
			}
			return second.Wait(ctx)
		})
		loaded(t, p, load{lent: 1})
		first.Set()
		loaded(t, p, load{running: 1})
		time.Sleep(time.Second)
		loaded(t, p, load{lent: 1})
		second.Set()
		succeeded(t, f)
		if err := p.Close(bg); err != nil {
			t.Errorf("Close = %v", err)
		}
		d.is(t, "submitted", "worker 1 started", "started", "parked", "resumed", "parked", "resumed", "finished", "worker 1 stopped")
	})
}

// A task that is woken has resumed when it has a slot, not before; and it is
// parked whether or not its slot is lent.
func TestEventsTellOfSlots(t *testing.T) {
	for _, lent := range []int{0, -1} {
		synctest.Test(t, func(t *testing.T) {
			var d diary
			all := d.listener()
			p := open(t, threading.Config{
				Workers: 1, MaxLent: lent,
				Listener: &engine.Listener{Parked: all.Parked, Resumed: all.Resumed},
			})
			var event strand.Event
			parked := run(p, event.Wait)
			synctest.Wait()
			d.is(t, "parked")
			release := func() {}
			if lent == 0 {
				release = occupy(t, p, 1)
			}
			event.Set()
			synctest.Wait()
			if lent == 0 {
				d.is(t, "parked")
			}
			release()
			succeeded(t, parked)
			d.is(t, "parked", "resumed")
		})
	}
}

func TestEventFields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var seen []string
		note := func(what string) func(engine.Event) {
			return func(e engine.Event) {
				mu.Lock()
				defer mu.Unlock()
				if e.Engine != "crew" || !e.Time().Equal(time.Now()) {
					t.Errorf("%s: the event %+v is not of this pool or not of now", what, e)
				}
				failed := e.Err != nil
				seen = append(seen, fmt.Sprint(what, " ", e.Worker, e.Task, " ", e.Attempt, e.Op.Kind, failed))
				if called := e.Call != 0; called == (what == "worker+" || what == "worker-") {
					t.Errorf("%s: the event is of call %d", what, e.Call)
				}
			}
		}
		p := threading.NewPool(threading.Config{
			Name: "crew", Workers: 1,
			Listener: &engine.Listener{
				Submitted: note("submitted"), Started: note("started"), Parked: note("parked"),
				Resumed: note("resumed"), Finished: note("finished"),
				WorkerStarted: note("worker+"), WorkerStopped: note("worker-"),
			},
		})
		var event strand.Event
		f := run(p, func(ctx context.Context) error {
			return errors.Join(event.Wait(ctx), errTest)
		}, braid.Name("job"))
		synctest.Wait()
		time.Sleep(time.Minute)
		event.Set()
		isAll(t, outcomeOf(f), errTest)
		if err := p.Close(bg); err != nil {
			t.Errorf("Close = %v", err)
		}
		want := "[submitted 0job 1 none false worker+ 1 0 none false started 1job 1 none false" +
			" parked 1job 1 wait false resumed 1job 1 none false finished 1job 1 none true worker- 1 0 none false]"
		if got := fmt.Sprint(seen); got != want {
			t.Errorf("the events were\n%s, want\n%s", got, want)
		}
	})
}

func TestWorkerNumbersAreReused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		all := d.listener()
		p := threading.NewPool(threading.Config{Workers: 3, Listener: &engine.Listener{
			WorkerStarted: all.WorkerStarted, WorkerStopped: all.WorkerStopped,
		}})
		release1 := occupy(t, p, 1)
		gate := make(chan struct{})
		exit := run(p, func(context.Context) error { <-gate; runtime.Goexit(); return nil })
		synctest.Wait()
		release3 := occupy(t, p, 1)
		close(gate)
		isAll(t, outcomeOf(exit), braid.ErrGoexit)
		synctest.Wait()
		release2 := occupy(t, p, 1)
		d.is(t, "worker 1 started", "worker 2 started", "worker 3 started", "worker 2 stopped", "worker 2 started")
		release1()
		release2()
		release3()
		resize(t, p, 1)
		synctest.Wait()
		if err := p.Close(bg); err != nil {
			t.Errorf("Close = %v", err)
		}
		running := make(map[string]bool)
		for _, line := range d.lines {
			var n int
			var what string
			if _, err := fmt.Sscanf(line, "worker %d %s", &n, &what); err != nil {
				t.Fatal(err)
			}
			name := fmt.Sprint(n)
			if running[name] == (what == "started") {
				t.Errorf("%q when there were %v", line, running)
			}
			running[name] = what == "started"
		}
		for name, still := range running {
			if still {
				t.Errorf("worker %s has not stopped", name)
			}
		}
	})
}
