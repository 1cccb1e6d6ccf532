package threading_test

import (
	"context"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

// ticks runs a ticker with a period of 10 s in a bubble, whose k-th run takes the k-th
// of the times, and returns when the runs began, and what the ticker has counted.
func ticks(t *testing.T, takes ...time.Duration) (began []time.Duration, s threading.TickerStatistics) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		tk := threading.Every(bg, "ticker", 10*time.Second, func(ctx context.Context) error {
			began = append(began, time.Since(start))
			if err := strand.Sleep(ctx, takes[len(began)-1]); err != nil {
				return err
			}
			if len(began) == len(takes) {
				return threading.ErrStop
			}
			return nil
		})
		if err := tk.Join(bg); err != nil {
			t.Errorf("Join = %v", err)
		}
		s = tk.Statistics()
	})
	return began, s
}

func TestTickerSchedule(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	for name, c := range map[string]struct {
		takes, began []time.Duration
		skipped      uint64
	}{
		"no time":           {[]time.Duration{0, 0, 0}, []time.Duration{10 * s, 20 * s, 30 * s}, 0},
		"no drift":          {[]time.Duration{3 * s, 9999 * ms, 1 * s, 0}, []time.Duration{10 * s, 20 * s, 30 * s, 40 * s}, 0},
		"just in time":      {[]time.Duration{10 * s, 0}, []time.Duration{10 * s, 20 * s}, 0},
		"a moment too long": {[]time.Duration{10*s + 1, 0}, []time.Duration{10 * s, 30 * s}, 1},
		"never piled up":    {[]time.Duration{35 * s, 0, 25 * s, 0}, []time.Duration{10 * s, 50 * s, 60 * s, 90 * s}, 5},
	} {
		t.Run(name, func(t *testing.T) {
			began, got := ticks(t, c.takes...)
			if !slices.Equal(began, c.began) {
				t.Errorf("the runs began after %v, want %v", began, c.began)
			}
			if want := (threading.TickerStatistics{Runs: uint64(len(c.takes)), Skipped: c.skipped}); got != want {
				t.Errorf("the ticker counted %+v, want %+v", got, want)
			}
		})
	}
}

// A ticker ends by its function, which may fail, panic or end the goroutine.
func TestTickerEnds(t *testing.T) {
	for name, c := range map[string]struct {
		end  func() error
		want error
	}{
		"ErrStop": {func() error { return threading.ErrStop }, nil},
		"error":   {func() error { return errTest }, errTest},
		"panic":   {func() error { panic(errTest) }, errTest},
		"Goexit":  {func() error { runtime.Goexit(); return nil }, braid.ErrGoexit},
	} {
		synctest.Test(t, func(t *testing.T) {
			runs := 0
			tk := threading.Every(bg, name, time.Second, func(context.Context) error {
				if runs++; runs < 3 {
					return nil
				}
				return c.end()
			})
			err := tk.Join(bg)
			if c.want == nil && err != nil {
				t.Errorf("%s: Join = %v", name, err)
			} else if c.want != nil {
				isAll(t, err, c.want)
			}
			time.Sleep(time.Minute)
			if runs != 3 || tk.Alive() {
				t.Errorf("%s: it ran %d times, alive: %v", name, runs, tk.Alive())
			}
		})
	}
}

// Stop ends the pause at once and lets a run go on; from within one as from outside.
func TestTickerStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tk := threading.Every(bg, "idle", time.Hour, nothing)
		synctest.Wait()
		if op, ok := tk.Waiting(); !ok || op.Kind != strand.OpSleep {
			t.Errorf("a ticker between two runs waits for %v, %v", op, ok)
		}
		begin := time.Now()
		tk.Stop()
		tk.Stop()
		if err := tk.Join(bg); err != nil || time.Since(begin) != 0 {
			t.Errorf("Join = %v, after %v", err, time.Since(begin))
		}
		if s := tk.Statistics(); s != (threading.TickerStatistics{}) {
			t.Errorf("it counted %+v", s)
		}

		begin = time.Now()
		tk = threading.Every(bg, "busy", time.Second, func(ctx context.Context) error {
			return strand.Sleep(ctx, 10*time.Second)
		})
		time.Sleep(5 * time.Second)
		tk.Stop()
		if err := tk.Join(bg); err != nil || time.Since(begin) != 11*time.Second {
			t.Errorf("Join = %v, after %v, want the end of the run", err, time.Since(begin))
		}
		if s := tk.Statistics(); s.Runs != 1 {
			t.Errorf("it counted %+v, want one run", s)
		}
	})
}

func TestTickerContext(t *testing.T) {
	for name, takes := range map[string]time.Duration{"in a pause": 0, "in a run": time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(bg)
			tk := threading.Every(ctx, name, time.Second, func(ctx context.Context) error {
				return strand.Sleep(ctx, takes)
			})
			time.Sleep(2500 * time.Millisecond)
			cancel(errWhy)
			isAll(t, tk.Join(bg), context.Canceled, errWhy)
			if err := threading.JoinAll(bg); err != nil {
				t.Errorf("%s: JoinAll = %v, want nothing of a ticker that was cancelled", name, err)
			}
		})
	}
}

// All runs are of one thread: values of its own last.
func TestTickerIsOneThread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counter := strand.NewLocal(func(context.Context) int { return 100 })
		var got []int
		var tk *threading.Ticker
		made := make(chan struct{})
		tk = threading.Every(bg, "counts", time.Second, func(ctx context.Context) error {
			<-made
			if self, ok := threading.Current(ctx); !ok || self != tk.Thread {
				t.Errorf("a run is of the thread %v, %v", self, ok)
			}
			n, err := counter.Get(ctx)
			if err != nil {
				return err
			}
			if got = append(got, n); len(got) == 3 {
				tk.Stop()
			}
			return counter.Set(ctx, n+1)
		})
		close(made)
		if err := tk.Join(bg); err != nil {
			t.Errorf("Join = %v", err)
		}
		if !slices.Equal(got, []int{100, 101, 102}) {
			t.Errorf("the runs found %v", got)
		}
	})
}
