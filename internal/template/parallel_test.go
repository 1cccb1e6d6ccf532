package template_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"

	"github.com/go-braid/braid/internal/input"
	"github.com/go-braid/braid/internal/template"

	"github.com/go-braid/braid/internal/proctest"
)

// gnuParallel returns a function that runs GNU parallel over NUL-terminated
// inputs and returns what a command that prints its arguments printed.
func gnuParallel(t *testing.T) func(inputs []string, args ...string) string {
	t.Helper()
	version, err := exec.Command("parallel", "--version").Output()
	if err != nil || !bytes.HasPrefix(version, []byte("GNU parallel")) {
		proctest.Skip(t, "GNU parallel is not installed (apt-get install parallel)")
	}
	home := t.TempDir()
	return func(inputs []string, args ...string) string {
		cmd := exec.Command("parallel", append([]string{"--plain", "-j1", "-k", "-0"}, args...)...)
		cmd.Env = append(os.Environ(), "PARALLEL=", "PARALLEL_HOME="+home, "PARALLEL_SHELL=/bin/sh")
		cmd.Stdin = strings.NewReader(strings.Join(inputs, "\x00") + "\x00")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%q: %v\n%s", cmd.Args, err, &stderr)
		}
		return string(out)
	}
}

// paths returns strings in which the rules for paths may differ.
func paths() []string {
	out := []string{
		"", "a.b/c", ".hidden", "dir.d/file", "x.tar.gz", "a/", "a//", "/", "//", "///", "/a", "//a", "a//b", "a//b//",
		".", "..", "...", "a.", "a..", "a/.", "a/..", "a/.h", "x/.h.g", "/.x", "./x", "../x.y/z", " ", " a.b ", "-n", "{}", "{.}",
		`My brother's 12" *** record  (costs $$$).jpg`, `back\slash.x`, "ünï.cödé/ß.x", "\tt.t", "*", "~/x.y", "a&b;c|d.e",
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 150 {
		b := make([]byte, random.IntN(9))
		for i := range b {
			b[i] = "ab.//.. '\\"[random.IntN(10)]
		}
		out = append(out, string(b))
	}
	return out
}

// One job with all inputs (-m) compares the rules; jobs are slow to start.
func TestPathsLikeGNUParallel(t *testing.T) {
	t.Parallel()
	run := gnuParallel(t)
	for _, placeholder := range []string{"{}", "{.}", "{/}", "{//}", "{/.}"} {
		got := split(run(paths(), "-m", "-q", "printf", `%s\0`, placeholder))
		if len(got) != len(paths()) {
			t.Fatalf("%s: GNU parallel passed %d of %d inputs", placeholder, len(got), len(paths()))
		}
		c, err := template.Parse([]string{placeholder}, template.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for i, path := range paths() {
			want, err := c.Expand(input.Item{Text: path}, 1, 1)
			if err != nil {
				t.Fatal(err)
			}
			if got[i] != want[0] {
				t.Errorf("%s of %q: GNU parallel passes %q, we pass %q", placeholder, path, got[i], want[0])
			}
		}
	}
}

func TestArgumentsLikeGNUParallel(t *testing.T) {
	t.Parallel()
	run := gnuParallel(t)
	inputs := []string{"a.b/c.d", "", `it's "$x"  {}.y`}
	for _, args := range [][]string{
		{"{1}", "{-1}", "{1.}", "{1/}", "{1//}", "{-1/.}", "{01}", "{001/}"},
		{"a{}b{.}c{}", "{#}", "{%}", "x{#}y{%}{#}", "{}{}"},
		{"a", "b c", ""}, // {} is appended
		{"n{#}"},         // {} is not
		{"{print}", "{name}", "{ }", "{a,b}", "{1,2}", "{+1}", "{.x}", "}{", "{", "}", `{"a": 1}`, "{}"},
		{"{{1}}", "{{.}}", "{{{/}", "x{1}{2", "{}}"},
	} {
		c, err := template.Parse(append([]string{"printf", `%s\0`}, args...), template.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for i, text := range inputs {
			expanded, err := c.Expand(input.Item{Text: text}, i+1, 1)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, expanded[2:]...)
		}
		got := split(run(inputs, append([]string{"-q", "printf", `%s\0`}, args...)...))
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: GNU parallel passes\n%q, we pass\n%q", args, got, want)
		}
	}
}

// split undoes printf '%s\0'.
func split(out string) []string {
	return strings.Split(strings.TrimSuffix(out, "\x00"), "\x00")
}

func TestColumnsLikeGNUParallel(t *testing.T) {
	t.Parallel()
	run := gnuParallel(t)
	args := []string{"{1}", "{2}", "{3}", "{-1}", "{-3}", "{2.}", "{3/}", "{1//}", "{-2/.}", "{1}{2}{1}"}
	rows := [][]string{{"a.b", "c/d.e", "f"}, {"", "x/", "y y"}, {"/", ".", ".."}}
	c, err := template.Parse(append([]string{"printf"}, args...), template.Options{Columns: true})
	if err != nil {
		t.Fatal(err)
	}
	var want, inputs []string
	for _, row := range rows {
		inputs = append(inputs, strings.Join(row, ";"))
		expanded, err := c.Expand(input.Item{Text: "unused", Fields: row, Format: input.CSV}, 1, 1)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, expanded[1:]...)
	}
	out := run(inputs, append([]string{"--colsep", ";", "--trim", "n", "-q", "printf", `%s\0`}, args...)...)
	if got := split(out); !reflect.DeepEqual(got, want) {
		t.Errorf("GNU parallel passes\n%q, we pass\n%q", got, want)
	}
}
