package halt_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/go-braid/braid/internal/halt"
)

func TestParse(t *testing.T) {
	// The examples and the list "For backwards compatibility" of the --halt
	// entry in parallel(1), and then forms the manual implies.
	tests := []struct {
		in   string
		want halt.Policy
		long string
	}{
		{"never", halt.Policy{}, "never"},
		{"now,fail=1", halt.Policy{Then: halt.Kill, Why: halt.Fail, Limit: 1}, "now,fail=1"},
		{"soon,fail=3", halt.Policy{Then: halt.Drain, Why: halt.Fail, Limit: 3}, "soon,fail=3"},
		{"soon,fail=3%", halt.Policy{Then: halt.Drain, Why: halt.Fail, Limit: 3, Percent: true}, "soon,fail=3%"},
		{"now,success=1", halt.Policy{Then: halt.Kill, Why: halt.Success, Limit: 1}, "now,success=1"},
		{"soon,success=3", halt.Policy{Then: halt.Drain, Why: halt.Success, Limit: 3}, "soon,success=3"},
		{"now,success=3%", halt.Policy{Then: halt.Kill, Why: halt.Success, Limit: 3, Percent: true}, "now,success=3%"},
		{"now,done=1", halt.Policy{Then: halt.Kill, Why: halt.Done, Limit: 1}, "now,done=1"},
		{"soon,done=3", halt.Policy{Then: halt.Drain, Why: halt.Done, Limit: 3}, "soon,done=3"},
		{"now,done=3%", halt.Policy{Then: halt.Kill, Why: halt.Done, Limit: 3, Percent: true}, "now,done=3%"},
		{"0", halt.Policy{}, "never"},
		{"1", halt.Policy{Then: halt.Drain, Why: halt.Fail, Limit: 1}, "soon,fail=1"},
		{"2", halt.Policy{Then: halt.Kill, Why: halt.Fail, Limit: 1}, "now,fail=1"},
		{"-1", halt.Policy{Then: halt.Drain, Why: halt.Success, Limit: 1}, "soon,success=1"},
		{"-2", halt.Policy{Then: halt.Kill, Why: halt.Success, Limit: 1}, "now,success=1"},
		{"1%", halt.Policy{Then: halt.Drain, Why: halt.Fail, Limit: 1, Percent: true}, "soon,fail=1%"},
		{"99%", halt.Policy{Then: halt.Drain, Why: halt.Fail, Limit: 99, Percent: true}, "soon,fail=99%"},

		{"", halt.Policy{}, "never"},
		{"now,done=100%", halt.Policy{Then: halt.Kill, Why: halt.Done, Limit: 100, Percent: true}, "now,done=100%"},
		{"soon,fail=007", halt.Policy{Then: halt.Drain, Why: halt.Fail, Limit: 7}, "soon,fail=7"},
	}
	for _, tt := range tests {
		got, err := halt.Parse(tt.in)
		if err != nil || got != tt.want {
			t.Errorf("Parse(%q) = %+v, %v, want %+v", tt.in, got, err, tt.want)
		}
		if s := got.String(); s != tt.long {
			t.Errorf("Parse(%q).String() = %q, want %q", tt.in, s, tt.long)
		}
	}
}

