package input

import (
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"
)

func TestExpandBraces(t *testing.T) {
	tests := []struct {
		in   string
		want []string
	}{
		{"a", []string{"a"}},
		{"{a,b}", []string{"a", "b"}},
		{"x{a,b}y{c,d}", []string{"xayc", "xayd", "xbyc", "xbyd"}},
		{"{a,{b,c}d}", []string{"a", "bd", "cd"}},
		{"{,a}b", []string{"b", "ab"}},
		{"{a}", []string{"a"}},
		{"a{}b", []string{"ab"}},
		{`\{a,b\}`, []string{`\{a,b\}`}},
		{`{a\,b,c}`, []string{`a\,b`, "c"}},
		{"[{,}]{a,b}", []string{"[{,}]a", "[{,}]b"}},
		{"{[,],b}", []string{"[,]", "b"}},
		{"{a/b,**}/c", []string{"a/b/c", "**/c"}},
		{"a,b", []string{"a,b"}},
	}
	for _, tt := range tests {
		got, err := expandBraces(nil, "", tt.in)
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q expands to %q, %v, want %q", tt.in, got, err, tt.want)
		}
	}
}

func TestStarsInANameAreOneStar(t *testing.T) {
	for pattern, want := range map[string]string{
		"a**b":         "a*b",
		"***":          "*",
		"a***":         "a*",
		"*[**]*":       "*[**]*",
		`**\**`:        `*\**`,
		`*[\]**]**`:    `*[\]**]*`,
		"a*b*":         "a*b*",
		"**[[]**[!*]*": "*[[]*[!*]*",
	} {
		g, err := compileGlob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := g.alts[0].segments[0].text; got != want {
			t.Errorf("%q is matched as %q, want %q", pattern, got, want)
		}
	}
	for name, want := range map[string]bool{"a": true, "ab": true, "b": false} {
		if got := (segment{wildcard, squeezeStars("a***")}).matches(name); got != want {
			t.Errorf("a*** matches %q: %v, want %v", name, got, want)
		}
	}
}

// match runs the automaton over a path, as walking the tree would.
func (g *glob) match(path string) bool {
	var states []state
	for i := range g.alts {
		states = g.enter(states, state{i, 0})
	}
	names := strings.Split(path, "/")
	for i, name := range names {
		next, match := g.step(states, name, false)
		if i == len(names)-1 {
			return match
		}
		states = next
	}
	return false
}

// The automaton agrees with doublestar.Match on whole paths.
func FuzzGlob(f *testing.F) {
	for _, s := range [][2]string{
		{"**/*.go", "a/b/c.go"}, {"a/**", "a/b"}, {"**/a/**/b", "a/a/b"}, {"{a,b/**}/[!x]?", "b/c/yz"},
		{"a//b", "a/b"}, {`\*`, "*"}, {"**", "a"}, {"a/**/b", "a/b"}, {"[a", "a"}, {"{a,{b,c}/d}", "c/d"}, {"**/**/x", "x"},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, path string) {
		if len(pattern) > 100 || len(path) > 100 || !utf8.ValidString(pattern) || !utf8.ValidString(path) {
			return // bytes that are no UTF-8 are all one to doublestar
		}
		g, err := compileGlob(pattern)
		if err != nil {
			return
		}
		for _, name := range strings.Split(path, "/") {
			if name == "" || strings.HasPrefix(name, ".") || strings.ContainsAny(name, "\\\x00") {
				return // no name, or a hidden one, where the rules differ on purpose
			}
		}
		if strings.Contains(pattern, "[") && strings.Contains(path, "/") {
			return // a class of doublestar may match the slash
		}
		want := false
		for _, alt := range g.alts {
			// What doublestar is given differs where the rules do: ** at the end
			// is at least one name, and doubled slashes are one.
			var texts []string
			for _, seg := range alt.segments {
				if seg.kind == literal {
					texts = append(texts, escape(seg.text))
				} else {
					texts = append(texts, seg.text)
				}
			}
			// Match would validate the rest from wherever it stopped, even in a class.
			want = want || doublestar.MatchUnvalidated(strings.Join(texts, "/"), path)
		}
		if got := g.match(path); got != want {
			t.Errorf("%q matches %q: %v, doublestar says %v", pattern, path, got, want)
		}
	})
}

func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(`\*?[]{}`, s[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
