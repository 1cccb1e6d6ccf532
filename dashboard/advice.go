package dashboard

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-braid/braid/record"
)

// advise says what could be done better: what the log says, and what its figures
// show. It takes time in proportion to the number of lanes.
func (m *Model) advise() []record.Advice {
	all := slices.Clone(m.advised)
	say := func(code, try, format string, args ...any) {
		if slices.ContainsFunc(all, func(a record.Advice) bool { return a.Code == code }) {
			return // whoever wrote the log knew more
		}
		all = append(all, record.Advice{Code: code, Text: fmt.Sprintf(format, args...), Try: try})
	}
	alone := len(m.engines) == 1
	for _, k := range slices.Backward(m.marks) {
		if k.kind == "engine" && !alone {
			say("engine", "", "%s", k.text) // what a comparison has found
			break
		}
	}
	m.adviseFailures(say)
	m.adviseEngines(say)
	if alone { // of several that work in turns, each is idle for most of the time
		m.adviseLanes(say)
		m.adviseStraggler(say)
		m.adviseGaps(say)
	}
	return all
}

type sayAdvice = func(code, try, format string, args ...any)

func (m *Model) adviseFailures(say sayAdvice) {
	s := &m.stats
	if deaths := max(s.deaths, s.crashes); deaths >= 3 {
		f := m.commonest(stateNames[stateCrash])
		why := ""
		if f != nil {
			why = ": " + firstLine(f.text)
		}
		say("crash-loop", "--memory 512M, or --max-tasks 100 if it leaks",
			"workers died %s times%s", thousands(deaths), why)
	}
	if calls := m.counts.ended(); calls >= 10 && s.retries*2 > calls {
		say("retry-storm", "--retries 0 to see what fails, or a longer --backoff 1s..60s",
			"%s retries for %s inputs: most of the work is done again", thousands(s.retries), thousands(calls))
	}
	if s.guards > 0 {
		last := ""
		for _, k := range slices.Backward(m.marks) {
			if k.kind == "guard" {
				last = ": " + firstLine(k.text)
				break
			}
		}
		say("guard", "fewer at once: -j N", "a guard held the run back %s%s", times(s.guards), last)
	}
	if m.dropped > 0 {
		say("dropped", "", "the log lacks %s events (%s): counts here are too low", thousands(m.dropped), cmp.Or(m.why, "no reason given"))
	}
	if m.broken > 0 {
		say("broken", "", "%s lines of the log are broken: counts here may be too low", thousands(m.broken))
	}
	if n := m.inputText.omitted + m.faultText.omitted + m.lost + m.lostMarks; n > 0 {
		say("omitted", "", "%s texts, marks or outputs found no room in memory and are only in the log", thousands(n))
	}
}

// commonest returns the group of errors of a kind that has the most.
func (m *Model) commonest(kind string) (most *fault) {
	for i := range m.faults {
		if f := &m.faults[i]; f.kind == kind && (most == nil || f.count > most.count) {
			most = f
		}
	}
	return most
}

func (m *Model) adviseEngines(say sayAdvice) {
	for i := range m.engines {
		e, s := &m.engines[i], &m.stats.engines[i]
		if s.spans < 10 {
			continue
		}
		share := s.cpu / s.cpuWall // of CPU in wall time, where it is known
		switch e.Kind {
		case "async":
			if s.held > 0 {
				say("loop-held", "--engine threads", "%s of %s kept the loop to itself for %s: nothing else ran meanwhile (%s attempts for longer than 50 ms)",
					"a task", m.tasks[s.heldBy], duration(s.heldMost), thousands(s.held))
			}
			if s.cpuWall > s.wall/2 && share > 0.7 {
				say("engine", "--engine threads", "on %s attempts compute for %s of their time, and one loop is one processor", e.Name, percent(share))
			}
		case "serial":
			if m.run.CPUs > 1 && s.cpuWall > s.wall/2 && share > 0.7 {
				say("engine", "--engine threads", "attempts compute for %s of their time, one after the other, and there are %d processors", percent(share), m.run.CPUs)
			}
		case "threads", "processes", "exec":
			if s.cpuWall < s.wall/2 || m.run.CPUs == 0 || e.Limit == 0 {
				continue
			}
			if share < 0.1 && s.wall/float64(s.spans) > 1000 && e.Limit <= 4*m.run.CPUs && m.queuedMostly() {
				say("engine", "-j "+strconv.Itoa(min(e.Limit*8, 256)), "on %s attempts compute for %s of their time and wait for the rest: more at once cost little", e.Name, percent(share))
			}
			if e.Limit > 2*m.run.CPUs && share < 0.6 && s.cpu/max(m.now, 1) > 0.9*float64(m.run.CPUs) {
				say("oversubscribed", "-j "+strconv.Itoa(m.run.CPUs), "%d at once share %d processors, which are busy: more of them only wait", e.Limit, m.run.CPUs)
			}
		}
	}
}

