package cli

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid/engine"
)

func TestTimeLimitSet(t *testing.T) {
	for text, want := range map[string]timeLimit{
		"10s": {fixed: 10 * time.Second}, "1.5": {fixed: 1500 * time.Millisecond},
		"300%": {percent: 300}, "100.5%": {percent: 100.5},
	} {
		var l timeLimit
		if err := l.Set(text); err != nil || l != want {
			t.Errorf("%q is %+v, %v; want %+v", text, l, err, want)
		}
		var again timeLimit
		if err := again.Set(l.String()); err != nil || again != l {
			t.Errorf("%q is written as %q", text, l.String())
		}
	}
	for _, text := range []string{"", "%", "100%", "-300%", "NaN%", "Inf%", "soon"} {
		if err := new(timeLimit).Set(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// A hand is an attempt of a test.
type hand struct{ why atomic.Pointer[error] }

func (h *hand) stop(why error) { h.why.Store(&why) }

// stopped returns why the attempt was stopped, once all that is due has been done.
func (h *hand) stopped() error {
	synctest.Wait()
	if why := h.why.Load(); why != nil {
		return *why
	}
	return nil
}

func TestMedianLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMedianLimit(300)
		// One that begins before anything is known.
		early := &hand{}
		m.begin(100, early.stop)
		for seq, d := range []time.Duration{4 * time.Second, 1 * time.Second, 2 * time.Second, 9 * time.Second, 3 * time.Second} {
			if m.current() != 0 {
				t.Errorf("a limit after %d successes", seq)
			}
			m.begin(seq, func(error) { t.Errorf("%d was stopped", seq) })
			time.Sleep(d)
			m.end(seq, true)
		}
		synctest.Wait()
		// The median is 3 s, the limit 9 s, and the early one has run for 19.
		if got := m.current(); got != 9*time.Second {
			t.Errorf("the limit is %v", got)
		}
		if e, ok := errors.AsType[*engine.TimeoutError](early.stopped()); !ok || e.Limit != 9*time.Second {
			t.Errorf("the early one was stopped by %v", early.stopped())
		}
		m.end(100, false) // says the attempt, later

		// Each has its own time, and failures do not count.
		first, second, third := &hand{}, &hand{}, &hand{}
		m.begin(1, first.stop)
		time.Sleep(4 * time.Second)
		m.begin(2, second.stop)
		m.begin(3, third.stop)
		time.Sleep(4999 * time.Millisecond)
		m.end(3, false)
		if first.stopped() != nil {
			t.Error("the first was stopped too early")
		}
		time.Sleep(2 * time.Millisecond)
		if first.stopped() == nil || second.stopped() != nil {
			t.Errorf("after 9 s and 5 s: %v and %v", first.stopped(), second.stopped())
		}
		time.Sleep(4 * time.Second)
		if second.stopped() == nil || third.stopped() != nil {
			t.Errorf("after 9 s: %v; of one that has ended: %v", second.stopped(), third.stopped())
		}
		if got := m.current(); got != 9*time.Second {
			t.Errorf("the limit has become %v", got)
		}
	})
}

// What is quick has a second all the same.
func TestMedianLimitFloor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMedianLimit(300)
		for seq := range enough {
			m.begin(seq, nil)
			time.Sleep(time.Millisecond)
			m.end(seq, true)
		}
		if got := m.current(); got != leastLimit {
			t.Errorf("the limit is %v", got)
		}
	})
}

// The median is that of the last successes, whatever their order; a naive one is
// the judge.
func TestMedianLimitWindow(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	m := newMedianLimit(200)
	var all []time.Duration
	for i := range 3*medianOf + 17 {
		d := time.Duration(1+random.IntN(20)) * time.Second
		all = append(all, d)
		m.mu.Lock()
		m.add(d)
		m.mu.Unlock()
		if i < enough || i%97 != 0 && i < 3*medianOf {
			continue
		}
		last := slices.Sorted(slices.Values(all[max(0, len(all)-medianOf):]))
		if want := 2 * last[(len(last)-1)/2]; m.current() != want {
			t.Fatalf("after %d: the limit is %v, want %v", len(all), m.current(), want)
		}
	}
}

func TestSlowWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var all []slowMark
		marks := func() []slowMark {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(all)
		}
		w := newSlowWatch(nil, 10*time.Second, func(m slowMark) {
			mu.Lock()
			defer mu.Unlock()
			all = append(all, m)
		})
		l := w.listener()
		w.texts[1], w.texts[2] = "one", "two"
		l.Started(engine.Event{Index: 1, Attempt: 1})
		time.Sleep(9 * time.Second)
		l.Started(engine.Event{Index: 2, Attempt: 1})
		l.Retrying(engine.Event{Index: 1, Attempt: 1})
		l.Started(engine.Event{Index: 1, Attempt: 2})
		time.Sleep(9 * time.Second)
		l.Finished(engine.Event{Index: 2, Attempt: 1})
		if got := marks(); len(got) > 0 {
			t.Errorf("too early: %v", got)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		l.Finished(engine.Event{Index: 1, Attempt: 2})
		time.Sleep(time.Minute)
		want := slowMark{seq: 1, attempt: 2, text: "one", ran: 10 * time.Second}
		if got := marks(); !slices.Equal(got, []slowMark{want}) {
			t.Errorf("marks %v, want %v", got, want)
		}
		if s := want.String(); !strings.Contains(s, "slow: one has run for 10s (attempt 2)") {
			t.Errorf("it says %q", s)
		}
	})
}
