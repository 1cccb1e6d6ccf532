package template_test

import (
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-braid/braid/internal/input"
	"github.com/go-braid/braid/internal/template"
)

var (
	full = template.Options{Columns: true, Keys: true}
	row  = input.Item{
		Text: "d.d/x.tar.gz,two words", Fields: []string{"d.d/x.tar.gz", "two words", ""},
		Names: []string{"file", "First Name", "größe-1.b"}, Format: input.CSV,
	}
)

func expand(t *testing.T, args []string, opts template.Options, it input.Item) ([]string, error) {
	t.Helper()
	c, err := template.Parse(args, opts)
	if err != nil {
		return nil, err
	}
	return c.Expand(it, 7, 3)
}

func TestExpand(t *testing.T) {
	plain := input.Item{Text: "d.d/x.tar.gz"}
	tests := []struct {
		arg  string
		opts template.Options
		item input.Item
		want string
	}{
		{"{}", template.Options{}, plain, "d.d/x.tar.gz"},
		{"{.}", template.Options{}, plain, "d.d/x.tar"},
		{"{/}", template.Options{}, plain, "x.tar.gz"},
		{"{//}", template.Options{}, plain, "d.d"},
		{"{/.}", template.Options{}, plain, "x.tar"},
		{"{1}{-1}{1/.}", template.Options{}, plain, "d.d/x.tar.gzd.d/x.tar.gzx.tar"},
		{"{#}:{%}", template.Options{}, plain, "7:3"},
		{"out/{#}-{/.}.zip", template.Options{}, plain, "out/7-x.tar.zip"},
		{"{}{}", template.Options{}, input.Item{Text: "{}"}, "{}{}"}, // values are not expanded again
		{"<{}>", template.Options{}, input.Item{}, "<>"},
		{`out\{}`, template.Options{}, plain, `out\d.d/x.tar.gz`},

		{"{}", full, row, row.Text},
		{"{1}|{2}|{3}|{-1}|{-2}", full, row, "d.d/x.tar.gz|two words|||two words"},
		{"{1.}|{1/}|{1//}|{1/.}|{-3/.}", full, row, "d.d/x.tar|x.tar.gz|d.d|x.tar|x.tar"},
		{"{file}|{file.}|{file/}|{file//}|{file/.}", full, row, "d.d/x.tar.gz|d.d/x.tar|x.tar.gz|d.d|x.tar"},
		{`{"First Name"}|{"file"/.}`, full, row, "two words|x.tar"},
		{"<{größe-1.b}>", full, row, "<>"},

		// No placeholders.
		{"{file}", template.Options{Columns: true}, row, "{file}"},
		{`{"file"}`, template.Options{Columns: true}, row, `{"file"}`},
		{"{print $1} { } {a,b} {1,2} {1..3} {+1} {-} {1 .} {.x} {///} {#.} {##}", full, row, "{print $1} { } {a,b} {1,2} {1..3} {+1} {-} {1 .} {.x} {///} {#.} {##}"},
		{`{"a": 1} {"a" } {"a`, full, row, `{"a": 1} {"a" } {"a`},
		{"{file..} {a:b} {9a} { file} {-x}", full, row, "{file..} {a:b} {9a} { file} {-x}"},
		{"{ } } {{ {", full, row, "{ } } {{ {"},
		{"x{1", full, row, "x{1"},

		// Escapes, and braces next to placeholders.
		{"{{}}", full, row, "{}"},
		{"{{}2} {{}file} {{}#}", full, row, "{2} {file} {#}"},
		{"{{}{{}.}}", full, row, "{{.}}"},
		{"{{1/}}", full, row, "{x.tar.gz}"},
		{"{{{1/}", full, row, "{{x.tar.gz"},
		{"{{{}}", full, row, "{{}"},
		{`{"a":{{}}}`, full, row, `{"a":{}}`},
	}
	for _, tt := range tests {
		got, err := expand(t, []string{"cmd", tt.arg, "{}"}, tt.opts, tt.item)
		if want := []string{"cmd", tt.want, tt.item.Text}; err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q gives %q, %v, want %q", tt.arg, got, err, want)
		}
	}
}