// queuedMostly reports whether inputs waited for a lane for most of the run.
func (m *Model) queuedMostly() bool {
	return m.stats.samples == 0 || 2*m.stats.idleQueue < m.stats.samples
}

// utilisation returns which share of the time from the first span to the last the lanes
// of an engine were busy, and how many there are.
func (m *Model) utilisation(engine int) (share float64, lanes int) {
	first, last := math.Inf(1), 0.0
	busy := 0.0
	for i := range m.lanes {
		if l := &m.lanes[i]; l.engine == engine && l.spans > 0 {
			lanes++
			busy += l.busy
			first, last = min(first, l.first), max(last, l.last)
		}
	}
	if lanes == 0 || last <= first {
		return 0, lanes
	}
	return min(busy/(last-first)/float64(lanes), 1), lanes
}

func (m *Model) adviseLanes(say sayAdvice) {
	for i := range m.engines {
		e := &m.engines[i]
		if e.Kind == "async" || e.Kind == "goroutines" || m.stats.engines[i].spans < 20 {
			continue // a coroutine that is not there costs nothing
		}
		share, lanes := m.utilisation(i)
		if lanes < 2 || share > 0.7 || share == 0 {
			continue
		}
		if !m.queuedMostly() {
			say("idle", "-j "+strconv.Itoa(max(1, int(math.Ceil(share*float64(lanes))))),
				"the %d lanes of %s were idle %s of the time, and mostly no input waited: the inputs come too slowly to fill them", lanes, e.Name, percent(1-share))
		} else if m.stats.wall.quantile(0.5) >= 1000 {
			say("idle", "", "the %d lanes of %s were idle %s of the time: attempts are of very different length, or something holds them back", lanes, e.Name, percent(1-share))
		}
	}
}

func (m *Model) adviseStraggler(say sayAdvice) {
	if m.end == nil || len(m.stats.longest.rows) == 0 || m.stats.wall.n < 10 {
		return
	}
	r := &m.stats.longest.rows[0]
	d, median := r.end-r.start, m.stats.wall.quantile(0.5)
	last, before := 0.0, 0.0 // ends of the two lanes that ended last
	for i := range m.lanes {
		if t := m.lanes[i].last; t > last {
			last, before = t, last
		} else if t > before {
			before = t
		}
	}
	if tail := last - before; d > 10*median && r.end == last && tail > 0.1*last {
		say("straggler", "put long inputs first", "input %d took %s, %.0f times the median of %s, and for the last %s nothing else ran",
			r.input+1, duration(d), d/max(median, 1), duration(median), duration(tail))
	}
}

// adviseGaps finds tasks that are shorter than what it takes to hand them out.
func (m *Model) adviseGaps(say sayAdvice) {
	median := m.stats.wall.quantile(0.5)
	if m.stats.wall.n < 1000 || median > 200 || !m.queuedMostly() {
		return
	}
	for i := range m.engines {
		e := &m.engines[i]
		if e.Kind != "processes" && e.Kind != "exec" {
			continue
		}
		if share, lanes := m.utilisation(i); lanes > 0 && share < 0.5 {
			say("batch", "--engine threads, or more work in each input",
				"attempts take %s at the median, and %s lanes are busy only %s of the time: handing out takes longer than the work", duration(median), e.Name, percent(share))
		}
	}
}

// duration writes a time in microseconds for people.
func duration(us float64) string {
	d := time.Duration(us) * time.Microsecond
	switch {
	case d < time.Millisecond:
		return d.String()
	case d < 10*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	default:
		return d.Round(time.Second).String()
	}
}

func percent(share float64) string { return strconv.Itoa(int(math.Round(100*share))) + " %" }

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return thousands(n) + " times"
}

// thousands writes a number with separators.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// firstLine returns the first line of a text, and not too much of it.
func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	if r := []rune(s); len(r) > 120 {
		s = string(r[:119]) + "…"
	}
	return s
}
