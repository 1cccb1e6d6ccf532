package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const testSeed = 7

// find returns the number of a call whose plan is as wanted.
func find(t *testing.T, k kind, wanted func(plan) bool) uint64 {
	t.Helper()
	for n := range uint64(1 << 16) {
		if id := callID(n+1, k); wanted(planOf(testSeed, id)) {
			return id
		}
	}
	t.Fatalf("no call of kind %q is as wanted", k)
	return 0
}

// A story is what a judge is told of a round.
type story struct {
	events  []event
	journal []string
}

const (
	waiting  = 1 // pools of the story
	refusing = 2
	pid      = 100 // a worker
	otherPID = 101 // and another
)

// storyOf returns the story of a round in which all is well, but for what happens.
func storyOf(happens []event, journal ...string) story {
	s := story{journal: journal}
	s.events = append(s.events, event{What: evPool, Pool: waiting, Text: "1 worker"}, event{What: evPool, Pool: refusing, Text: "refuses"})
	s.events = append(s.events, happens...)
	for _, n := range []int{waiting, refusing} {
		s.events = append(s.events, event{What: evClosing, Pool: n},
			event{What: evClosed, Pool: n, Counts: &counts{Submitted: 3, Refused: 1, Completed: 2, Workers: 1}})
	}
	return s
}

// judged returns what a judge has against a story.
func (s story) judged() []string {
	j := newJudge(testSeed)
	for i, e := range s.events {
		j.see(e, time.Unix(int64(i), 0))
	}
	j.endRound(strings.NewReader(strings.Join(s.journal, "\n")))
	var whats []string
	for _, v := range j.violations {
		whats = append(whats, v.what)
	}
	return whats
}

// call returns the events of a call with an outcome, in the pool that waits.
func call(id uint64, result event) []event {
	p := planOf(testSeed, id)
	result.What, result.ID = evResult, id
	return []event{{What: evSubmit, ID: id, Pool: waiting, Idempotent: p.idempotent}, {What: evDone, ID: id}, result}
}

// right is the result that a call is to have.
func right(id uint64) event {
	p := planOf(testSeed, id)
	return event{Outcome: ok, Answer: p.answer(testSeed), Len: p.reply, Sum: checksum(p.reply, p.replyNumber())}
}

func started(id uint64, pid int) string { return fmt.Sprintf("S %d %d", id, pid) }
func itEnded(id uint64, pid int) string { return fmt.Sprintf("E %d %d", id, pid) }

func hit(pid int, k kind) event {
	return event{What: evFault, Pool: waiting, PID: pid, Kind: k, Phase: "busy"}
}

func join(parts ...[]event) (all []event) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func one(e event) []event { return []event{e} }

// crashOf is the outcome of a call whose worker was killed.
func crashOf(pid int) event {
	return event{Outcome: crashed, PID: pid, Exit: -1, Signal: "SIGKILL", Phase: "run"}
}

func with(e event, change func(*event)) event {
	change(&e)
	return e
}

