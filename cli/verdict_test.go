package cli

import (
	"math"
	"strings"
	"testing"
)

// measured is an engine's report with a given speed-up and interval.
func measured(name string, wall, cpu, speedup, lo, hi float64) engineReport {
	return engineReport{Engine: name, WallS: wall, CPUS: cpu, Tasks: 100, TasksPerS: 100 / wall, Speedup: speedup, SpeedupLo: lo, SpeedupHi: hi}
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name       string
		base, fast engineReport
		jobs, cpus int
		want       string
		says       []string
		never      string
	}{
		{
			name: "computing", base: measured("serial", 10, 9.8, 1, 1, 1), fast: measured("threads", 2.6, 10, 3.85, 3.7, 3.9),
			jobs: 4, cpus: 8, want: "threads",
			says: []string{"it is 3.85× [3.70, 3.90] as fast as serial", "the work computes (98% of the serial time was spent on a processor)", "and 4 processors shared it."},
		},
		{
			name: "computing on more jobs than processors", base: measured("serial", 10, 9.8, 1, 1, 1), fast: measured("threads", 5.1, 10, 1.96, 1.9, 2),
			jobs: 16, cpus: 2, want: "threads", says: []string{"and 2 processors shared it."},
		},
		{
			name: "waiting", base: measured("serial", 10, 0.1, 1, 1, 1), fast: measured("threads", 0.5, 0.1, 20, 19, 21),
			jobs: 20, cpus: 2, want: "threads",
			says:  []string{"the work waits (only 1% of the serial time was spent on a processor), and 20 waited together."},
			never: "higher -j",
		},
		{
			name: "waiting with few jobs", base: measured("serial", 10, 0.1, 1, 1, 1), fast: measured("threads", 5, 0.1, 2, 1.9, 2.1),
			jobs: 2, cpus: 2, want: "threads", says: []string{"and 2 waited together; a higher -j would help more."},
		},
		{
			name: "both", base: measured("serial", 10, 5, 1, 1, 1), fast: measured("threads", 4, 5, 2.5, 2.4, 2.6),
			jobs: 4, cpus: 4, want: "threads", says: []string{"the work computes and waits (50% of the serial time"},
		},
		{
			name: "no difference", base: measured("serial", 10, 9.9, 1, 1, 1), fast: measured("threads", 9.9, 9.9, 1.01, 1, 1.02),
			jobs: 2, cpus: 2, want: "serial", says: []string{"there is no difference that matters (threads is 1.01× as fast), and it is the simplest; the work computes"},
		},
		{
			name: "uncertain", base: measured("serial", 10, 9.9, 1, 1, 1), fast: measured("threads", 4, 9.9, 2.5, 0.9, 4.4),
			jobs: 2, cpus: 2, want: "serial", says: []string{"it is not certain that threads is faster (2.50× [0.90, 4.40]): give it more inputs, or --rounds"},
			never: "no difference that matters",
		},
		{
			name: "barely", base: measured("serial", 10, 9.9, 1, 1, 1), fast: measured("threads", 9.4, 9.9, 1.07, 1.04, 1.1),
			jobs: 2, cpus: 2, want: "serial", says: []string{"not certain"},
		},
		{
			name: "slower, short tasks", base: measured("serial", 0.0001, 0.0001, 1, 1, 1), fast: measured("threads", 0.0002, 0.0003, 0.5, 0.4, 0.6),
			jobs: 2, cpus: 2, want: "serial", says: []string{"it is the fastest (threads is 0.50× as fast): a task is so short that handing it over costs more"},
		},
		{
			name: "slower, long tasks", base: measured("serial", 10, 9.9, 1, 1, 1), fast: measured("threads", 12, 12, 0.83, 0.8, 0.85),
			jobs: 2, cpus: 2, want: "serial", says: []string{"it is the fastest (threads is 0.83× as fast); the work"}, never: "so short",
		},
		{
			name: "one round", base: measured("serial", 10, 9.9, 1, 0, 0), fast: measured("threads", 8, 9.9, 1.25, 0, 0),
			jobs: 2, cpus: 2, want: "serial", says: []string{"too little was measured to tell: threads took 0.80× of its time; give it more inputs, or --rounds"},
		},
		{
			name: "one round, beyond doubt", base: measured("serial", 10, 9.9, 1, 0, 0), fast: measured("threads", 5, 9.9, 2, 0, 0),
			jobs: 2, cpus: 2, want: "threads", says: []string{"it is 2.00× as fast as serial"}, never: "[",
		},
		{
			name: "nothing", base: engineReport{Engine: "serial"}, fast: engineReport{Engine: "threads"},
			jobs: 2, cpus: 2, want: "", says: []string{"nothing was measured."},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := judge([]engineReport{c.base, c.fast}, c.jobs, c.cpus)
			if got.Engine != c.want {
				t.Errorf("use %q, want %q", got.Engine, c.want)
			}
			for _, s := range c.says {
				if !strings.Contains(got.Why, s) {
					t.Errorf("%q lacks %q", got.Why, s)
				}
			}
			if c.never != "" && strings.Contains(got.Why, c.never) {
				t.Errorf("%q says %q", got.Why, c.never)
			}
		})
	}
}