func TestArgumentsStayArguments(t *testing.T) {
	nasty := `My brother's 12" *** record  (costs $$$).jpg` + "\n; rm -rf /"
	got, err := expand(t, []string{"{}", "", "a b", "-o{}.x", "{} {}"}, template.Options{}, input.Item{Text: nasty})
	want := []string{nasty, "", "a b", "-o" + nasty + ".x", nasty + " " + nasty}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestAppended(t *testing.T) {
	tests := []struct {
		args, want []string
	}{
		{[]string{"gzip", "-k"}, []string{"gzip", "-k", "IN"}},
		{[]string{"gzip", ""}, []string{"gzip", "", "IN"}},
		{[]string{"awk", "{print}"}, []string{"awk", "{print}", "IN"}},
		{[]string{"echo", "{{}}"}, []string{"echo", "{}", "IN"}}, // an escape is none
		{[]string{"echo", "{#}"}, []string{"echo", "7"}},         // as GNU parallel does
		{[]string{"echo", "{%}"}, []string{"echo", "3"}},
		{[]string{"{}"}, []string{"IN"}},
	}
	for _, tt := range tests {
		got, err := expand(t, tt.args, template.Options{}, input.Item{Text: "IN"})
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q gives %q, %v, want %q", tt.args, got, err, tt.want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	tests := []struct {
		args []string
		opts template.Options
		want string
	}{
		{nil, full, "there is no command to run"},
		{[]string{""}, full, "there is no command to run"},
		{[]string{"x", "{0}"}, full, "placeholder {0}: columns are counted from 1, or from -1 at the end; if it is no placeholder, write {{}0}"},
		{[]string{"x", "{-0/}"}, full, "placeholder {-0/}: columns are counted from 1"},
		{[]string{"x", "{99999999999999999999}"}, full, "no input has so many columns"},
		{[]string{"grep", "[0-9]{3}", "{}"}, template.Options{}, "placeholder {3}: plain inputs have 1 column; more need CSV or NDJSON, or several inputs at once; if it is no placeholder, write {{}3}"},
		{[]string{"x", "{-2}"}, template.Options{}, "plain inputs have 1 column"},
	}
	for _, tt := range tests {
		c, err := template.Parse(tt.args, tt.opts)
		if err == nil || c != nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Parse(%q) = %v, %v, want it to say: %s", tt.args, c, err, tt.want)
		}
	}
}

// The text that an error tells to write gives the text it speaks of.
func TestEscapeInErrorsIsRight(t *testing.T) {
	for _, arg := range []string{"{0}", "{5/.}", "{-7}"} {
		_, err := expand(t, []string{"x", arg}, full, row)
		if err == nil {
			t.Fatalf("%s: no error", arg)
		}
		_, advice, _ := strings.Cut(err.Error(), "write ")
		got, err := expand(t, []string{"x", advice}, full, row)
		if err != nil || got[1] != arg {
			t.Errorf("%s: following the advice %q gives %q, %v", arg, advice, got, err)
		}
	}
}