// TestJudge: sound histories are found to be sound, and each one that is broken is
// caught.
func TestJudge(t *testing.T) {
	plain := func(p plan) bool { return p.timeout == 0 && p.cancel == 0 && !p.idempotent && p.reply > 0 }
	once := find(t, normal, plain)
	again := find(t, normal, func(p plan) bool { return p.timeout == 0 && p.cancel == 0 && p.idempotent })
	hurried := find(t, normal, func(p plan) bool { return p.timeout > 0 && p.cancel == 0 && !p.idempotent })
	exits := find(t, exitCode, func(p plan) bool { return !p.idempotent })
	exitsTwice := find(t, exitCode, func(p plan) bool { return p.idempotent })
	after := find(t, exitsAfter, func(p plan) bool { return !p.idempotent })
	flaky := find(t, flaking, func(p plan) bool { return !p.idempotent && p.fails(pid) && !p.fails(otherPID) })
	item := find(t, mapped, func(p plan) bool { return true })
	exitCode := func(id uint64) int { p := planOf(testSeed, id); return p.exitCode() }

	for _, tc := range []struct {
		name  string
		story story
		want  string // part of the only complaint; empty: there is none
	}{
		{"a success", storyOf(call(once, right(once)), started(once, pid)), ""},
		{"a doubled result", storyOf(join(call(once, right(once)), one(with(right(once), func(e *event) { e.What, e.ID = evResult, once }))), started(once, pid)), "has 2 outcomes"},
		{"a lost call", storyOf(call(once, right(once))[:1], started(once, pid)), "a call is lost"},
		{"a wrong answer", storyOf(call(once, with(right(once), func(e *event) { e.Answer++ })), started(once, pid)), "a result is wrong"},
		{"a payload cut short", storyOf(call(once, with(right(once), func(e *event) { e.Len-- })), started(once, pid)), "a result is wrong"},
		{"a payload with a wrong byte", storyOf(call(once, with(right(once), func(e *event) { e.Sum++ })), started(once, pid)), "a result is wrong"},
		{"the result of another call", storyOf(call(once, right(again)), started(once, pid)), "a result is wrong"},
		{"an end that nobody was told of", storyOf([]event{call(once, right(once))[0], call(once, right(once))[2]}, started(once, pid)), "told 0 times"},
		{"an end told twice", storyOf(join(call(once, right(once)), call(once, right(once))[1:2]), started(once, pid)), "told 2 times"},
		{"an outcome of nobody", storyOf(call(once, right(once))[2:]), "nobody has submitted"},
		{"a number given twice", storyOf(join(call(once, right(once))[:1], call(once, right(once))), started(once, pid)), "a number twice"},

		{"a success without a start", storyOf(call(once, right(once))), "never started"},
		{"a start of nobody", storyOf(nil, started(once, pid)), "started that nobody has submitted"},
		{"a journal of nonsense", storyOf(nil, "S x y"), "makes no sense"},
		{"a second start", storyOf(call(once, right(once)), started(once, pid), started(once, otherPID)), "not idempotent"},
		{"a second start after a death", storyOf(join(call(once, right(once)), one(hit(pid, sigKill))), started(once, pid), started(once, otherPID)), "not idempotent"},
		{"an idempotent call run again", storyOf(join(call(again, right(again)), one(hit(pid, sigKill))), started(again, pid), started(again, otherPID)), ""},
		{"and for no reason", storyOf(call(again, right(again)), started(again, pid), started(again, otherPID)), "had not been hit"},
		{"not started, but started", storyOf(join(call(once, event{Outcome: closed, NotStarted: true})[:2], one(event{What: evClosing, Pool: waiting}), call(once, event{Outcome: closed, NotStarted: true})[2:]), started(once, pid)), "not to have been started"},

		{"a call that was hit", storyOf(join(call(once, crashOf(pid)), one(hit(pid, sigKill))), started(once, pid)), ""},
		{"an innocent call", storyOf(call(once, crashOf(pid)), started(once, pid)), "cannot have: crashed"},
		{"an innocent call beside one that was hit", storyOf(join(call(once, crashOf(pid)), one(hit(otherPID, sigKill))), started(once, pid)), "cannot have: crashed"},
		{"a victim of harmless signals", storyOf(join(call(once, crashOf(pid)), one(hit(pid, sigNoise))), started(once, pid)), "cannot have: crashed"},
		{"a victim of a panic elsewhere", storyOf(join(call(once, crashOf(pid)), call(exits, event{Outcome: crashed, PID: otherPID, Exit: exitCode(exits)})), started(once, pid), started(exits, otherPID)), "cannot have: crashed"},
		{"a victim of who exits later", storyOf(join(call(once, crashOf(pid)), call(after, right(after))), started(after, pid), started(once, pid)), ""},
		{"an idempotent call that was hit, and not run again", storyOf(join(call(again, crashOf(pid)), one(hit(pid, sigKill))), started(again, pid)), "cannot have: crashed"},
		{"poison that is none", storyOf(call(once, with(crashOf(pid), func(e *event) { e.Outcome = poison })), started(once, pid)), "cannot have: poison"},
		{"a time that was not set", storyOf(call(once, event{Outcome: timedOut}), started(once, pid)), "cannot have: timed out"},
		{"a time that was", storyOf(call(hurried, event{Outcome: timedOut}), started(hurried, pid)), ""},
		{"a cancel that was not", storyOf(call(once, event{Outcome: cancelled}), started(once, pid)), "cannot have: cancelled"},
		{"closed before it was", storyOf(call(once, event{Outcome: closed}), started(once, pid)), "cannot have: closed"},
		{"refused by who waits", storyOf(call(once, event{Outcome: refused, NotStarted: true})), "cannot have: refused"},
		{"a broken pool", storyOf(call(once, event{Outcome: broken, NotStarted: true})), "cannot have: broken"},
		{"an error of nobody", storyOf(call(once, event{Outcome: other}), started(once, pid)), "cannot have: other"},
		{"a fault without effect", storyOf(call(exits, right(exits)), started(exits, pid)), "cannot have: ok"},

		{"an exit", storyOf(call(exits, event{Outcome: crashed, PID: pid, Exit: exitCode(exits)}), started(exits, pid)), ""},
		{"with another code", storyOf(call(exits, event{Outcome: crashed, PID: pid, Exit: exitCode(exits) + 1}), started(exits, pid)), "how the worker died"},
		{"in another process", storyOf(call(exits, event{Outcome: crashed, PID: otherPID, Exit: exitCode(exits)}), started(exits, pid)), "died in process 101"},
		{"by another signal", storyOf(join(call(once, with(crashOf(pid), func(e *event) { e.Signal = "SIGTERM" })), one(hit(pid, sigKill))), started(once, pid)), "how the worker died"},
		{"for want of memory, which it was not", storyOf(join(call(once, with(crashOf(pid), func(e *event) { e.OOM = true })), one(hit(pid, sigKill))), started(once, pid)), "how the worker died"},
		{"poison", storyOf(call(exitsTwice, event{Outcome: poison, PID: pid, Exit: exitCode(exitsTwice)}), started(exitsTwice, pid)), ""},

		{"a retry", storyOf(call(flaky, right(flaky)), started(flaky, pid), itEnded(flaky, pid), started(flaky, otherPID), itEnded(flaky, otherPID)), ""},
		{"too many", storyOf(call(flaky, right(flaky)), started(flaky, pid), itEnded(flaky, pid), started(flaky, pid), itEnded(flaky, pid), started(flaky, pid), itEnded(flaky, pid), started(flaky, otherPID), itEnded(flaky, otherPID)), "started 4 times"},
		{"before the end of the first", storyOf(call(flaky, right(flaky)), started(flaky, pid), started(flaky, otherPID), itEnded(flaky, otherPID)), "not idempotent"},
		{"with the outcome of the first", storyOf(call(flaky, event{Outcome: failed}), started(flaky, pid), itEnded(flaky, pid), started(flaky, otherPID), itEnded(flaky, otherPID)), "its last attempt"},

		{"an item", storyOf([]event{{What: evSubmit, ID: item, Pool: waiting, Mapped: true}, with(right(item), func(e *event) { e.What, e.ID = evResult, item })}, started(item, pid)), ""},
		{"a wrong item", storyOf([]event{{What: evSubmit, ID: item, Pool: waiting, Mapped: true}, with(right(item), func(e *event) { e.What, e.ID, e.Answer = evResult, item, 1 })}, started(item, pid)), "a result is wrong"},
		{"an item of a Map that was left", storyOf([]event{{What: evSubmit, ID: item, Pool: waiting, Mapped: true}, {What: evResult, ID: item, Outcome: abandoned}}), ""},

		{"a death that is known", storyOf([]event{hit(pid, sigKill), {What: evDeath, Pool: waiting, PID: pid}}), ""},
		{"a death for a call on its way", storyOf(join(call(hurried, event{Outcome: timedOut, NotStarted: true, Attempt: 2}), one(event{What: evDeath, Pool: waiting, PID: pid, Signal: "SIGTERM"}))), ""},
		{"a death beside one that was not", storyOf(join(call(hurried, event{Outcome: timedOut, NotStarted: true, Attempt: 1}), one(event{What: evDeath, Pool: waiting, PID: pid, Signal: "SIGTERM"}))), "nobody knows of what"},
		{"a death that no pool deals out", storyOf(join(call(hurried, event{Outcome: timedOut, NotStarted: true, Attempt: 2}), one(event{What: evDeath, Pool: waiting, PID: pid, Exit: 1}))), "nobody knows of what"},
		{"a death for a Map that was left", storyOf([]event{{What: evLeft, Pool: waiting}, {What: evDeath, Pool: waiting, PID: pid, Signal: "SIGKILL"}}), ""},
		{"a death in Init", storyOf(one(event{What: evDeath, Pool: waiting, PID: pid}), "I 100 1"), ""},
		{"a death of which nobody knows", storyOf(one(event{What: evDeath, Pool: waiting, PID: pid})), "nobody knows of what"},
		{"a death after Init", storyOf(one(event{What: evDeath, Pool: waiting, PID: pid}), "I 100 0"), "nobody knows of what"},
		{"a data race", storyOf(one(event{What: evRace, Pool: waiting})), "a data race"},
		{"a pool that is not closed", storyOf(one(event{What: evPool, Pool: 9})), "was not closed"},
	} {
		got := tc.story.judged()
		switch {
		case tc.want == "" && len(got) > 0:
			t.Errorf("%s: complaints %q, want none", tc.name, got)
		case tc.want != "" && (len(got) != 1 || !strings.Contains(got[0], tc.want)):
			t.Errorf("%s: complaints %q, want one that contains %q", tc.name, got, tc.want)
		}
	}
}

