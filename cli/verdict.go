package cli

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// A verdict says which engine to use, and why.
type verdict struct {
	Engine string `json:"engine"`
	Why    string `json:"why"`
}

// tieBand is the difference that does not matter: an engine must be faster by
// more than this, for certain, to be preferred to a simpler one.
const tieBand = 0.05

// shortTask is how long a task takes at most if the cost of handing it over can
// matter.
const shortTask = 50 * time.Microsecond

// judge chooses among engines that did the same work, the first of which is the
// yardstick. They are in the order of their simplicity.
func judge(engines []engineReport, jobs, cpus int) verdict {
	base := engines[0]
	if base.WallS <= 0 {
		return verdict{Why: "nothing was measured."}
	}
	best := 0
	for i, e := range engines {
		if e.Speedup > engines[best].Speedup {
			best = i
		}
	}
	// A simpler engine wins unless the faster one is so beyond doubt.
	for i := range best {
		if !clearlyFaster(engines[best], engines[i]) {
			best = i
			break
		}
	}
	e := engines[best]
	busy := base.CPUS / max(base.WallS, 1e-9) // of one processor, when done serially
	var kind string
	switch {
	case busy >= 0.7:
		kind = fmt.Sprintf("the work computes (%.0f%% of the %s time was spent on a processor)", 100*min(busy, 1), base.Engine)
	case busy <= 0.3:
		kind = fmt.Sprintf("the work waits (only %.0f%% of the %s time was spent on a processor)", 100*busy, base.Engine)
	default:
		kind = fmt.Sprintf("the work computes and waits (%.0f%% of the %s time was spent on a processor)", 100*busy, base.Engine)
	}
	if best == 0 {
		var why string
		switch fastest := slices.MaxFunc(engines[1:], func(a, b engineReport) int { return compareFloat(a.Speedup, b.Speedup) }); {
		case fastest.SpeedupLo == 0 && fastest.Speedup > 1:
			why = fmt.Sprintf("too little was measured to tell: %s took %.2f× of its time; give it more inputs, or --rounds", fastest.Engine, 1/fastest.Speedup)
		case fastest.SpeedupHi > 1+tieBand:
			why = fmt.Sprintf("it is the simplest, and it is not certain that %s is faster (%.2f× [%.2f, %.2f]): give it more inputs, or --rounds", fastest.Engine, fastest.Speedup, fastest.SpeedupLo, fastest.SpeedupHi)
		case fastest.Speedup >= 1-tieBand:
			why = fmt.Sprintf("there is no difference that matters (%s is %.2f× as fast), and it is the simplest", fastest.Engine, fastest.Speedup)
		default:
			why = fmt.Sprintf("it is the fastest (%s is %.2f× as fast)", fastest.Engine, fastest.Speedup)
			if base.TasksPerS > 1/shortTask.Seconds() {
				why += ": a task is so short that handing it over costs more than it gains"
			}
		}
		return verdict{Engine: e.Engine, Why: why + "; " + kind + processRemark(engines, best, jobs, cpus) + "."}
	}
	interval := ""
	if e.SpeedupLo > 0 {
		interval = fmt.Sprintf(" [%.2f, %.2f]", e.SpeedupLo, e.SpeedupHi)
	}
	why := fmt.Sprintf("it is %.2f×%s as fast as %s: %s", e.Speedup, interval, base.Engine, kind)
	switch {
	case busy >= 0.7 && e.Engine != asyncName:
		why += fmt.Sprintf(", and %s shared it", plural(min(jobs, cpus), "processor"))
	case busy >= 0.7 && base.TasksPerS > 1/shortTask.Seconds():
		why += ", and a task is so short that the cost of handing it over decides"
	case busy <= 0.3:
		why += fmt.Sprintf(", and %d waited together", jobs)
		if jobs <= cpus {
			why += "; a higher -j would help more"
		}
	}
	if e.Engine == processesName && busy >= 0.7 {
		why += ", each with a heap of its own"
	}
	return verdict{Engine: e.Engine, Why: why + loopRemark(engines, best, busy) + processRemark(engines, best, jobs, cpus) + "."}
}