func TestParseError(t *testing.T) {
	tests := []struct{ in, want string }{
		{"always", `"always" is not never, soon or now`},
		{"3", `"3" is not never, soon or now`},
		{"fail=1", "write soon,fail=1"},
		{"never,fail=1", "never takes no condition"},
		{"soon", "soon needs a condition, such as soon,fail=1"},
		{"now,", "now needs a condition"},
		{"now,crash=1", `"crash" is not fail, success or done`},
		{"now,fail", "fail needs a number of jobs or a percentage, such as fail=1 or fail=3%"},
		{"now,fail=", "fail needs a number"},
		{"now,fail=x", `"x" is not a whole number`},
		{"now,fail=+1", `"+1" is not a whole number`},
		{"now,fail=-1", `"-1" is not a whole number`},
		{"now,fail=1.5%", `"1.5%" is not a whole number`},
		{"now,fail=3%%", `"3%%" is not a whole number`},
		{"now,fail=%", `"%" is not a whole number`},
		{"now,fail=99999999999999999999", "is not a whole number"},
		{"now,fail=0", "the smallest limit is 1"},
		{"now,fail=0%", "the smallest limit is 1"},
		{"0%", "the smallest limit is 1"},
		{"now,fail=101%", "the largest percentage is 100%"},
		{"now,fail=1,done=2", `"1,done=2" is not a whole number`},
		{" never", `" never" is not never`},
	}
	for _, tt := range tests {
		p, err := halt.Parse(tt.in)
		if err == nil {
			t.Errorf("Parse(%q) = %v, want an error", tt.in, p)
			continue
		}
		if p != (halt.Policy{}) {
			t.Errorf("Parse(%q) returned %+v beside its error", tt.in, p)
		}
		if msg := err.Error(); !strings.Contains(msg, tt.want) {
			t.Errorf("Parse(%q): %s\nwant it to say: %s", tt.in, msg, tt.want)
		}
		_, examples, ok := strings.Cut(err.Error(), "valid are for example: ")
		if !ok {
			t.Errorf("Parse(%q): %v: shows no examples", tt.in, err)
		}
		for example := range strings.SplitSeq(examples, ", ") {
			if _, err := halt.Parse(example); err != nil {
				t.Errorf("the example %q of an error is not valid: %v", example, err)
			}
		}
	}
}

func TestDecide(t *testing.T) {
	type counts = halt.Counts
	tests := []struct {
		rule   string
		policy string
		counts counts
		want   halt.Decision
	}{
		{"never runs all jobs no matter what", "never", counts{Failed: 1000, Total: 1000}, halt.Continue},
		{"nothing has happened", "now,fail=1", counts{Total: 10}, halt.Continue},
		{"now kills all running jobs", "now,fail=1", counts{Failed: 1, Total: 10}, halt.Kill},
		{"soon waits for the running jobs", "soon,fail=3", counts{Failed: 3, Total: 10}, halt.Drain},
		{"X is the number of jobs that has to fail", "soon,fail=3", counts{Failed: 2, Succeeded: 7, Total: 10}, halt.Continue},
		{"a limit passed is a limit reached", "soon,fail=3", counts{Failed: 4, Total: 10}, halt.Drain},
		{"successes do not count as failures", "now,fail=1", counts{Succeeded: 9, Total: 10}, halt.Continue},
		{"X is the number of jobs that has to succeed", "now,success=1", counts{Failed: 9, Total: 10}, halt.Continue},
		{"exit when a job has succeeded", "now,success=1", counts{Failed: 9, Succeeded: 1, Total: 10}, halt.Kill},
		{"done counts failures", "now,done=1", counts{Failed: 1, Total: 10}, halt.Kill},
		{"done counts successes", "soon,done=3", counts{Failed: 1, Succeeded: 2, Total: 10}, halt.Drain},
		{"done is not reached", "soon,done=3", counts{Failed: 1, Succeeded: 1, Total: 10}, halt.Continue},

		{"Y is the percentage of the jobs: of all, not of those that ended", "soon,fail=3%", counts{Failed: 2, Total: 100}, halt.Continue},
		{"Y percent of the jobs have failed", "soon,fail=3%", counts{Failed: 3, Total: 100}, halt.Drain},
		{"3% of 50 is 1.5: one failure is less", "soon,fail=3%", counts{Failed: 1, Total: 50}, halt.Continue},
		{"3% of 50 is 1.5: two are more", "soon,fail=3%", counts{Failed: 2, Total: 50}, halt.Drain},
		{"a share below one job is one job", "now,fail=3%", counts{Failed: 1, Total: 10}, halt.Kill},
		{"a share below one job still needs a job", "now,fail=3%", counts{Succeeded: 9, Total: 10}, halt.Continue},
		{"exit when Y percent have succeeded", "now,success=50%", counts{Failed: 4, Succeeded: 5, Total: 10}, halt.Kill},
		{"Y percent have not succeeded", "now,success=50%", counts{Failed: 5, Succeeded: 4, Total: 10}, halt.Continue},
		{"exit when Y percent have finished", "now,done=50%", counts{Failed: 1, Succeeded: 4, Total: 10}, halt.Kill},
		{"100% is every job", "now,fail=100%", counts{Failed: 9, Succeeded: 1, Total: 10}, halt.Continue},
		{"100% is reached by the last job", "now,done=100%", counts{Succeeded: 10, Total: 10}, halt.Kill},
		{"percentages do not overflow", "now,fail=100%", counts{Failed: 1 << 30, Total: 1<<31 - 1}, halt.Continue},

		{"unknown total: two failures are no rate", "now,fail=3%", counts{Failed: 2}, halt.Continue},
		{"unknown total: three failures of three", "now,fail=3%", counts{Failed: 3}, halt.Kill},
		{"unknown total: of the jobs that ended, below", "now,fail=3%", counts{Failed: 3, Succeeded: 98}, halt.Continue},
		{"unknown total: of the jobs that ended, at", "now,fail=3%", counts{Failed: 3, Succeeded: 97}, halt.Kill},
		{"unknown total: success is a goal", "now,success=1%", counts{Succeeded: 1000}, halt.Continue},
		{"unknown total: done is a goal", "now,done=1%", counts{Succeeded: 1000}, halt.Continue},
		{"unknown total: plain numbers do not need it", "now,done=1000", counts{Succeeded: 1000}, halt.Kill},
	}
	for _, tt := range tests {
		p, err := halt.Parse(tt.policy)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Decide(tt.counts); got != tt.want {
			t.Errorf("%s: %s with %+v: %v, want %v", tt.rule, p, tt.counts, got, tt.want)
		}
	}
}

