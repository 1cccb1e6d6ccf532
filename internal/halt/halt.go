// Package halt decides when a run stops before its input is used up.
//
// The grammar is that of GNU parallel's --halt:
//
//	never                     run everything (the default)
//	WHEN,WHY=N                stop once N jobs have ended as WHY says
//	WHEN,WHY=P%               stop once P percent of the jobs have
//
// WHEN is "soon" (launch nothing more, let the running jobs end) or "now" (kill
// the running jobs too). WHY is "fail", "success" or "done", which counts both.
// The short forms that GNU parallel keeps for old scripts work as well: 0 is
// never, 1 is soon,fail=1, 2 is now,fail=1, -1 is soon,success=1, -2 is
// now,success=1, and P% is soon,fail=P%.
//
// # What a percentage is a percentage of
//
// GNU parallel reads the whole input first and takes the percentage of all jobs.
// So does this package as soon as the total is known. A run that still reads its
// input has no total, and waiting for one would make fail=P% useless where it
// matters most, on a long stream. Until the total is known,
//
//   - fail=P% is taken of the jobs that have ended so far, and needs at least
//     [MinFailures] failures: one early failure out of one job is not a rate;
//   - success=P% and done=P% are goals, not rates, and wait for the total.
package halt

import (
	"fmt"
	"strconv"
	"strings"
)

// MinFailures is the number of failures below which fail=P% does not stop a run
// whose total is unknown.
const MinFailures = 3

// A Decision is what a run does next. The larger one is the stricter one.
type Decision int

const (
	Continue Decision = iota // launch the next job
	Drain                    // launch nothing more and wait for the running jobs
	Kill                     // launch nothing more and kill the running jobs
)

// String returns "continue", "drain" or "kill".
func (d Decision) String() string {
	switch d {
	case Continue:
		return "continue"
	case Drain:
		return "drain"
	case Kill:
		return "kill"
	}
	return "Decision(" + strconv.Itoa(int(d)) + ")"
}

// A Why names the jobs that a [Policy] counts.
type Why int

const (
	Fail    Why = iota // jobs that failed
	Success            // jobs that succeeded
	Done               // jobs that ended, either way
)

var whyNames = [...]string{Fail: "fail", Success: "success", Done: "done"}

// String returns the word of the grammar: "fail", "success" or "done".
func (w Why) String() string {
	if w < 0 || int(w) >= len(whyNames) {
		return "Why(" + strconv.Itoa(int(w)) + ")"
	}
	return whyNames[w]
}

// A Policy says when a run stops early. The zero Policy never does. Policies are
// comparable with ==.
type Policy struct {
	Then    Decision // what to do at the limit; [Continue] means never stop
	Why     Why      // which jobs count
	Limit   int      // how many of them, or percent of the jobs; at least 1
	Percent bool     // Limit is a percentage, 1 to 100
}

// Counts is the state of a run that a [Policy] looks at.
type Counts struct {
	Failed    int // jobs that have failed for good, after their retries
	Succeeded int // jobs that have succeeded
	Total     int // jobs of the whole run; zero or less while that is unknown
}

// Decide returns what a run with these counts does next. It depends on nothing
// else, so a caller asks again after each job. An answer other than [Continue]
// is final: the caller keeps the strictest one it got, because a rate of failure
// may sink below its limit again when the total becomes known.
func (p Policy) Decide(c Counts) Decision {
	if p.Then != Continue && p.reached(c) {
		return p.Then
	}
	return Continue
}

func (p Policy) reached(c Counts) bool {
	done := c.Failed + c.Succeeded
	n := done
	switch p.Why {
	case Fail:
		n = c.Failed
	case Success:
		n = c.Succeeded
	}
	switch {
	case n == 0:
		return false
	case !p.Percent:
		return n >= p.Limit
	case c.Total > 0:
		return atLeast(n, p.Limit, c.Total)
	default:
		return p.Why == Fail && n >= MinFailures && atLeast(n, p.Limit, done)
	}
}

// atLeast reports whether n is at least the given percentage of total, without
// rounding: 3% of 50 jobs is reached by the second job, as 1 < 1.5 ≤ 2.
func atLeast(n, percent, total int) bool {
	return int64(n)*100 >= int64(percent)*int64(total)
}

// String returns the policy in the grammar, in its long form: Parse(p.String())
// is p again.
func (p Policy) String() string {
	var when string
	switch p.Then {
	case Drain:
		when = "soon"
	case Kill:
		when = "now"
	default:
		return "never"
	}
	unit := ""
	if p.Percent {
		unit = "%"
	}
	return fmt.Sprintf("%s,%s=%d%s", when, p.Why, p.Limit, unit)
}

var oldForms = map[string]string{
	"0":  "never",
	"1":  "soon,fail=1",
	"2":  "now,fail=1",
	"-1": "soon,success=1",
	"-2": "now,success=1",
}

// Parse reads a policy. The empty string is never. The error says which part of
// s is wrong and shows policies that are right.
func Parse(s string) (Policy, error) {
	p, err := parse(s)
	if err != nil {
		return Policy{}, fmt.Errorf("halt policy %q: %w; valid are for example: never, soon,fail=1, now,fail=3%%, now,success=1, soon,done=10", s, err)
	}
	return p, nil
}

func parse(s string) (Policy, error) {
	if long, ok := oldForms[s]; ok {
		s = long
	} else if isPercentage(s) {
		s = "soon,fail=" + s
	}
	if s == "never" || s == "" {
		return Policy{}, nil
	}

	when, condition, comma := strings.Cut(s, ",")
	var p Policy
	switch when {
	case "soon":
		p.Then = Drain
	case "now":
		p.Then = Kill
	case "never":
		return p, fmt.Errorf("never takes no condition")
	default:
		if !comma && strings.Contains(when, "=") {
			return p, fmt.Errorf("it does not say when: write soon,%s (let running jobs end) or now,%[1]s (kill them)", when)
		}
		return p, fmt.Errorf("%q is not never, soon or now", when)
	}
	if condition == "" {
		return p, fmt.Errorf("%s needs a condition, such as %[1]s,fail=1", when)
	}

	why, limit, equals := strings.Cut(condition, "=")
	switch why {
	case "fail":
		p.Why = Fail
	case "success":
		p.Why = Success
	case "done":
		p.Why = Done
	default:
		return p, fmt.Errorf("%q is not fail, success or done", why)
	}
	if !equals || limit == "" {
		return p, fmt.Errorf("%s needs a number of jobs or a percentage, such as %[1]s=1 or %[1]s=3%%", why)
	}

	digits, percent := strings.CutSuffix(limit, "%")
	n, err := strconv.Atoi(digits)
	switch {
	case err != nil || !isNumber(digits):
		return p, fmt.Errorf("%q is not a whole number of jobs or a percentage", limit)
	case n < 1:
		return p, fmt.Errorf("%s=%s would stop before anything has happened: the smallest limit is 1", why, limit)
	case percent && n > 100:
		return p, fmt.Errorf("%s can never be reached: the largest percentage is 100%%", limit)
	}
	p.Limit, p.Percent = n, percent
	return p, nil
}

// isPercentage reports whether s is the old form "3%".
func isPercentage(s string) bool {
	digits, ok := strings.CutSuffix(s, "%")
	return ok && isNumber(digits)
}

// isNumber reports whether s consists of digits alone, without the sign that
// strconv would take.
func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