// An argument that has the input stands there for each of a group.
func TestGroup(t *testing.T) {
	group := input.Item{Text: "x/a.b it's", Fields: []string{"x/a.b", "it's"}}
	rest := input.Item{Text: "z", Fields: []string{"z"}}
	columns := template.Options{Columns: true}
	for _, tt := range []struct {
		args []string
		item input.Item
		opts template.Options
		want []string
	}{
		{[]string{"c"}, group, columns, []string{"c", "x/a.b", "it's"}},
		{[]string{"c", "{}", "end"}, group, columns, []string{"c", "x/a.b", "it's", "end"}},
		{[]string{"c", "-i{/.}={}"}, group, columns, []string{"c", "-ia=x/a.b", "-iit's=it's"}},
		{[]string{"c", "{2}", "{1//}", "{-1}"}, group, columns, []string{"c", "it's", "x", "it's"}},
		{[]string{"c", "{#}:{%}", "{1}:{}"}, group, columns, []string{"c", "7:3", "x/a.b:x/a.b", "x/a.b:it's"}},
		{[]string{"c", "{}"}, rest, columns, []string{"c", "z"}},
		{[]string{"{}", "{}"}, rest, columns, []string{"z", "z"}},
	} {
		c, err := template.Parse(tt.args, tt.opts)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.Expand(tt.item, 7, 3); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%q with %q is %q, %v; want %q", tt.args, tt.item.Group(), got, err, tt.want)
		}
	}
	if runtime.GOOS != "windows" {
		for script, want := range map[string]string{
			`c {}`:       `c 'x/a.b' 'it'\''s'`,
			`c "-{}" $1`: `c "-x/a.b it's" $1`,
			`c '{/}'`:    `c 'a.b it'\''s'`,
			`c {2}`:      `c 'it'\''s'`,
		} {
			c, err := template.Parse([]string{script}, template.Options{Shell: true, Columns: true})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := c.Expand(group, 1, 1); err != nil || got[2] != want {
				t.Errorf("%s is %q, %v; want %s", script, got, err, want)
			}
		}
	}
	text, err := template.ParseText("<{.}>", template.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := text.Expand(group, 1, 1); err != nil || got != "<x/a it's>" {
		t.Errorf("as a text it is %q, %v", got, err)
	}
	c, err := template.Parse([]string{"c", "{2}"}, columns)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Expand(rest, 1, 1); err == nil || !strings.Contains(err.Error(), "placeholder {2}: there is no input 2: the group has 1") {
		t.Errorf("an input that is not there: %v", err)
	}
}

func TestExpandErrors(t *testing.T) {
	object := input.Item{Text: `{"a":1}`, Fields: []string{"1"}, Names: []string{"a"}, Format: input.NDJSON}
	tests := []struct {
		arg  string
		item input.Item
		want string
	}{
		{"{4}", row, "placeholder {4}: there is no column 4: the record has 3; if it is no placeholder, write {{}4}"},
		{"a{-4.}b", row, "placeholder {-4.}: there is no column -4"},
		{"{size}", row, `placeholder {size}: there is no key "size": the input has "file", "First Name", "größe-1.b"; if it is no placeholder, write {{}size}`},
		{`{"a b"}`, input.Item{Text: "x"}, `placeholder {"a b"}: there is no key "a b": the input has no keys`},
		{"{1}", object, `the input is a JSON object, whose values have names: "a"`},
		{"{}", input.Item{Text: "a\x00b"}, "the input holds a NUL byte, which no command line can; if NUL bytes end the inputs, read them as NUL-terminated"},
	}
	for _, tt := range tests {
		got, err := expand(t, []string{"x", tt.arg}, full, tt.item)
		if err == nil || got != nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q with %q = %q, %v, want it to say: %s", tt.arg, tt.item.Text, got, err, tt.want)
		}
	}
}

func TestWindowsPaths(t *testing.T) {
	if runtime.GOOS != "windows" {
		t.Skip("backslashes separate directories on Windows only")
	}
	for in, want := range map[string]string{
		`C:\dir.d\x.tar.gz`: `C:\dir.d\x.tar|x.tar.gz|C:\dir.d|x.tar`,
		`C:x.y`:             `C:x|x.y|C:.|x`,
		`a/b\c`:             `a/b\c|c|a/b|c`,
		`C:\x`:              `C:\x|x|C:\|x`,
	} {
		got, err := expand(t, []string{"x", "{.}|{/}|{//}|{/.}"}, template.Options{}, input.Item{Text: in})
		if err != nil || got[1] != want {
			t.Errorf("%q gives %q, %v, want %q", in, got, err, want)
		}
	}
}

