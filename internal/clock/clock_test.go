package clock

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A simulated machine has a counter and a clock.
type simulated struct {
	count float64 // so far
	time  time.Duration
	rate  float64 // steps a nanosecond
}

// pass lets time pass.
func (m *simulated) pass(d time.Duration) {
	m.time += d
	m.count += float64(d) * m.rate
}

func (m *simulated) mark() mark { return mark{uint64(m.count), m.time} }

func newSimulated() *simulated { return &simulated{count: 1e15, time: 3 * time.Second, rate: 2.45} }

// follow checks that c's line tells m's time, but for the given error, for a window and no longer.
func follow(t *testing.T, c *converter, m *simulated, most time.Duration) {
	t.Helper()
	followFor(t, c, m, window, most)
}

// followFor does so for another time.
func followFor(t *testing.T, c *converter, m *simulated, long, most time.Duration) {
	t.Helper()
	l := c.line.Load()
	if l == nil {
		t.Fatal("there is no line")
	}
	for _, d := range []time.Duration{0, long / 3, long - long/500} {
		later := *m
		later.pass(d)
		steps := uint64(later.count) - l.from
		if steps >= l.reach {
			t.Fatalf("%v after its beginning the line is used no more; want %v", d, long)
		}
		if off := l.at(steps) - later.time; off.Abs() > most {
			t.Errorf("%v after its beginning the line is off by %v; want at most %v", d, off, most)
		}
	}
	later := *m
	later.pass(long + long/500)
	if steps := uint64(later.count) - l.from; steps < l.reach {
		t.Errorf("the line is still used after %v", long)
	}
}

func TestLine(t *testing.T) {
	for _, rate := range []float64{0.1, 1, 2.45, 5} {
		var c converter
		m := newSimulated()
		m.rate = rate
		c.read(m.mark())
		if c.line.Load() != nil {
			t.Fatal("there is a line through one mark")
		}
		// The marks are as far apart as readers let them be.
		for i := range 100 {
			m.pass(window + time.Duration(i)*(oldest-window)/100)
			c.read(m.mark())
			follow(t, &c, m, 20*time.Nanosecond/time.Duration(min(1, rate*10)))
		}
	}
}

// TestFirstLines has them soon, and each is used for longer than the one before.
func TestFirstLines(t *testing.T) {
	var c converter
	m := newSimulated()
	c.read(m.mark())
	for past := soon; past < 4*window; past *= 2 {
		m.pass(past)
		c.read(m.mark())
		followFor(t, &c, m, min(2*past, window), 20*time.Nanosecond)
	}
}

// TestAdjusted has the system's clock adjusted, which is done by at most 500 parts in a million.
func TestAdjusted(t *testing.T) {
	var c converter
	m := newSimulated()
	steady := m.rate
	c.read(m.mark())
	for i := range 1000 {
		m.pass(window)
		c.read(m.mark())
		m.rate = steady * (1 + 500e-6*float64(i%3-1))
		// That is 1000 parts in a hundredth of a second at most.
		follow(t, &c, m, 11*time.Microsecond)
	}
}

// TestUnknown has marks that say nothing of the rate.
func TestUnknown(t *testing.T) {
	for _, k := range []struct {
		name string
		do   func(m *simulated)
	}{
		{"an old mark", func(m *simulated) { m.pass(oldest + 1) }},
		{"the counter has begun again", func(m *simulated) { m.pass(window); m.count = 1e6 }},
		{"the counter has gone on while the clock stood still", func(m *simulated) { m.pass(window); m.count += 1e8 }},
		{"the clock has gone on while the counter stood still", func(m *simulated) { m.pass(window); m.time += window / 100 }},
		{"the counter is hours ahead", func(m *simulated) { m.pass(window); m.count += 1e14 }},
		{"another machine", func(m *simulated) { m.rate *= 1.01; m.pass(window) }},
	} {
		t.Run(k.name, func(t *testing.T) {
			var c converter
			m := newSimulated()
			for range 3 {
				c.read(m.mark())
				m.pass(window)
			}
			was := c.line.Load()
			if was == nil {
				t.Fatal("there is no line before it")
			}
			k.do(m)
			c.read(m.mark())
			if c.line.Load() != was {
				t.Error("there is a line through marks that do not belong together")
			}
			m.pass(window)
			c.read(m.mark())
			follow(t, &c, m, 20*time.Nanosecond)
		})
	}
}

// TestNonsense has a first rate that no processor has, so that no line would ever end.
func TestNonsense(t *testing.T) {
	for _, rate := range []float64{1e-3, 1e3} {
		var c converter
		m := newSimulated()
		m.rate = rate
		for range 3 {
			c.read(m.mark())
			m.pass(window)
		}
		if c.line.Load() != nil {
			t.Errorf("there is a line for a counter of %v GHz", rate)
		}
	}
}

// slack is by how much Now may differ from the system's clock at worst.
const slack = 5 * time.Microsecond

// between checks that Now lies between what the system says before and after it.
func between(t *testing.T, now func() time.Duration) time.Duration {
	t.Helper()
	before := time.Since(epoch)
	got := now()
	after := time.Since(epoch)
	if got < before-slack || got > after+slack {
		t.Errorf("the time is %v, which is not between %v and %v", got, before, after)
	}
	return got
}

// TestNow reads it for several lines, on several goroutines.
func TestNow(t *testing.T) {
	if !Agrees() {
		t.Log("on this machine the clock is the system's")
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			last := time.Duration(0)
			for end := time.Since(epoch) + 5*window; last < end && !t.Failed(); {
				now := between(t, Now)
				if now < last-slack {
					t.Errorf("the time goes back by %v", last-now)
				}
				last = now
			}
		})
	}
	wg.Wait()
	if Agrees() && global.line.Load() == nil {
		t.Error("there is no line yet")
	}
}

// TestBusy reads it while another goroutine lays a line.
func TestBusy(t *testing.T) {
	global.mu.Lock()
	defer global.mu.Unlock()
	between(t, global.look)
}

// TestBubble: there the time is another one, and that is found out, and nobody else suffers.
func TestBubble(t *testing.T) {
	outside := Now()
	synctest.Test(t, func(t *testing.T) {
		if Agrees() {
			t.Error("in a bubble it is said to tell the time of the bubble")
		}
		time.Sleep(time.Hour)
		if past := Now() - outside; past < -slack || past > time.Minute {
			t.Errorf("in a bubble %v have passed", past)
		}
	})
	between(t, Now)
}

// TestAgrees: outside of bubbles the clock is used wherever the counter is steady, and nowhere else.
func TestAgrees(t *testing.T) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		if Agrees() {
			t.Error("there is a counter on a system for which none was written")
		}
		return
	}
	if got := Agrees(); got != steady() {
		t.Errorf("Agrees is %v; want %v", got, steady())
	}
}

func BenchmarkNow(b *testing.B) {
	b.Run("here", func(b *testing.B) {
		for b.Loop() {
			Now()
		}
	})
	b.Run("time.Since", func(b *testing.B) {
		for b.Loop() {
			_ = time.Since(epoch)
		}
	})
}