// Of several engines the simplest wins that is not clearly beaten.
func TestJudgeThree(t *testing.T) {
	base := measured("serial", 10, 9.9, 1, 1, 1)
	second := measured("threads", 5, 9.9, 2, 1.9, 2.1)
	for _, c := range []struct {
		third engineReport
		want  string
	}{
		{measured("processes", 4.9, 9.9, 2.05, 1.95, 2.15), "threads"},
		{measured("processes", 3, 9.9, 3.3, 3.2, 3.4), "processes"},
		{measured("processes", 20, 9.9, 0.5, 0.4, 0.6), "threads"},
	} {
		if got := judge([]engineReport{base, second, c.third}, 2, 2); got.Engine != c.want {
			t.Errorf("processes at %.2f×: use %s, want %s", c.third.Speedup, got.Engine, c.want)
		}
	}
}

// Why processes are not the engine to use is explained as well, and when they would be.
func TestJudgeProcesses(t *testing.T) {
	computing, waiting := measured("serial", 10, 9.9, 1, 1, 1), measured("serial", 10, 0.1, 1, 1, 1)
	const pays = ": it pays where tasks crash, leak or hang."
	for _, c := range []struct {
		name                     string
		base, threads, processes engineReport
		want, says, never        string
	}{
		{
			// Of 100 tasks two at a time each takes 100 ms on threads, and 120 ms there.
			name: "computing", base: computing, threads: measured("threads", 5, 10, 2, 1.9, 2.1), processes: measured("processes", 6, 10, 1.67, 1.6, 1.7),
			want: "threads", says: "and 2 processors shared it; processes is slower (1.67×), as a task costs about 20.0ms more there" + pays,
		},
		{
			name: "computing, as well", base: computing, threads: measured("threads", 5, 10, 2, 1.9, 2.1), processes: measured("processes", 5.1, 10, 1.96, 1.9, 2),
			want: "threads", says: "; processes does as well (1.96×), and outlives tasks that crash.", never: "slower",
		},
		{
			name: "a heap of their own", base: computing, threads: measured("threads", 8, 10, 1.25, 1.2, 1.3), processes: measured("processes", 5, 10, 2, 1.9, 2.1),
			want: "processes", says: "and 2 processors shared it, each with a heap of its own.", never: "slower",
		},
		{
			// Ten wait together, whatever the number of processors.
			name: "waiting", base: waiting, threads: measured("threads", 1, 0.1, 10, 9.9, 10.1), processes: measured("processes", 1.1, 0.1, 9, 8.9, 9.1),
			want: "threads", says: "; processes is slower (9.00×), as a task costs about 10.0ms more there" + pays,
		},
		{
			name: "serial is best", base: measured("serial", 0.0001, 0.0001, 1, 1, 1), threads: measured("threads", 0.0002, 0.0003, 0.5, 0.4, 0.6), processes: measured("processes", 0.001, 0.001, 0.1, 0.09, 0.11),
			want: "serial", says: "; processes is slower (0.10×), as a task costs about 19µs more there" + pays,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := judge([]engineReport{c.base, c.threads, c.processes}, 10, 2)
			if got.Engine != c.want || !strings.Contains(got.Why, c.says) || c.never != "" && strings.Contains(got.Why, c.never) {
				t.Errorf("use %s: %s\nwant %s: …%s, and not %q", got.Engine, got.Why, c.want, c.says, c.never)
			}
		})
	}
	// The yardstick needs no excuse.
	if got := judge([]engineReport{measured("processes", 10, 9.9, 1, 1, 1), measured("threads", 5, 9.9, 2, 1.9, 2.1)}, 2, 2); strings.Contains(got.Why, "pays") {
		t.Errorf("beside threads: %s", got.Why)
	}
}