// twin is the grammar as a regular expression.
var twin = regexp.MustCompile(`\{\{\}|\{(?:#|%|((?:-?[0-9]+|"[^"]*"|[\pL_](?:[\pL\p{Nd}_.-]*[\pL\p{Nd}_-])?)?)(//|/\.|/|\.)?)\}`)

func FuzzExpand(f *testing.F) {
	for _, s := range []string{"{}", "{{}}", "{1.}{a/}{\"b c\"//}", "{{{}}{#}{%}", "{a..}{a.b.}{-1}{0}{007}", "{\"", "{é}", "{\xff}", "{a\xff}"} {
		f.Add(s, "dir/x.tar.gz")
	}
	f.Fuzz(func(t *testing.T, arg, text string) {
		it := input.Item{Text: text, Fields: []string{text, "b"}, Names: []string{"a", "b c"}, Format: input.CSV}
		got, err := expand(t, []string{"x", arg, "{}"}, full, it)
		wantErr := strings.Contains(text+arg, "\x00")
		want := twin.ReplaceAllStringFunc(arg, func(s string) string {
			switch s {
			case "{{}":
				return "{"
			case "{#}":
				return "7"
			case "{%}":
				return "3"
			}
			m := twin.FindStringSubmatch(s)
			var value string
			switch subject := strings.Trim(m[1], `"`); {
			case subject == "" && m[1] == "":
				value = text
			case subject == "a", m[1][0] != '"' && number(subject) == 1, m[1][0] != '"' && number(subject) == -2:
				value = text
			case m[1] == `"b c"`, m[1][0] != '"' && number(subject) == 2, m[1][0] != '"' && number(subject) == -1:
				value = "b"
			default:
				wantErr = true
			}
			return naive(m[2], value)
		})
		if (err != nil) != wantErr {
			t.Fatalf("%q with %q: error %v, want one: %v", arg, text, err, wantErr)
		}
		if err == nil && !reflect.DeepEqual(got, []string{"x", want, text}) {
			t.Errorf("%q with %q gives %q, want %q", arg, text, got[1], want)
		}
	})
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

// naive is GNU parallel's own text: regular expressions, and for {//} that of
// dirname in Perl's File::Basename.
func naive(op, s string) string {
	if runtime.GOOS == "windows" {
		return windowsOnly(op, s)
	}
	cutExt := func(s string) string { return regexp.MustCompile(`(?s)\.[^/.]*\z`).ReplaceAllString(s, "") }
	cutDir := func(s string) string { return regexp.MustCompile(`(?s)\A.*/`).ReplaceAllString(s, "") }
	strip := func(s string) string { return regexp.MustCompile(`(?s)(.)/*\z`).ReplaceAllString(s, "$1") }
	split := func(s string) (dir, base string) {
		m := regexp.MustCompile(`(?s)\A(.*/)?([^/]*)\z`).FindStringSubmatch(s)
		if m[1] == "" {
			m[1] = "./"
		}
		return m[1], m[2]
	}
	switch op {
	case ".":
		return cutExt(s)
	case "/":
		return cutDir(s)
	case "/.":
		return cutExt(cutDir(s))
	case "//":
		dir, base := split(s)
		dir = strip(dir)
		if base == "" {
			dir, _ = split(dir)
			dir = strip(dir)
		}
		return dir
	}
	return s
}

// windowsOnly stands in for naive where paths have volumes, by way of the package
// itself, so that the rest of the twin still counts.
func windowsOnly(op, s string) string {
	c, err := template.Parse([]string{"x", "{" + op + "}"}, template.Options{})
	if err != nil {
		panic(err)
	}
	args, err := c.Expand(input.Item{Text: s}, 1, 1)
	if err != nil {
		return s
	}
	return args[1]
}