// TestBooks: the pools' own accounts are held against what happened.
func TestBooks(t *testing.T) {
	for _, tc := range []struct {
		counts counts
		want   string
	}{
		{counts{Submitted: 3, Completed: 3}, ""},
		{counts{Submitted: 3, Completed: 2}, "do not balance"},
		{counts{Submitted: 3, Completed: 3, Left: 1}, "do not balance"},
		{counts{Submitted: 3, Completed: 3, Deaths: 2, Workers: 1}, ""}, // one of a fault, one at Close
		{counts{Submitted: 3, Completed: 3, Deaths: 3, Workers: 1}, "3 workers have died"},
	} {
		s := story{events: []event{{What: evPool, Pool: 1}, hit(pid, sigKill), {What: evClosing, Pool: 1}, {What: evClosed, Pool: 1, Counts: &tc.counts}}}
		got := s.judged()
		if tc.want == "" && len(got) > 0 || tc.want != "" && (len(got) != 1 || !strings.Contains(got[0], tc.want)) {
			t.Errorf("%+v: complaints %q, want %q", tc.counts, got, tc.want)
		}
	}
}

// TestLateCancel: a call that takes for ever to be cancelled is noticed.
func TestLateCancel(t *testing.T) {
	id := find(t, normal, func(p plan) bool { return p.cancel > 0 && p.timeout == 0 && !p.idempotent })
	for _, after := range []time.Duration{time.Second, cancelPatience + time.Second} {
		j := newJudge(testSeed)
		begin := time.Unix(0, 0)
		j.see(event{What: evPool, Pool: waiting}, begin)
		c := call(id, event{Outcome: cancelled})
		j.see(c[0], begin)
		begin = begin.Add(time.Hour) // its submitter had to wait
		j.see(event{What: evCancel, ID: id}, begin)
		for _, e := range c[1:] {
			j.see(e, begin.Add(after))
		}
		j.see(event{What: evCancel, ID: id}, begin.Add(time.Hour)) // it is over
		j.see(event{What: evClosed, Pool: waiting, Counts: &counts{}}, begin)
		j.endRound(strings.NewReader(started(id, pid)))
		if late := after > cancelPatience; late != (len(j.violations) > 0) {
			t.Errorf("over after %v: %v", after, j.violations)
		}
	}
}