func TestDecisionOrder(t *testing.T) {
	if !(halt.Continue < halt.Drain && halt.Drain < halt.Kill) {
		t.Error("a stricter decision must be larger: callers keep the maximum")
	}
}

func drawPolicy(t *rapid.T) halt.Policy {
	p := halt.Policy{
		Then:    rapid.SampledFrom([]halt.Decision{halt.Drain, halt.Kill}).Draw(t, "then"),
		Why:     rapid.SampledFrom([]halt.Why{halt.Fail, halt.Success, halt.Done}).Draw(t, "why"),
		Percent: rapid.Bool().Draw(t, "percent"),
	}
	limit := 1<<31 - 1
	if p.Percent {
		limit = 100
	}
	p.Limit = rapid.IntRange(1, limit).Draw(t, "limit")
	return p
}

func TestStringRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPolicy(t)
		if got, err := halt.Parse(p.String()); err != nil || got != p {
			t.Fatalf("Parse(%q) = %+v, %v, want %+v", p.String(), got, err, p)
		}
	})
}

// More jobs that count never take a halt back while the total stays as it is.
func TestDecideMonotonic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPolicy(t)
		c := halt.Counts{
			Failed:    rapid.IntRange(0, 200).Draw(t, "failed"),
			Succeeded: rapid.IntRange(0, 200).Draw(t, "succeeded"),
		}
		c.Total = rapid.SampledFrom([]int{0, c.Failed + c.Succeeded + 1, 1000}).Draw(t, "total")
		before := p.Decide(c)
		if p.Why == halt.Success {
			c.Succeeded++
		} else {
			c.Failed++
		}
		if after := p.Decide(c); after < before {
			t.Fatalf("%s went from %v back to %v at %+v", p, before, after, c)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"never", "now,fail=1", "soon,done=3%", "-2", "7%", "now,fail=-1", "soon,", "=,%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := halt.Parse(s)
		if err != nil {
			return
		}
		if again, err := halt.Parse(p.String()); err != nil || again != p {
			t.Fatalf("Parse(%q) is %+v, but its String %q parses as %+v, %v", s, p, p.String(), again, err)
		}
		if p.Then != halt.Continue && (p.Limit < 1 || p.Percent && p.Limit > 100) {
			t.Fatalf("Parse(%q) = %+v: limit out of bounds", s, p)
		}
	})
}
