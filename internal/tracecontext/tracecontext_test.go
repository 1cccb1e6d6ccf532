package tracecontext

import (
	"slices"
	"strings"
	"testing"
)

// The example of the recommendation.
const example = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func TestParse(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{example, example},
		{" " + example + "\n", example},
		{strings.Replace(example, "-01", "-ff", 1), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff"},
		// A version to come: what follows is unknown, and so are its flags.
		{"cc" + example[2:] + "-what-the-future-will-be", example},
		{"cc" + example[2:53] + "09", example},
		{"cc" + example[2:] + ".what", ""},
		{"ff" + example[2:], ""},
		{example + "-more", ""},
		{example[:54], ""},
		{"", ""},
		{strings.ToUpper(example), ""},
		{"00-00000000000000000000000000000000-00f067aa0ba902b7-01", ""},
		{"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", ""},
		{strings.ReplaceAll(example, "-", "_"), ""},
		{strings.Replace(example, "4bf9", "4xf9", 1), ""},
	} {
		c, err := Parse(tt.text)
		if c.String() != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("%q is %q, %v; want %q", tt.text, c, err, tt.want)
		}
	}
}

func TestFromEnviron(t *testing.T) {
	env := map[string]string{ParentVariable: example, StateVariable: "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"}
	c := FromEnviron(func(name string) string { return env[name] })
	want := []string{"TRACEPARENT=" + example, "TRACESTATE=rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"}
	if got := c.Environ(); !slices.Equal(got, want) {
		t.Errorf("the variables come back as %q", got)
	}
	env[StateVariable] = "bad\x01"
	if c := FromEnviron(func(name string) string { return env[name] }); c.State != "" || c.String() != example {
		t.Errorf("with a bad state: %q, %q", c, c.State)
	}
	env = map[string]string{ParentVariable: "nonsense", StateVariable: "a=b"}
	if c := FromEnviron(func(name string) string { return env[name] }); c != (Context{}) || c.Environ() != nil {
		t.Errorf("with a bad parent: %q", c.Environ())
	}
}

// A new span belongs to the trace of its parent, or to one of its own.
func TestStart(t *testing.T) {
	parent, err := Parse(example)
	if err != nil {
		t.Fatal(err)
	}
	parent.State = "a=b"
	c := Start(parent)
	if c.Trace != parent.Trace || c.Span == parent.Span || c.Flags != 1 || c.State != "a=b" {
		t.Errorf("a span below %q is %q", parent, c)
	}
	first, second := Start(Context{}), Start(Context{})
	if first.Trace == second.Trace || first.Span == second.Span || first.Flags != 1 {
		t.Errorf("two traces are %q and %q", first, second)
	}
	if _, err := Parse(first.String()); err != nil {
		t.Errorf("%q: %v", first, err)
	}
}

// Each attempt at each input has a span, which can be told again.
func TestChild(t *testing.T) {
	c, err := Parse(example)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[Context]bool{c: true}
	for input := range 100 {
		for attempt := range 3 {
			child := c.Child(input, attempt)
			if seen[child] || child.Trace != c.Trace || child != c.Child(input, attempt) {
				t.Fatalf("input %d, attempt %d is %q", input, attempt, child)
			}
			seen[child] = true
		}
	}
	other := New()
	if c.Child(1, 1).Span == other.Child(1, 1).Span {
		t.Error("two runs have the same spans")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(example)
	f.Add("cc" + example[2:] + "-more")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := Parse(s)
		if err != nil {
			return
		}
		if again, err := Parse(c.String()); err != nil || again != c {
			t.Errorf("%q is %q, which is %q, %v", s, c, again, err)
		}
	})
}