// TestOldest: who waits for longest is who is looked at.
func TestOldest(t *testing.T) {
	j := newJudge(testSeed)
	for i := range 3 {
		j.see(event{What: evSubmit, ID: callID(uint64(i+1), normal)}, time.Unix(int64(10-i), 0))
	}
	j.see(event{What: evResult, ID: callID(3, normal), Outcome: ok}, time.Unix(20, 0))
	if c := j.oldest(); c == nil || c.id != callID(2, normal) {
		t.Errorf("oldest = %+v, want call %d", c, callID(2, normal))
	}
}

// TestPlan: a plan follows from the seed and the number alone, and is different for
// others; payloads can be told apart.
func TestPlan(t *testing.T) {
	same := 0
	for n := range uint64(1000) {
		id := callID(n, normal)
		p := planOf(1, id)
		if planOf(1, id) != p {
			t.Fatalf("call %d has two plans", id)
		}
		if p.kind != normal || p.size > maxPayload || p.reply > maxPayload || p.work >= 50*time.Millisecond {
			t.Fatalf("call %d: %+v", id, p)
		}
		if p.answer(1) == p.answer(2) || p.salt == planOf(2, id).salt {
			same++
		}
		b := make([]byte, p.size)
		fill(b, id)
		if sumOf(b) != checksum(p.size, id) {
			t.Fatalf("the payload of call %d has not its checksum", id)
		}
		if p.size > 8 && checksum(p.size, id) == checksum(p.size, id+1) {
			t.Fatalf("the payloads of call %d and the next one are the same", id)
		}
	}
	if same > 0 {
		t.Errorf("%d calls are the same under two seeds", same)
	}
}

