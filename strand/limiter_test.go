package strand_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/go-braid/braid/strand"
	"pgregory.net/rapid"
)

// TestLimiterPace has a strand take one token after the other: first the burst, then
// one whenever it comes, to the nanosecond.
func TestLimiterPace(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		l := strand.NewLimiter(3, time.Second, 2)
		start := strand.Now(ctx)
		var got []time.Duration
		for range 8 {
			must(t, l.Wait(ctx, 1))
			got = append(got, strand.Now(ctx).Sub(start))
		}
		want := []time.Duration{0, 0, 333333334, 666666667, 1e9, 1333333334, 1666666667, 2e9}
		if !slices.Equal(got, want) {
			t.Errorf("the tokens came at %v, want %v", got, want)
		}
		if st, want := l.Statistics(ctx), (strand.LimiterStatistics{Rate: 3, Per: time.Second, Burst: 2, Taken: 8}); st != want {
			t.Errorf("Statistics() = %+v, want %+v", st, want)
		}
	})
}

// TestLimiterBucketFillsUpToBurst leaves the limiter alone for a while.
func TestLimiterBucketFillsUpToBurst(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		l := strand.NewLimiter(10, time.Second, 5)
		if !l.TryTake(ctx, 5) || l.TryTake(ctx, 1) {
			t.Error("a new limiter has not just its burst of tokens")
		}
		for _, c := range []struct {
			pause time.Duration
			want  int
		}{{99 * time.Millisecond, 0}, {time.Millisecond, 1}, {250 * time.Millisecond, 3}, {time.Second, 5}, {math.MaxInt64 / 4, 5}} {
			must(t, strand.Sleep(ctx, c.pause))
			if got := l.Statistics(ctx).Tokens; got != c.want {
				t.Errorf("after %v more there are %d tokens, want %d", c.pause, got, c.want)
			}
		}
		if !l.TryTake(ctx, 0) || !l.TryTake(ctx, 5) || l.TryTake(ctx, 6) {
			t.Error("a full limiter does not have just its burst of tokens")
		}
	})
}

// TestLimiterFIFO has strands ask for different numbers of tokens: those behind a
// large request wait for it.
func TestLimiterFIFO(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		l := strand.NewLimiter(1, time.Second, 4)
		must(t, l.Wait(ctx, 4))
		start := strand.Now(ctx)
		var d diary
		for _, n := range []int{3, 1, 0, 2} {
			s.Go("strand", func(ctx context.Context) {
				must(t, l.Wait(ctx, n))
				d.note("%d at %v", n, strand.Now(ctx).Sub(start))
			})
			s.Settle(ctx)
		}
		must(t, strand.Sleep(ctx, 1500*time.Millisecond))
		if l.TryTake(ctx, 1) {
			t.Error("TryTake overtook the strands that wait")
		}
		if st := l.Statistics(ctx); st.Waiting != 4 || st.Wanted != 6 || st.Tokens != 1 {
			t.Errorf("Statistics() = %+v, want 4 strands that wait for 6 tokens, and one token", st)
		}
		s.Wait(ctx)
		d.expect(t, "3 at 3s, 1 at 4s, 0 at 4s, 2 at 6s")
		if st := l.Statistics(ctx); st.Waiting != 0 || st.Wanted != 0 || st.Taken != 10 {
			t.Errorf("Statistics() = %+v at the end, want 10 tokens taken and nobody who waits", st)
		}
	})
}

