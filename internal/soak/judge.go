package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// A judge holds what the driver tells, and what the workers have written to the start
// journal, against what must be:
//
//   - every call that was submitted has exactly one outcome, and it is told of it once;
//   - the outcome is one that the call's plan allows, or the call was hit by a fault
//     that was aimed at its worker; results are right to the last byte;
//   - a call that fails with ErrNotStarted has not been started;
//   - a call that is not idempotent is started once, its retries apart, which begin
//     after the attempt before has ended by itself; an idempotent one is started again
//     only after the death of its worker, and does not fail of that, unless it is
//     poison;
//   - a worker dies only of a fault, and each pool's own account says the same;
//   - the pools' books balance.
type judge struct {
	seed       uint64
	calls      map[uint64]*record
	pools      map[int]*poolRecord
	hits       map[int][]event // faults from outside, by process
	deaths     []event         // that pools with a listener have told of
	struck     blame           // of the last round
	violations []violation
	totals     totals
}

// cancelPatience is how long after its cancel a call may take to be over: far more than
// its grace, since the machine may be busy.
const cancelPatience = 20 * time.Second

// A record is what is known of a call.
type record struct {
	plan
	pool       int
	idempotent bool
	mapped     bool
	at         time.Time // of its submission
	cancelled  time.Time // when its driver cancelled it
	over       time.Time // when it was told of its end
	done       int
	results    []event
	starts     []start
	decodes    []int // processes that have begun to read its argument
	closing    bool  // its pool was being closed when the outcome came
}

// A start is a line of the journal: an attempt that has begun.
type start struct {
	pid   int
	ended bool // by itself
}

// A poolRecord is what is known of a pool.
type poolRecord struct {
	text    string
	closing bool
	left    int // Maps on it that were left
	closed  *counts
}

// A violation is something that must not be.
type violation struct {
	what  string
	id    uint64   // the call; 0: none
	lines []string // what was told and written of it
}

// totals are what the report is made of.
type totals struct {
	calls, rounds, deaths int
	strays                uint64
	latest                time.Duration // that a call took to end after its cancel
	last                  []string      // what was told and written of it
	outcomes              map[outcome]int
	faults                map[kind]map[outcome]int // what became of the calls that were hit
	cells                 map[kind]map[string]int  // by phase
}

const (
	spared outcome = "nobody hit" // no call was hit by a fault from outside
	rerun  outcome = "run again"  // an idempotent call was, and was run again
)

func newJudge(seed uint64) *judge {
	j := &judge{seed: seed, totals: totals{
		outcomes: make(map[outcome]int), faults: make(map[kind]map[outcome]int), cells: make(map[kind]map[string]int),
	}}
	j.forget()
	return j
}

// forget forgets what belongs to one round.
func (j *judge) forget() {
	j.calls, j.pools = make(map[uint64]*record), make(map[int]*poolRecord)
	j.hits, j.deaths = make(map[int][]event), nil
}

func (j *judge) violate(id uint64, lines []string, format string, args ...any) {
	j.violations = append(j.violations, violation{what: fmt.Sprintf(format, args...), id: id, lines: lines})
}