// What the event loop did is explained beside the one to use.
func TestJudgeLoop(t *testing.T) {
	computing, waiting := measured("serial", 10, 9.9, 1, 1, 1), measured("serial", 10, 0.1, 1, 1, 1)
	short := measured("serial", 0.0001, 0.0001, 1, 1, 1)
	for _, c := range []struct {
		name                string
		base, threads, loop engineReport
		want                string
		says                string
		never               string
	}{
		{
			name: "computing", base: computing, threads: measured("threads", 5, 10, 2, 1.9, 2.1), loop: measured("async", 10.1, 10, 0.99, 0.97, 1.01),
			want: "threads", says: "and 2 processors shared it; async gains nothing (0.99×), as its loop is one thread.",
		},
		{
			name: "waiting", base: waiting, threads: measured("threads", 1, 0.1, 10, 9.9, 10.1), loop: measured("async", 1, 0.1, 10.1, 9.9, 10.2),
			want: "threads", says: "and 10 waited together; async does as well (10.10×).",
		},
		{
			name: "blocking", base: waiting, threads: measured("threads", 1, 0.1, 10, 9.9, 10.1), loop: measured("async", 10, 0.1, 1, 0.99, 1.01),
			want: "threads", says: "and 10 waited together; async gains nothing (1.00×), as the task holds the loop while it waits: only calls that park",
		},
		{
			name: "waiting, and the loop is better", base: waiting, threads: measured("threads", 2, 0.1, 5, 4.9, 5.1), loop: measured("async", 1, 0.1, 10, 9.9, 10.1),
			want: "async", says: "it is 10.00× [9.90, 10.10] as fast as serial: the work waits", never: "gains nothing",
		},
		{
			name: "half as good", base: waiting, threads: measured("threads", 1, 0.1, 10, 9.9, 10.1), loop: measured("async", 2, 0.1, 5, 4.9, 5.1),
			want: "threads", says: "10 waited together.", never: "async",
		},
		{
			name: "short tasks", base: short, threads: measured("threads", 0.0001, 0.0001, 1, 0.9, 1.1), loop: measured("async", 0.00005, 0.00005, 2, 1.9, 2.1),
			want: "async", says: "so short that the cost of handing it over decides.", never: "processors shared it",
		},
		{
			name: "one processor", base: computing, threads: measured("threads", 10, 10, 1, 0.99, 1.01), loop: measured("async", 10, 10, 1, 0.99, 1.01),
			want: "serial", says: "there is no difference that matters", never: "its loop",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := judge([]engineReport{c.base, c.threads, c.loop}, 10, 2)
			if got.Engine != c.want {
				t.Errorf("use %q, want %q", got.Engine, c.want)
			}
			if !strings.Contains(got.Why, c.says) {
				t.Errorf("%q lacks %q", got.Why, c.says)
			}
			if c.never != "" && strings.Contains(got.Why, c.never) {
				t.Errorf("%q says %q", got.Why, c.never)
			}
		})
	}
	// As the yardstick it is not explained.
	if got := judge([]engineReport{measured("async", 10, 9.9, 1, 1, 1), measured("threads", 5, 9.9, 2, 1.9, 2.1)}, 2, 2); strings.Contains(got.Why, "gains nothing") {
		t.Errorf("%q", got.Why)
	}
}