// TestLimiterCancel cancels the strand in front, and one in the middle: those behind
// do not wait for what the others wanted.
func TestLimiterCancel(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		l := strand.NewLimiter(1, time.Second, 4)
		must(t, l.Wait(ctx, 4))
		start := strand.Now(ctx)
		var d diary
		var cancels []func()
		for _, who := range []string{"a", "b", "c", "d"} {
			cancels = append(cancels, goCancellable(s, who, func(ctx context.Context) {
				n := 2
				if who == "a" {
					n = 4
				}
				err := l.Wait(ctx, n)
				d.note("%s %s at %v", who, outcome(err), strand.Now(ctx).Sub(start).Round(time.Millisecond))
			}))
			s.Settle(ctx)
		}
		must(t, strand.Sleep(ctx, time.Second))
		cancels[2]() // in the middle
		s.Settle(ctx)
		must(t, strand.Sleep(ctx, 2*time.Second))
		cancels[0]() // in front, with 3 tokens there
		s.Wait(ctx)
		d.expect(t, "c cancelled at 1s, a cancelled at 3s, b ok at 3s, d ok at 4s")
		if st := l.Statistics(ctx); st.Taken != 8 || st.Wanted != 0 || st.Waiting != 0 {
			t.Errorf("Statistics() = %+v, want 8 tokens taken and nobody who waits", st)
		}
	})
}

// TestLimiterDeadline asks for tokens that come too late: the answer comes at once.
func TestLimiterDeadline(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		l := strand.NewLimiter(1, time.Second, 10)
		must(t, l.Wait(ctx, 10))
		start := strand.Now(ctx)
		late, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		err := l.Wait(late, 6)
		if !errors.Is(err, context.DeadlineExceeded) || late.Err() != nil {
			t.Errorf("Wait returned %v, want DeadlineExceeded before the deadline", err)
		}
		if got, want := fmt.Sprint(err), "strand: 6 tokens of the Limiter will be there in 6s, but the deadline is in 5s: context deadline exceeded"; got != want {
			t.Errorf("the error says %q, want %q", got, want)
		}
		if now := strand.Now(ctx); now != start {
			t.Errorf("it took %v to say so", now.Sub(start))
		}
		// With a nanosecond to spare: what wins if a wait and its context end in the
		// same instant is not said.
		late, cancel = context.WithTimeout(ctx, 5*time.Second+1)
		defer cancel()
		must(t, l.Wait(late, 5))
		if got := strand.Now(ctx).Sub(start); got != 5*time.Second {
			t.Errorf("5 tokens took %v, want 5s", got)
		}

		// The strands in front count.
		s.Go("in front", func(ctx context.Context) { must(t, l.Wait(ctx, 4)) })
		s.Settle(ctx)
		late, cancel = context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		if err := l.Wait(late, 2); !errors.Is(err, context.DeadlineExceeded) || late.Err() != nil {
			t.Errorf("Wait behind others returned %v, want DeadlineExceeded at once", err)
		}
		if got := l.Statistics(ctx).Waiting; got != 1 {
			t.Errorf("%d strands wait, want 1", got)
		}
	})
}

func TestLimiterNeedNotWaitIgnoresContext(t *testing.T) {
	l := strand.NewLimiter(1, time.Hour, 1)
	ctx, cancel := context.WithCancel(bg)
	cancel()
	if err := l.Wait(ctx, 1); err != nil {
		t.Errorf("Wait for a token that is there returned %v, want nil", err)
	}
	if err := l.Wait(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait returned %v, want context.Canceled", err)
	}
	past, cancel := context.WithTimeout(bg, -time.Second)
	defer cancel()
	if err := l.Wait(past, 1); !strand.IsErr(past, err) {
		t.Errorf("Wait returned %v, want that the context is done", err)
	}
}

// TestLimiterSetRate changes the rate while strands wait.
func TestLimiterSetRate(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		l := strand.NewLimiter(1, time.Hour, 2)
		must(t, l.Wait(ctx, 2))
		start := strand.Now(ctx)
		var d diary
		for i := range 4 {
			s.Go("strand", func(ctx context.Context) {
				must(t, l.Wait(ctx, 1))
				d.note("%d at %v", i, strand.Now(ctx).Sub(start))
			})
			s.Settle(ctx)
		}
		must(t, strand.Sleep(ctx, 30*time.Minute-4*time.Nanosecond)) // of which half a token is left
		l.SetRate(ctx, 2, time.Second)
		must(t, strand.Sleep(ctx, time.Second))
		l.SetRate(ctx, 1, time.Minute)
		s.Wait(ctx)
		// Half a token, then one in half a second each, then half of one is there.
		d.expect(t, "0 at 30m0.25s, 1 at 30m0.75s, 2 at 30m31s, 3 at 31m31s")
		if st := l.Statistics(ctx); st.Rate != 1 || st.Per != time.Minute {
			t.Errorf("Statistics() = %+v, want the last rate", st)
		}
	})
}

