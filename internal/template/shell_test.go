package template_test

import (
	"bytes"
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/go-braid/braid/internal/input"
	"github.com/go-braid/braid/internal/template"
)

// shells returns a generator of the POSIX shells of the machine, which read
// scripts differently.
func shells(t *testing.T) *rapid.Generator[string] {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no POSIX shell, and scripts are refused there")
	}
	out := []string{"/bin/sh"}
	for _, name := range []string{"bash", "dash", "ksh", "mksh", "busybox"} {
		if path, err := exec.LookPath(name); err == nil {
			out = append(out, path)
		}
	}
	return rapid.SampledFrom(out)
}

// runScript runs a script as an expanded command would.
func runScript(shell, script string) (stdout, stderr string) {
	args := []string{"-c", script}
	if strings.HasSuffix(shell, "busybox") {
		args = append([]string{"sh"}, args...)
	}
	cmd := exec.Command(shell, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Run() // what it printed is what counts
	return out.String(), errs.String()
}

func script(args []string, it input.Item) (string, error) {
	c, err := template.Parse(args, template.Options{Columns: true, Keys: true, Shell: true})
	if err != nil {
		return "", err
	}
	out, err := c.Expand(it, 7, 3)
	if err != nil {
		return "", err
	}
	if len(out) != 3 || out[0] != "/bin/sh" || out[1] != "-c" {
		panic("not the arguments of a shell")
	}
	return out[2], nil
}

// A value arrives byte for byte wherever it may stand.
func TestShellValuesArrive(t *testing.T) {
	const text = `printf '%s\0' {} "{}" '{}' a{}b "$(printf '%s.' "{}" {})" "x'{}" 'y"{}'"{}"'{}'; v={}; printf '%s\0' "$v" # {#}
( printf '%s\0' {} ); { printf "%s\0" "\$\\{}"; }; printf '%s\0' $(( {#} * (2 + 1) )) "$((1)){}" "${v:+{%}}" "<${v#}>{}"`
	all := shells(t)
	rapid.Check(t, func(t *rapid.T) {
		shell := all.Draw(t, "shell")
		value := string(rapid.SliceOf(rapid.OneOf(
			rapid.ByteRange(1, 255),
			rapid.SampledFrom([]byte("'\"\\$`\n !#{}()*?~-&;|<>=")),
		)).Draw(t, "value"))
		s, err := script([]string{text}, input.Item{Text: value})
		if err != nil {
			t.Fatal(err)
		}
		out, stderr := runScript(shell, s)
		v, three := value, "3"
		if v == "" {
			three = "" // ${v:+…} of nothing
		}
		want := []string{v, v, v, "a" + v + "b", v + "." + v + ".", "x'" + v, `y"` + v + v + v, v, v, `$\` + v, "21", "1" + v, three, "<" + v + ">" + v, ""}
		if got := strings.Split(out, "\x00"); !reflect.DeepEqual(got, want) {
			t.Fatalf("%s printed\n%q, want\n%q\nfor\n%s\n%s", shell, got, want, s, stderr)
		}
	})
}

// Whatever the script, a value never runs: it is quoted or refused. The scripts
// are put together at random from the pieces that make shells hard to read.
func TestShellValuesNeverRun(t *testing.T) {
	pieces := []string{
		"{}", "{}", "{}", "{1}", "'", "'", `"`, `"`, `\`, "$", "$(", ")", ")", "(", "((", "))", "$((", "${", "${v:-", "}", "`",
		"#", "\n", "\n", "\\\n", ";", " ", " ", " ", "&", "|", "<", "<<", "<<-E", "\nE\n", "<<<", "=", "v=", "$$", "$v", "$1", "[", "]",
		"case x in x", "case ", "a)", ";;", "esac", "if true; then", "fi", "echo ", "echo ", "f()", "$'", `$"`, "!", "*", "~", "1", "-", "+", "a", "{ ",
	}
	values := []string{
		"x;pwn;", "x\npwn\n", "x\npwn #", "$(pwn)", "`pwn`", "x';pwn;'", `x";pwn;"`, `x\";pwn;"`, `x\';pwn;'`, `x\`, "x)\npwn\n(", "x;};pwn;{",
		"(pwn)", "x$(pwn)", "x))\npwn", "x\nE\npwn\n", "x;;esac;pwn", "x&pwn&", "x|pwn", `x'"$(pwn)`, `x"'$(pwn)`, "v[$(pwn)]", "x\n)\"';pwn;\n",
	}
	all := shells(t)
	ran, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 1, 12).Draw(t, "script"), "")
		value := rapid.SampledFrom(values).Draw(t, "value")
		s, err := script([]string{text}, input.Item{Text: value})
		if err != nil {
			refused++
			return
		}
		ran++
		shell := all.Draw(t, "shell")
		// Another file descriptor: stdout holds what the script echoes.
		out, _ := runScript(shell, "exec 8>&1 >/dev/null 2>&1 </dev/null\npwn() { builtin echo RAN >&8 || echo RAN >&8; }\n"+s)
		if strings.Contains(out, "RAN") {
			t.Fatalf("%s ran the value %q of the script %q:\n%s", shell, value, text, s)
		}
	})
	if ran == 0 || refused == 0 {
		t.Errorf("%d scripts ran and %d were refused: the test shows nothing", ran, refused)
	}
}

func TestScript(t *testing.T) {
	it := input.Item{Text: "it's", Fields: []string{"a b", `"$x"`}, Names: []string{"k", "HOME"}, Format: input.CSV}
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"wc -l {} | sort"}, `wc -l 'it'\''s' | sort`},
		{[]string{"wc -l"}, `wc -l 'it'\''s'`},
		{[]string{"echo", "{}", ">", "{#}.txt"}, `echo 'it'\''s' > 7.txt`}, // joined with spaces, not quoted
		{[]string{`echo "{2}" '{2}' {2}`}, `echo "\"\$x\"" '"$x"' '"$x"'`},
		{[]string{`echo "{k}" {k} ${k} "${HOME}" ${1} ${#} '${k}'`}, `echo "a b" 'a b' ${k} "${HOME}" ${1} ${#} '$a b'`},
		{[]string{`echo \${k} "\${k}" $${k}`}, `echo \$'a b' "\$a b" $$'a b'`},
		{[]string{"echo {{}} `date` ${1} {#}"}, "echo {} `date` ${1} 7"},
		{[]string{"cat {} <in # it's a \"comment"}, `cat 'it'\''s' <in # it's a "comment`},
		{[]string{"# it's\ncat {}"}, "# it's\ncat 'it'\\''s'"},
		{[]string{"echo a#'b' $#{}"}, `echo a#'b' $#'it'\''s'`},
		{[]string{"case {} in a) echo {} ;; esac"}, `case 'it'\''s' in a) echo 'it'\''s' ;; esac`},
		{[]string{"[ -f {} ] && ls *.[ch] {}"}, `[ -f 'it'\''s' ] && ls *.[ch] 'it'\''s'`},
		{[]string{"x=`date`; echo {#}"}, "x=`date`; echo 7"},
		{[]string{"cat {} <<E\n'\nE\n"}, "cat 'it'\\''s' <<E\n'\nE\n"},
	}
	for _, tt := range tests {
		got, err := script(tt.args, it)
		if runtime.GOOS == "windows" {
			if err == nil || !strings.Contains(err.Error(), "which Windows lacks") {
				t.Errorf("%q: %v, want to hear that Windows has no POSIX shell", tt.args, err)
			}
			continue
		}
		if err != nil || got != tt.want {
			t.Errorf("%q gives\n%s\nwant\n%s\n(%v)", tt.args, got, tt.want, err)
		}
	}
}

func TestScriptErrors(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("all scripts are refused")
	}
	tests := []struct{ script, want string }{
		{"echo `cat {}`", "placeholder {}: it stands in or after backquotes, where no value can be quoted safely: put it into a variable at the start of the script, as in v={}; echo \"$v\""},
		{"echo # {}", "it stands in a comment"},
		{"echo ${v:-{}}", "it stands in ${…}"},
		{"echo $((1 + {}))", "it stands in arithmetic"},
		{"(( {} )) && x", "it stands in arithmetic"},
		{"cat <<E\n{}\nE", "it stands in or after a here-document"},
		{"cat <<<x {}", "it stands in or after a here-document"},
		{`echo $'\'' {}`, "it stands in or after $'…'"},
		{`echo "$(case x in x) echo {};; esac)"`, "it stands in or after case in parentheses"},
		{`f() { echo {}; }`, "in or after a function"},
		{`ls a[0-9] {}`, "in or after an array or a pattern in brackets right after a name"},
		{`diff <(sort {}) x`, "in or after <(…)"},
		{`echo \{}`, "it stands right after a backslash"},
		{`echo ${}`, `it stands right after a $, which would make it a variable of the shell: write \$ for a dollar sign`},
		{`echo "${/}"`, "it stands right after a $"},
		{`echo '{}`, "the script ends in a quoted string: a ' is missing"},
		{`echo "{}`, `the script ends in a quoted string: a " is missing`},
		{`echo {} \`, `the script ends in a backslash`},
		{`echo '`, "a ' is missing"},
		{"echo #", "it stands in a comment"}, // the appended one
		{`echo \`, "right after"},
		{"", "there is no command"},
	}
	for _, tt := range tests {
		got, err := script([]string{tt.script}, input.Item{Text: "x"})
		if tt.script == `echo \` { // a space is appended with the placeholder
			if err != nil || got != `echo \ 'x'` {
				t.Errorf("%q gives %q, %v", tt.script, got, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q gives %q, %v, want it to say: %s", tt.script, got, err, tt.want)
		}
	}
}

func TestJoin(t *testing.T) {
	for in, want := range map[string]string{
		"a":         "a",
		"":          "''",
		"a b":       "'a b'",
		"it's":      `'it'\''s'`,
		"--x=1":     "--x=1",
		"X=1":       "'X=1'", // would be an assignment
		"~/x":       "'~/x'",
		"{}":        "'{}'",
		"é":         "'é'",
		"a/b.c:d,e": "a/b.c:d,e",
	} {
		if got := template.Quote(in); got != want {
			t.Errorf("Quote(%q) = %s, want %s", in, got, want)
		}
	}

	all := shells(t)
	rapid.Check(t, func(t *rapid.T) {
		shell := all.Draw(t, "shell")
		arg := rapid.OneOf(
			rapid.Map(rapid.SliceOf(rapid.ByteRange(1, 255)), func(b []byte) string { return string(b) }),
			rapid.StringOf(rapid.SampledFrom([]rune("ab'\"\\$`\n !#{}()*?~-&;|<>=[]%^,@+:./"))),
		)
		args := rapid.SliceOfN(arg, 1, 5).Draw(t, "args")
		line := template.Join(append([]string{"printf", `%s\0`}, args...))
		out, stderr := runScript(shell, line)
		if got := strings.Split(strings.TrimSuffix(out, "\x00"), "\x00"); !reflect.DeepEqual(got, args) {
			t.Fatalf("%s reads %s as %q, want %q\n%s", shell, line, got, args, stderr)
		}
	})
}

func TestLooksLikeShell(t *testing.T) {
	dir := t.TempDir()
	name := "my prog"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	if err := os.WriteFile(dir+"/"+name, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	tests := []struct {
		args []string
		want bool
	}{
		{[]string{"wc -l {} | sort"}, true},
		{[]string{"gzip {}"}, true},
		{[]string{"gzip -k", "{}"}, true},
		{[]string{"a;b"}, true},
		{[]string{"a>b"}, true},
		{[]string{"a&&b"}, true},
		{[]string{"$(which x)"}, true},
		{[]string{"$EDITOR", "{}"}, true},
		{[]string{"~/bin/x"}, true},
		{[]string{"LANG=C", "sort", "{}"}, true},

		{nil, false},
		{[]string{"gzip", "-k", "{}"}, false},
		{[]string{"awk", "{print $1 > 2}"}, false},
		{[]string{"no-such-program"}, false},
		{[]string{"{}"}, false},
		{[]string{`{"a b"}`}, false},
		{[]string{"./{#}"}, false},
		{[]string{"a=b/c=d"[3:]}, false},
		{[]string{"my prog"}, false}, // there is one
	}
	for _, tt := range tests {
		if got := template.LooksLikeShell(tt.args); got != tt.want {
			t.Errorf("LooksLikeShell(%q) = %v, want %v", tt.args, got, tt.want)
		}
	}
}