// TestKinds: every kind has a name, and those of calls have their place and outcomes.
func TestKinds(t *testing.T) {
	names := make(map[string]bool)
	for k := range kind(kinds) {
		tr := traits[k]
		if tr.name == "" || names[tr.name] {
			t.Errorf("kind %d has the name %q", k, tr.name)
		}
		names[tr.name] = true
		if k < firstOutside && k != initExits && len(tr.may) == 0 || k >= firstOutside && len(tr.may) > 0 {
			t.Errorf("%s may have the outcomes %v", k, tr.may)
		}
		if inside := k >= firstFault && k < firstOutside; inside != (tr.phase != "") {
			t.Errorf("%s is in the phase %q", k, tr.phase)
		}
	}
	if n := kinds - int(firstFault); n < 25 {
		t.Errorf("there are %d kinds of faults", n)
	}
}

// TestGrowth: memory that grows is told from memory that goes up and down.
func TestGrowth(t *testing.T) {
	heap := func(s sample) float64 { return s.heap }
	var level, rising []sample
	for i := range 20 {
		at := time.Unix(int64(60*i), 0)
		level = append(level, sample{at: at, heap: float64(i % 3)})
		rising = append(rising, sample{at: at, heap: float64(i)})
	}
	if grown, _, known := growth(level, heap); !known || grown != 0 {
		t.Errorf("level: %v, %v", grown, known)
	}
	if grown, slope, known := growth(rising, heap); !known || grown != 12 || slope != 10 {
		t.Errorf("rising: %v, %v, %v", grown, slope, known)
	}
	if _, _, known := growth(rising[:1], heap); known {
		t.Error("one sample has a slope")
	}
}