func TestLimiterBadArguments(t *testing.T) {
	for _, c := range []struct {
		want string
		call func()
	}{
		{"strand: NewLimiter: the burst is 0 and must be at least 1", func() { strand.NewLimiter(1, 1, 0) }},
		{"strand: NewLimiter: a rate of 0 per 1s; both must be greater than 0", func() { strand.NewLimiter(0, time.Second, 1) }},
		{"strand: NewLimiter: a rate of 1 per -1s; both must be greater than 0", func() { strand.NewLimiter(1, -time.Second, 1) }},
		{"strand: NewLimiter: a burst of 9223372037 is too much for a rate of 1 per 1s; the most is 9223372036",
			func() { strand.NewLimiter(1, time.Second, 9223372037) }},
		{"strand: SetRate: a rate of 1 per 0s; both must be greater than 0", func() { strand.NewLimiter(1, 1, 1).SetRate(bg, 1, 0) }},
		{"strand: cannot take -1 tokens", func() { _ = strand.NewLimiter(1, 1, 1).Wait(bg, -1) }},
		{"strand: cannot take -2 tokens", func() { strand.NewLimiter(1, 1, 1).TryTake(bg, -2) }},
	} {
		if got := mustPanic(t, c.call); got != c.want {
			t.Errorf("the panic says %q, want %q", got, c.want)
		}
	}
	err := strand.NewLimiter(1, time.Second, 4).Wait(bg, 5)
	if want := "strand: 5 tokens are more than the burst of the Limiter, 4: take them in parts, or give it a larger burst"; err == nil || err.Error() != want {
		t.Errorf("the error is %q, want %q", err, want)
	}
	strand.NewLimiter(math.MaxInt, 1, math.MaxInt) // counts in any case
	strand.NewLimiter(1, math.MaxInt64, 1)
}

// TestLimiterModel compares TryTake with the definition: in no stretch of time are
// more tokens taken than the burst and what comes in it; and the limiter never
// refuses what that allows.
func TestLimiterModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.IntRange(1, 1000).Draw(t, "rate")
		per := time.Duration(rapid.Int64Range(1, 1e10).Draw(t, "per"))
		burst := rapid.IntRange(1, 50).Draw(t, "burst")
		clock := &fakeParker{now: time.Unix(0, 0)}
		ctx := strand.WithParker(bg, clock)
		l := strand.NewLimiter(rate, per, burst)
		var when []time.Duration // of each token taken
		now := time.Duration(0)
		// fits reports whether n more tokens keep within the limit.
		fits := func(n int) bool {
			for i, first := range append(slices.Clone(when), now) {
				count := float64(len(when) - i + n)
				if count > float64(burst)+float64(now-first)*float64(rate)/float64(per)+1e-6 {
					return false
				}
			}
			return true
		}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			d := time.Duration(rapid.Int64Range(0, 3*int64(per)).Draw(t, "pause"))
			now += d
			clock.now = clock.now.Add(d)
			n := rapid.IntRange(0, burst+1).Draw(t, "n")
			got := l.TryTake(ctx, n)
			if want := n <= burst && fits(n); got != want {
				t.Fatalf("TryTake(%d) at %v = %v, want %v, after tokens at %v", n, now, got, want, when)
			}
			if got {
				for range n {
					when = append(when, now)
				}
			}
		}
	})
}