// see takes note of an event.
func (j *judge) see(e event, at time.Time) {
	switch e.What {
	case evPool:
		j.pools[e.Pool] = &poolRecord{text: e.Text}
	case evSubmit:
		if j.calls[e.ID] != nil {
			j.violate(e.ID, nil, "the driver has given a number twice")
			return
		}
		p := planOf(j.seed, e.ID)
		j.calls[e.ID] = &record{plan: p, pool: e.Pool, idempotent: e.Idempotent, mapped: e.Mapped, at: at}
		if p.kind >= firstFault {
			j.cell(p.kind, traits[p.kind].phase, 1)
		}
	case evDone, evResult:
		c := j.calls[e.ID]
		if c == nil {
			j.violate(e.ID, []string{text(e)}, "an outcome of a call that nobody has submitted")
			return
		}
		if e.What == evDone {
			c.done++
			c.over = at
			return
		}
		c.results = append(c.results, e)
		if p := j.pools[c.pool]; p != nil {
			c.closing = p.closing
		}
	case evCancel:
		if c := j.calls[e.ID]; c != nil && c.done == 0 {
			c.cancelled = at
		}
	case evFault:
		j.hits[e.PID] = append(j.hits[e.PID], e)
		j.cell(e.Kind, e.Phase, 1)
	case evMissed:
		// It is still an explanation: the driver cannot tell whether the signal came
		// before the end. But it does not count.
		j.cell(e.Kind, e.Phase, -1)
	case evDeath:
		j.deaths = append(j.deaths, e)
	case evLeft:
		if p := j.pools[e.Pool]; p != nil {
			p.left++
		}
	case evClosing:
		if p := j.pools[e.Pool]; p != nil {
			p.closing = true
		}
	case evClosed:
		if p := j.pools[e.Pool]; p != nil {
			p.closed = e.Counts
		}
	case evRace:
		j.violate(0, []string{text(e)}, "a data race in a worker")
	}
}

func (j *judge) cell(k kind, phase string, n int) {
	m := j.totals.cells[k]
	if m == nil {
		m = make(map[string]int)
		j.totals.cells[k] = m
	}
	m[phase] += n
}

// oldest returns the call that has been waiting for its outcome for longest.
func (j *judge) oldest() (c *record) {
	for _, r := range j.calls {
		if len(r.results) == 0 && (c == nil || r.at.Before(c.at)) {
			c = r
		}
	}
	return c
}

// A blame is who may have died of what in a round.
type blame struct {
	lethal map[int]bool // processes that a fault may have ended
	later  map[int]bool // and of these, those in which it may have hit any call

	// How many workers each pool may have ended for calls that were on their way to
	// them, and so are in no journal.
	unseen map[int]int
}

