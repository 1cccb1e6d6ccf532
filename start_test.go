package braid_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/strand"
)

// scoped runs body in a scope on plain goroutines, in a bubble, and returns the
// scope's error.
func scoped(t *testing.T, body func(ctx context.Context, g *braid.Group) error) (err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		err = braid.Scope(t.Context(), nil, body)
	})
	return err
}

func TestStartReady(t *testing.T) {
	var served bool
	var over atomic.Bool
	err := scoped(t, func(ctx context.Context, g *braid.Group) error {
		begin := time.Now()
		setup, cancel := context.WithTimeout(ctx, time.Minute)
		addr, err := braid.Start(setup, g, func(ctx context.Context, ready func(string)) error {
			_ = strand.Sleep(ctx, time.Second)
			ready("127.0.0.1:80")
			ready("again")
			served = strand.Sleep(ctx, time.Hour) == nil // longer than setup lasts
			over.Store(true)
			return nil
		})
		cancel()
		if addr != "127.0.0.1:80" || err != nil {
			t.Errorf("Start = %q, %v", addr, err)
		}
		if d := time.Since(begin); d != time.Second || over.Load() {
			t.Errorf("Start returned after %v, the child being over: %v", d, over.Load())
		}
		return nil
	})
	if err != nil || !served {
		t.Errorf("Scope = %v; the child served: %v", err, served)
	}
}

func TestStartFails(t *testing.T) {
	boom := errors.New("boom")
	for _, c := range []struct {
		name  string
		child func(ctx context.Context, ready func(int)) error
		want  error
	}{
		{"Error", func(context.Context, func(int)) error { return boom }, boom},
		{"Nil", func(context.Context, func(int)) error { return nil }, braid.ErrNotReady},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := scoped(t, func(ctx context.Context, g *braid.Group) error {
				if _, err := braid.Start(ctx, g, c.child); !errors.Is(err, c.want) {
					t.Errorf("Start = %v, want %v", err, c.want)
				}
				return strand.Sleep(ctx, time.Second) // the scope goes on
			})
			if err != nil {
				t.Errorf("Scope = %v", err)
			}
		})
	}
	t.Run("Panic", func(t *testing.T) {
		err := scoped(t, func(ctx context.Context, g *braid.Group) error {
			_, err := braid.Start(ctx, g, func(context.Context, func(int)) error { panic("ouch") })
			if _, ok := errors.AsType[*braid.PanicError](err); !ok {
				t.Errorf("Start = %v, want a panic", err)
			}
			return nil
		})
		if _, ok := errors.AsType[*braid.PanicError](err); !ok {
			t.Errorf("Scope = %v, want the panic", err)
		}
	})
	t.Run("AfterReady", func(t *testing.T) {
		err := scoped(t, func(ctx context.Context, g *braid.Group) error {
			if v, err := braid.Start(ctx, g, func(_ context.Context, ready func(int)) error {
				ready(7)
				return boom
			}); v != 7 || err != nil {
				t.Errorf("Start = %d, %v", v, err)
			}
			return nil
		})
		if !errors.Is(err, boom) {
			t.Errorf("Scope = %v, want the failure of the child that was ready", err)
		}
	})
	t.Run("Closed", func(t *testing.T) {
		var kept *braid.Group
		_ = scoped(t, func(_ context.Context, g *braid.Group) error { kept = g; return nil })
		if _, err := braid.Start(t.Context(), kept, func(context.Context, func(int)) error { return nil }); !errors.Is(err, braid.ErrClosed) {
			t.Errorf("Start in a scope that has ended = %v", err)
		}
	})
}

func TestStartCancelled(t *testing.T) {
	t.Run("Caller", func(t *testing.T) {
		cleaned := false
		err := scoped(t, func(ctx context.Context, g *braid.Group) error {
			setup, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			_, err := braid.Start(setup, g, func(ctx context.Context, _ func(int)) error {
				err := strand.Sleep(ctx, time.Hour)
				time.Sleep(time.Second) // virtual time: to clean up
				cleaned = true
				return err
			})
			if !errors.Is(err, context.DeadlineExceeded) || !cleaned {
				t.Errorf("Start = %v; the child had returned: %v", err, cleaned)
			}
			return nil
		})
		if err != nil {
			t.Errorf("Scope = %v", err)
		}
	})
	t.Run("Scope", func(t *testing.T) {
		boom := errors.New("boom")
		err := scoped(t, func(ctx context.Context, g *braid.Group) error {
			braid.Go(ctx, g, func(ctx context.Context) (int, error) { return 0, boom })
			_, err := braid.Start(ctx, g, func(ctx context.Context, _ func(int)) error {
				return strand.Sleep(ctx, time.Hour)
			})
			return err
		})
		if !errors.Is(err, boom) || strings.Count(err.Error(), "\n") > 0 {
			t.Errorf("Scope = %v, want only the failure that ended it", err)
		}
	})
}

// A server is started, and used when it is ready.
func ExampleStart() {
	err := braid.Scope(context.Background(), nil, func(ctx context.Context, g *braid.Group) error {
		requests := strand.NewQueue[string](1)
		greeting, err := braid.Start(ctx, g, func(ctx context.Context, ready func(string)) error {
			ready("at your service")
			for {
				r, err := requests.Get(ctx)
				if err != nil {
					return nil
				}
				fmt.Println("served", r)
			}
		})
		if err != nil {
			return err
		}
		fmt.Println(greeting)
		_ = requests.Put(ctx, "a request")
		requests.Shutdown()
		return nil
	})
	fmt.Println(err)
	// Output:
	// at your service
	// served a request
	// <nil>
}
