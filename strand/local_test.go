package strand_test

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"weak"

	"github.com/go-braid/braid/strand"
)

func TestLocalIsPerStrand(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		made := strand.NewQueue[int](10)
		counter := strand.NewLocal(func(ctx context.Context) int {
			must(t, made.Put(ctx, 1))
			return 100
		})
		for i := range 3 {
			s.Go("strand", func(ctx context.Context) {
				for range i {
					v, err := counter.Get(ctx)
					must(t, err)
					must(t, counter.Set(ctx, v+1))
					must(t, strand.Yield(ctx))
				}
				v, err := counter.Get(ctx)
				must(t, err)
				if v != 100+i {
					t.Errorf("the value is %d, want %d", v, 100+i)
				}
			})
		}
		s.Wait(ctx)
		if got := made.Statistics().Len; got != 3 {
			t.Errorf("init was called %d times for 3 strands", got)
		}
	})
}

func TestLocalIsNotInherited(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		name := strand.NewLocal[string](nil)
		must(t, name.Set(ctx, "parent"))
		s.Go("child", func(ctx context.Context) {
			if v, err := name.Get(ctx); v != "" || err != nil {
				t.Errorf("a child begins with %q, %v, want the zero value", v, err)
			}
			must(t, name.Set(ctx, "child"))
		})
		s.Wait(ctx)
		if v, err := name.Get(ctx); v != "parent" || err != nil {
			t.Errorf("the parent has %q, %v, want its own value", v, err)
		}
	})
}

func TestLocalDelete(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		made := 0
		l := strand.NewLocal(func(context.Context) int { made++; return made })
		l.Delete(ctx) // there is none
		for want := 1; want <= 2; want++ {
			for range 2 {
				if v, err := l.Get(ctx); v != want || err != nil {
					t.Errorf("Get = %d, %v, want %d", v, err, want)
				}
			}
			l.Delete(ctx)
		}
	})
}

func TestLocalInitPanics(t *testing.T) {
	ctx, self := strand.Enter(bg)
	defer self.End()
	fail := true
	l := strand.NewLocal(func(context.Context) error {
		if fail {
			panic("no value")
		}
		return nil // a nil interface is a value, too
	})
	if got := mustPanic(t, func() { _, _ = l.Get(ctx) }); got != "no value" {
		t.Errorf("the panic is %q, want that of init", got)
	}
	fail = false
	if v, err := l.Get(ctx); v != nil || err != nil {
		t.Errorf("Get = %v, %v, want a nil value", v, err)
	}
	fail = true
	if _, err := l.Get(ctx); err != nil { // init is not called again
		t.Error(err)
	}
}

func TestLocalWithoutIdentity(t *testing.T) {
	l := strand.NewLocal(func(context.Context) int { t.Error("init was called"); return 1 })
	ctx, self := strand.Enter(bg)
	for name, ctx := range map[string]context.Context{
		"plain":    bg,
		"detached": strand.Detach(ctx),
		"ended":    ctx,
	} {
		if name == "ended" {
			self.End()
		}
		if v, err := l.Get(ctx); v != 0 || err != strand.ErrNoIdentity {
			t.Errorf("%s: Get = %d, %v, want ErrNoIdentity", name, v, err)
		}
		if err := l.Set(ctx, 1); err != strand.ErrNoIdentity {
			t.Errorf("%s: Set returned %v, want ErrNoIdentity", name, err)
		}
		l.Delete(ctx)
	}
	if !strings.Contains(strand.ErrNoIdentity.Error(), "strand.Enter") {
		t.Errorf("%q does not say how to get an identity", strand.ErrNoIdentity)
	}
}

// TestScenario036_LocalDropped checks that the values of a strand go when it ends.
func TestScenario036_LocalDropped(t *testing.T) {
	type value struct{ _ [64]byte }
	l := strand.NewLocal(func(context.Context) *value { return new(value) })
	ctx, self := strand.Enter(bg)
	v, err := l.Get(ctx)
	if err != nil {
		t.Fatal(err)
	}
	ref := weak.Make(v)
	runtime.GC()
	if ref.Value() == nil {
		t.Error("the value is gone while its strand lives")
	}
	v = nil
	self.End()
	runtime.GC()
	if ref.Value() != nil {
		t.Error("the value is still reachable after its strand has ended")
	}
	runtime.KeepAlive(ctx)
}
