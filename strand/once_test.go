package strand_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/go-braid/braid/strand"
)

func TestOnceRunsOnce(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		var once strand.Once
		var d diary
		for range 5 {
			s.Go("strand", func(ctx context.Context) {
				err := once.Do(ctx, func(ctx context.Context) error {
					d.note("begin")
					must(t, strand.Sleep(ctx, time.Second))
					d.note("end")
					return nil
				})
				d.note("%s", outcome(err))
			})
		}
		s.Settle(ctx)
		if st, want := once.Statistics(), (strand.OnceStatistics{Running: true, Waiting: 4}); st != want {
			t.Errorf("Statistics() = %+v while the function runs, want %+v", st, want)
		}
		if n := len(once.Holders()); n != 1 {
			t.Errorf("there are %d holders while the function runs, want 1", n)
		}
		s.Wait(ctx)
		d.expect(t, "begin, end, ok, ok, ok, ok, ok")
		must(t, once.Do(ctx, func(context.Context) error { t.Error("it ran again"); return nil }))
		if st, want := once.Statistics(), (strand.OnceStatistics{Done: true}); st != want {
			t.Errorf("Statistics() = %+v at the end, want %+v", st, want)
		}
		if n := len(once.Holders()); n != 0 {
			t.Errorf("there are %d holders at the end, want 0", n)
		}
	})
}

// TestOnceFailureIsNotRemembered has functions that fail in every way: the next
// strand that waits runs its own.
func TestOnceFailureIsNotRemembered(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		var once strand.Once
		var d diary
		boom := errors.New("boom")
		for _, who := range []string{"fails", "panics", "is cancelled", "succeeds", "waits"} {
			cancel := goCancellable(s, who, func(ctx context.Context) {
				defer func() {
					if v := recover(); v != nil {
						d.note("%s: %v", who, v)
					}
				}()
				err := once.Do(ctx, func(ctx context.Context) error {
					err := strand.Sleep(ctx, time.Second)
					switch who {
					case "fails":
						return boom
					case "panics":
						panic("a panic")
					}
					return err
				})
				d.note("%s: %s", who, outcome(err))
			})
			s.Settle(ctx)
			if who == "is cancelled" {
				s.Go("canceller", func(ctx context.Context) {
					must(t, strand.Sleep(ctx, 2500*time.Millisecond))
					cancel()
				})
			}
		}
		s.Wait(ctx)
		d.expect(t, "fails: boom, panics: a panic, is cancelled: cancelled, succeeds: ok, waits: ok")
		if st, want := once.Statistics(), (strand.OnceStatistics{Done: true}); st != want {
			t.Errorf("Statistics() = %+v, want %+v", st, want)
		}
	})
}

func TestOnceCancelledWaiter(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		var once strand.Once
		s.Go("runs", func(ctx context.Context) {
			must(t, once.Do(ctx, func(ctx context.Context) error { return strand.Sleep(ctx, time.Minute) }))
		})
		s.Settle(ctx)
		late, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		err := once.Do(late, func(context.Context) error { t.Error("a second function ran"); return nil })
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Do returned %v, want DeadlineExceeded", err)
		}
		if got := once.Statistics().Waiting; got != 0 {
			t.Errorf("%d strands wait, want 0", got)
		}
		s.Wait(ctx)
	})
}

func TestOnceReentrant(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		var once strand.Once
		err := once.Do(ctx, func(ctx context.Context) error {
			return once.Do(ctx, func(context.Context) error { t.Error("it ran within itself"); return nil })
		})
		if err != strand.ErrReentrant {
			t.Errorf("Do within Do returned %v, want ErrReentrant", err)
		}
		// Another strand may wait for it.
		must(t, once.Do(ctx, func(ctx context.Context) error {
			s.Go("waits", func(ctx context.Context) {
				must(t, once.Do(ctx, func(context.Context) error { t.Error("it ran twice"); return nil }))
			})
			s.Settle(ctx)
			return nil
		}))
	})
}

// TestOnceReentrantWithoutIdentity cannot be told apart from another goroutine; it
// ends with its context.
func TestOnceReentrantWithoutIdentity(t *testing.T) {
	var once strand.Once
	ctx, cancel := context.WithCancel(bg)
	cancel()
	err := once.Do(ctx, func(ctx context.Context) error {
		return once.Do(ctx, func(context.Context) error { t.Error("it ran within itself"); return nil })
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Do within Do returned %v, want context.Canceled", err)
	}
}

func TestOnceValue(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		calls := 0
		boom := errors.New("boom")
		get := strand.OnceValue(func(ctx context.Context) (int, error) {
			if calls++; calls == 1 {
				return 7, boom
			}
			return 42, strand.Sleep(ctx, time.Second)
		})
		if v, err := get(ctx); v != 0 || err != boom {
			t.Errorf("the first call returned %d, %v, want 0 and the error", v, err)
		}
		for range 3 {
			s.Go("strand", func(ctx context.Context) {
				if v, err := get(ctx); v != 42 || err != nil {
					t.Errorf("a later call returned %d, %v, want 42", v, err)
				}
			})
		}
		s.Wait(ctx)
		if calls != 2 {
			t.Errorf("the function was called %d times, want 2", calls)
		}
	})
}

func TestOnceValueDropsItsFunction(t *testing.T) {
	big := new([1 << 10]byte)
	ref := weak.Make(big)
	get := strand.OnceValue(func(context.Context) (int, error) { return len(big), nil })
	if v, err := get(bg); v != 1<<10 || err != nil {
		t.Fatalf("the value is %d, %v", v, err)
	}
	big = nil
	runtime.GC()
	if ref.Value() != nil {
		t.Error("what the function refers to is still reachable after it has succeeded")
	}
	runtime.KeepAlive(get)
}