// endRound judges the calls of a round by its journal, and forgets them.
func (j *judge) endRound(journal io.Reader) {
	b := j.read(journal)
	j.struck = b
	ids := make([]uint64, 0, len(j.calls))
	for id := range j.calls {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	victims := make(map[int]outcome) // by process
	for _, id := range ids {
		c := j.calls[id]
		j.judge(c, b)
		j.count(c, b, victims)
	}
	for _, c := range j.calls {
		// Its worker may have been ended when a child was just being born.
		if c.kind == familyHangs && len(c.results) > 0 && c.results[0].Outcome == closed {
			for _, s := range c.starts {
				b.later[s.pid] = true
			}
		}
	}
	for pid, faults := range j.hits {
		j.tally(decisive(faults).Kind, cmp.Or(victims[pid], spared))
	}
	deaths, workers := uint64(0), 0
	for _, n := range b.unseen {
		workers += n
	}
	for _, e := range j.deaths {
		j.refine(e)
		if b.lethal[e.PID] {
			continue
		}
		if killed := e.Signal == "SIGTERM" || e.Signal == "SIGKILL"; killed && b.unseen[e.Pool] > 0 {
			b.unseen[e.Pool]--
		} else {
			j.violate(0, []string{text(e)}, "a worker has died, and nobody knows of what")
		}
	}
	for n, p := range j.pools {
		c := p.closed
		if c == nil {
			j.violate(0, nil, "pool %d (%s) was not closed", n, p.text)
			continue
		}
		deaths += c.Deaths
		workers += c.Workers
		j.totals.strays += c.Strays
		if c.Submitted != c.Refused+c.Completed || c.Left != 0 {
			j.violate(0, nil, "the books of pool %d (%s) do not balance: %+v", n, p.text, *c)
		}
	}
	// Workers that are not ready when their pool is closed are killed, and counted.
	if known := len(b.lethal) + workers; deaths > uint64(known) {
		j.violate(0, nil, "%d workers have died, and faults explain %d at most", deaths, known)
	}
	j.totals.deaths += int(deaths)
	j.totals.rounds++
	j.forget()
}

// isHarmless reports whether nobody dies of a fault.
func isHarmless(k kind) bool { return k == sigNoise || k == ownNoise }

// decisive is the last of the faults that hit a process of which it may have died, or
// the last of all.
func decisive(faults []event) *event {
	for i := range slices.Backward(faults) {
		if !isHarmless(faults[i].Kind) {
			return &faults[i]
		}
	}
	return &faults[len(faults)-1]
}

// read reads the journal, and finds who may have died of what.
func (j *judge) read(journal io.Reader) blame {
	b := blame{lethal: make(map[int]bool), later: make(map[int]bool), unseen: make(map[int]int)}
	for pid, faults := range j.hits {
		for _, f := range faults {
			if !isHarmless(f.Kind) {
				b.lethal[pid], b.later[pid] = true, true
			}
		}
	}
	lines := bufio.NewScanner(journal)
	for lines.Scan() {
		var what string
		var id uint64
		var pid int
		line := lines.Text()
		if strings.HasPrefix(line, "I ") {
			var n int
			if _, err := fmt.Sscanf(line, "I %d %d", &pid, &n); err == nil && n == 1 {
				b.lethal[pid] = true
				j.cell(initExits, "init", 1)
				j.tally(initExits, spared)
			}
			continue
		}
		if _, err := fmt.Sscanf(line, "%1s %d %d", &what, &id, &pid); err != nil {
			j.violate(0, []string{line}, "a line of the journal makes no sense")
			continue
		}
		c := j.calls[id]
		if c == nil {
			j.violate(id, []string{line}, "a call was started that nobody has submitted")
			continue
		}
		switch what {
		case "S":
			c.starts = append(c.starts, start{pid: pid})
		case "D":
			c.decodes = append(c.decodes, pid)
		case "E":
			for i := range c.starts {
				if c.starts[i].pid == pid {
					c.starts[i].ended = true
				}
			}
		}
		switch traits[c.kind].scope {
		case later:
			b.lethal[pid], b.later[pid] = true, true
		case self:
			b.lethal[pid] = true
		}
	}
	for n, p := range j.pools {
		// A Map that is left cancels all its calls, of which each worker had one at most.
		if p.closed != nil {
			b.unseen[n] += p.left * p.closed.Workers
		}
	}
	for _, c := range j.calls {
		// Who does not heed its end in time is killed.
		if !c.mayBeStopped() {
			continue
		}
		for _, e := range c.results {
			switch e.Outcome {
			case timedOut, cancelled, closed, abandoned:
			default:
				continue
			}
			b.lethal[e.PID] = true
			n := len(c.starts)
			if n > 0 {
				b.lethal[c.starts[n-1].pid] = true
			}
			if e.Attempt > max(1, n) {
				b.unseen[c.pool]++
			}
		}
	}
	return b
}

// mayBeStopped reports whether somebody may have wanted the call to end.
func (c *record) mayBeStopped() bool {
	return c.timeout > 0 || c.cancel > 0 || c.closing || len(c.results) > 0 && c.results[0].Outcome == abandoned
}

// judge judges a call.
func (j *judge) judge(c *record, b blame) {
	accuse := func(format string, args ...any) { j.violate(c.id, c.lines(j.hits), format, args...) }
	switch {
	case len(c.results) == 0:
		accuse("a call is lost: it has no outcome")
		return
	case len(c.results) > 1:
		accuse("a call has %d outcomes", len(c.results))
		return
	case !c.mapped && c.done != 1:
		accuse("the end of a call was told %d times", c.done)
	}
	e := c.results[0]
	if late := c.over.Sub(c.cancelled); !c.cancelled.IsZero() {
		if late > j.totals.latest {
			j.totals.latest, j.totals.last = late, c.lines(j.hits)
		}
		if late > cancelPatience {
			accuse("a call was over %v after its cancel", late)
		}
	}
	j.judgeStarts(c, b, accuse)
	switch {
	case e.Outcome == abandoned:
		return
	case e.NotStarted && len(c.starts) > 0:
		accuse("a call is said not to have been started, and was")
	case !j.allows(c, e, b):
		accuse("a call has an outcome that it cannot have: %s", e.Outcome)
	case e.Outcome == ok:
		size := c.reply
		if c.mapped {
			size = 0
		}
		if e.Answer != c.answer(j.seed) || e.Len != size || e.Sum != checksum(size, c.replyNumber()) {
			accuse("a result is wrong: %d and %d bytes, not %d and %d bytes", e.Answer, e.Len, c.answer(j.seed), size)
		}
		if len(c.starts) == 0 {
			accuse("a call has succeeded that was never started")
		}
	}
	if e.Outcome == crashed || e.Outcome == poison {
		j.judgeDeath(c, e, accuse)
	}
	if c.kind == flaking && !c.mapped && len(c.starts) > 0 && (e.Outcome == ok || e.Outcome == failed) {
		if last := c.starts[len(c.starts)-1]; c.fails(last.pid) != (e.Outcome == failed) {
			accuse("a call that was retried has not the outcome of its last attempt")
		}
	}
}

// allows reports whether a call may have an outcome.
func (j *judge) allows(c *record, e event, b blame) bool {
	if slices.Contains(traits[c.kind].may, e.Outcome) && e.Outcome != crashed {
		return true
	}
	// Of an idempotent call's crash nobody hears, unless it comes again and again.
	mayCrash := slices.Contains(traits[c.kind].may, crashed) || b.later[e.PID]
	switch e.Outcome {
	case crashed:
		return mayCrash && !c.idempotent
	case poison:
		return mayCrash && (c.idempotent || e.Phase == "decode")
	case timedOut:
		return c.timeout > 0
	case cancelled:
		return c.cancel > 0
	case closed:
		return c.closing
	case refused:
		return strings.Contains(j.pools[c.pool].text, "refuses")
	}
	return false
}

// judgeStarts judges how often a call was started.
func (j *judge) judgeStarts(c *record, b blame, accuse func(string, ...any)) {
	if n := len(c.starts); n > 1 {
		for _, s := range c.starts[:n-1] {
			switch {
			case s.ended:
			case !c.idempotent:
				accuse("a call was started again that is not idempotent, and whose first attempt had not ended")
				return
			case !b.lethal[s.pid]:
				accuse("a call was started again although its worker, %d, had not been hit", s.pid)
				return
			}
		}
		if !c.idempotent && n > 1+c.retries {
			accuse("a call was started %d times", n)
		}
	}
}

// A death is how a worker is to die.
type death struct {
	exit   int
	signal string
	reason string // the beginning
	oom    bool
}

// judgeDeath judges whether the error tells the truth of a worker's death, where there
// is only one.
func (j *judge) judgeDeath(c *record, e event, accuse func(string, ...any)) {
	var want death
	hits := j.hits[e.PID]
	switch {
	case len(hits) == 0 && traits[c.kind].scope == self:
		if n := len(c.starts); n > 0 && c.starts[n-1].pid != e.PID {
			accuse("the call died in process %d, and was run last by %d", e.PID, c.starts[n-1].pid)
		}
		want = ownDeath(&c.plan)
	case len(hits) == 1 && traits[c.kind].scope == harmless:
		want = deathBy(hits[0].Kind)
	default:
		return
	}
	for _, o := range j.calls {
		// Who has muted the worker has also taken its last words; who has hidden
		// something else in it may have been faster.
		if (o.kind == mutes || traits[o.kind].scope == later) && slices.ContainsFunc(o.starts, func(s start) bool { return s.pid == e.PID }) {
			return
		}
	}
	switch {
	case want == death{}:
	case e.OOM != want.oom, want.signal != e.Signal, want.exit != 0 && e.Exit != want.exit,
		!strings.HasPrefix(e.Reason, want.reason):
		accuse("the error does not tell how the worker died: it should have been %+v", want)
	}
}

func ownDeath(p *plan) death {
	switch p.kind {
	case exitCode, exitElsewhere, encodeExits, decodeExits:
		return death{exit: p.exitCode()}
	case fatal:
		return death{exit: 2, reason: "fatal error: sync: unlock of unlocked mutex"}
	case stackOverflow:
		return death{exit: 2, reason: "runtime: goroutine stack exceeds"}
	case panicElsewhere:
		return death{exit: 2, reason: "panic: as planned"}
	case nilElsewhere:
		return death{exit: 2, reason: "panic: runtime error: invalid memory address"}
	case outOfMemory:
		return death{exit: 2, reason: "fatal error: ", oom: true}
	case killSelf, stopSelf:
		return death{exit: -1, signal: "SIGKILL"}
	}
	return death{}
}

func deathBy(k kind) death {
	switch k {
	case sigTerm:
		return death{exit: -1, signal: "SIGTERM"}
	case sigHup:
		return death{exit: -1, signal: "SIGHUP"}
	case sigSegv:
		return death{exit: 2, signal: "SIGSEGV", reason: "SIGSEGV: "}
	case sigAbrt:
		return death{exit: 2, signal: "SIGABRT", reason: "SIGABRT: "}
	case sigQuit:
		return death{exit: 2, signal: "SIGQUIT", reason: "SIGQUIT: "}
	}
	return death{exit: -1, signal: "SIGKILL"}
}

// count adds a call to the totals.
func (j *judge) count(c *record, b blame, victims map[int]outcome) {
	j.totals.calls++
	if len(c.results) == 0 {
		return
	}
	e := c.results[0]
	j.totals.outcomes[e.Outcome]++
	if c.kind >= firstFault {
		j.tally(c.kind, e.Outcome)
	}
	if e.PID != 0 {
		victims[e.PID] = e.Outcome
	}
	if n := len(c.starts); n > 1 {
		for _, s := range c.starts[:n-1] {
			if !s.ended && victims[s.pid] == "" {
				victims[s.pid] = rerun
			}
		}
	}
	j.refine(e)
}

// refine corrects the phase in which a worker was hit, as it was seen from outside, by
// what its pool says.
func (j *judge) refine(e event) {
	hits := j.hits[e.PID]
	if len(hits) == 0 || e.Phase == "" {
		return
	}
	if h := decisive(hits); h.Phase == "busy" {
		j.cell(h.Kind, h.Phase, -1)
		h.Phase = e.Phase
		j.cell(h.Kind, h.Phase, 1)
	}
}

func (j *judge) tally(k kind, o outcome) {
	m := j.totals.faults[k]
	if m == nil {
		m = make(map[outcome]int)
		j.totals.faults[k] = m
	}
	m[o]++
}

// lines returns what was told and written of a call.
func (c *record) lines(hits map[int][]event) []string {
	lines := []string{fmt.Sprintf("%+v", c.plan), fmt.Sprintf("pool %d, idempotent %v, mapped %v, closing %v", c.pool, c.idempotent, c.mapped, c.closing)}
	pids := make(map[int]bool)
	for _, e := range c.results {
		lines = append(lines, text(e))
		pids[e.PID] = true
	}
	for _, pid := range c.decodes {
		lines = append(lines, fmt.Sprintf("journal: D %d %d", c.id, pid))
	}
	for _, s := range c.starts {
		lines = append(lines, fmt.Sprintf("journal: S %d %d", c.id, s.pid))
		if s.ended {
			lines = append(lines, fmt.Sprintf("journal: E %d %d", c.id, s.pid))
		}
		pids[s.pid] = true
	}
	for pid := range pids {
		for _, e := range hits[pid] {
			lines = append(lines, text(e))
		}
	}
	return lines
}

func text(e event) string {
	b, _ := json.Marshal(e)
	return string(b)
}