// processRemark says why worker processes are not the engine to use, and when they
// would be.
func processRemark(engines []engineReport, best, jobs, cpus int) string {
	i := slices.IndexFunc(engines, func(e engineReport) bool { return e.Engine == processesName })
	if i <= 0 || i == best {
		return ""
	}
	p, b := engines[i], engines[best]
	if p.Speedup >= b.Speedup*(1-tieBand) {
		return fmt.Sprintf("; %s does as well (%.2f×), and outlives tasks that crash", p.Engine, p.Speedup)
	}
	why := ""
	if more := p.perTask(engines[0], jobs, cpus) - b.perTask(engines[0], jobs, cpus); more > 0 {
		why = fmt.Sprintf(", as a task costs about %s more there", brief(seconds(more)))
	}
	return fmt.Sprintf("; %s is slower (%.2f×)%s: it pays where tasks crash, leak or hang", p.Engine, p.Speedup, why)
}

// perTask returns how many seconds a task takes of the time of the strand that runs it.
// Base is the yardstick, which runs one at a time.
func (e engineReport) perTask(base engineReport, jobs, cpus int) float64 {
	strands := min(jobs, e.Tasks)
	if computes := base.CPUS >= 0.7*base.WallS; computes {
		strands = min(strands, cpus)
		if e.Engine == asyncName {
			strands = 1
		}
	}
	if e.Engine == base.Engine {
		strands = 1
	}
	return e.WallS * float64(strands) / float64(max(e.Tasks, 1))
}

// loopRemark says what the event loop made of the work, if the best engine is
// another one that gains by doing several things at once.
func loopRemark(engines []engineReport, best int, busy float64) string {
	i := slices.IndexFunc(engines, func(e engineReport) bool { return e.Engine == asyncName })
	if i <= 0 || i == best {
		return ""
	}
	loop := engines[i]
	switch idle := loop.Speedup <= 1+2*tieBand; {
	case idle && busy >= 0.7:
		return fmt.Sprintf("; %s gains nothing (%.2f×), as its loop is one thread", loop.Engine, loop.Speedup)
	case idle && busy <= 0.3:
		return fmt.Sprintf("; %s gains nothing (%.2f×), as the task holds the loop while it waits: only calls that park let others run, such as strand.Sleep", loop.Engine, loop.Speedup)
	case loop.Speedup >= engines[best].Speedup*(1-tieBand):
		return fmt.Sprintf("; %s does as well (%.2f×)", loop.Engine, loop.Speedup)
	}
	return ""
}

func compareFloat(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// clearlyFaster reports whether fast beats slow by more than the tie band, with
// the whole of its interval. Without an interval nothing is clear unless the
// factor is large.
func clearlyFaster(fast, slow engineReport) bool {
	if fast.SpeedupLo == 0 {
		return fast.Speedup > 1.5*slow.Speedup
	}
	return fast.SpeedupLo > slow.Speedup*(1+tieBand)
}

// speedupInterval returns a 95 % interval of the factor by which the rounds of
// other are faster than those of base, by the bootstrap (Efron, 1979): the
// rounds of each block are drawn again, with replacement, a thousand times, and
// the blocks as well. Rounds come in pairs, one of each engine, so pairs are
// drawn. The generator is seeded, so that the same rounds give the same interval.
// With fewer than four pairs there is no interval.
func speedupInterval(base, other [][]float64) (lo, hi float64) {
	pairs := 0
	for i := range base {
		pairs += min(len(base[i]), len(other[i]))
	}
	if pairs < 4 {
		return 0, 0
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	const draws = 1000
	ratios := make([]float64, 0, draws)
	for range draws {
		var sumBase, sumOther float64
		for range base {
			b := rnd.IntN(len(base))
			n := min(len(base[b]), len(other[b]))
			var blockBase, blockOther float64
			for range n {
				k := rnd.IntN(n)
				blockBase += base[b][k]
				blockOther += other[b][k]
			}
			if n > 0 {
				sumBase += blockBase / float64(n)
				sumOther += blockOther / float64(n)
			}
		}
		if sumOther > 0 {
			ratios = append(ratios, sumBase/sumOther)
		}
	}
	if len(ratios) == 0 {
		return 0, 0
	}
	slices.Sort(ratios)
	return ratios[len(ratios)*25/1000], ratios[len(ratios)*975/1000]
}