func TestSpeedupInterval(t *testing.T) {
	same := [][]float64{{1, 1, 1, 1}, {2, 2, 2}}
	half := [][]float64{{0.5, 0.5, 0.5, 0.5}, {1, 1, 1}}
	if lo, hi := speedupInterval(same, half); lo != 2 || hi != 2 {
		t.Errorf("always twice as fast: [%v, %v]", lo, hi)
	}
	if lo, hi := speedupInterval(same, same); lo != 1 || hi != 1 {
		t.Errorf("against itself: [%v, %v]", lo, hi)
	}

	// Pairs are drawn: what slows down both does not widen the interval.
	drift := [][]float64{{1, 2, 3, 4, 5, 6}}
	drifted := [][]float64{{0.5, 1, 1.5, 2, 2.5, 3}}
	if lo, hi := speedupInterval(drift, drifted); math.Abs(lo-2) > 1e-9 || math.Abs(hi-2) > 1e-9 {
		t.Errorf("paired drift: [%v, %v], want 2", lo, hi)
	}

	// What differs from round to round does. The interval holds the mean of the
	// rounds, and lies within their extremes.
	noisy := [][]float64{{1.0, 0.5, 2.0, 0.8, 1.2, 0.6, 1.5, 0.9}}
	ones := [][]float64{{1, 1, 1, 1, 1, 1, 1, 1}}
	lo, hi := speedupInterval(ones, noisy)
	if mean := 8 / 8.5; !(lo < mean && mean < hi) || lo < 0.5 || hi > 2 || hi-lo < 0.1 {
		t.Errorf("noisy rounds: [%v, %v], want an interval around %.3f", lo, hi, mean)
	}
	if lo2, hi2 := speedupInterval(ones, noisy); lo2 != lo || hi2 != hi {
		t.Error("the same rounds gave another interval")
	}
	// Twice the rounds narrow it.
	lo2, hi2 := speedupInterval([][]float64{append(ones[0], ones[0]...)}, [][]float64{append(noisy[0], noisy[0]...)})
	if hi2-lo2 >= hi-lo {
		t.Errorf("twice the rounds: [%v, %v], no narrower than [%v, %v]", lo2, hi2, lo, hi)
	}
}

func TestSpeedupIntervalDegenerate(t *testing.T) {
	for _, c := range []struct {
		name        string
		base, other [][]float64
	}{
		{"nothing", nil, nil},
		{"empty blocks", [][]float64{{}, {}, {}, {}}, [][]float64{{}, {}, {}, {}}},
		{"three pairs", [][]float64{{1, 1, 1}}, [][]float64{{1, 1, 1}}},
		{"unequal rounds", [][]float64{{1, 1, 1, 1, 1}}, [][]float64{{1}}},
		{"no time", [][]float64{{0, 0, 0, 0}}, [][]float64{{0, 0, 0, 0}}},
	} {
		if lo, hi := speedupInterval(c.base, c.other); lo != 0 || hi != 0 {
			t.Errorf("%s: [%v, %v], want none", c.name, lo, hi)
		}
	}
	// A block that one engine did not finish counts for what there is.
	if lo, hi := speedupInterval([][]float64{{1, 1, 1, 1}, {1, 1}}, [][]float64{{0.5, 0.5, 0.5, 0.5}, {}}); lo != 2 || hi != 2 {
		t.Errorf("unfinished block: [%v, %v], want 2", lo, hi)
	}
}
