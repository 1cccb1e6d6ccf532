package input

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// maxAlternatives bounds what the braces of one pattern expand to: they multiply.
const maxAlternatives = 1000

// A glob is a pattern ready to be walked: a set of alternatives, which are paths
// without braces, cut into segments. Walking them together as one automaton
// visits each directory once and needs no memory of what has been yielded, which
// a walk for each alternative would.
type glob struct {
	pattern string
	alts    []alternative
}

type alternative struct {
	root     string // what the path starts with: "" or "/", or on Windows a volume
	segments []segment
}

type segment struct {
	kind segmentKind
	text string // the name of a literal, the pattern of a wildcard
}

type segmentKind int

const (
	literal  segmentKind = iota // one name
	wildcard                    // a pattern of names
	anyDirs                     // "**", never the last segment
)

// compileGlob cuts a pattern into alternatives and segments. The error says what
// is wrong with the pattern.
func compileGlob(pattern string) (*glob, error) {
	bad := func(why string) (*glob, error) {
		return nil, fmt.Errorf("glob %q: %s", pattern, why)
	}
	slashed := filepath.ToSlash(pattern)
	switch {
	case pattern == "":
		return bad(`the pattern is empty: give one such as "*.txt" or "dir/**"`)
	case strings.ContainsRune(pattern, 0):
		return bad("no file name holds a NUL byte")
	case !doublestar.ValidatePattern(slashed):
		return bad(`the pattern is malformed: each [ and { needs its ] and }, and a backslash something to follow; write \[ or \{ for the character itself`)
	}
	paths, err := expandBraces(nil, "", slashed)
	if err != nil {
		return bad(err.Error())
	}
	g := &glob{pattern: pattern}
	for _, path := range paths {
		alt, err := cutPath(path)
		if err != nil {
			return bad(err.Error())
		}
		g.alts = append(g.alts, alt)
	}
	return g, nil
}

// expandBraces appends to out what prefix+s expands to: {a,b} to a and b. The
// prefix holds no braces any more, and s is a valid pattern.
func expandBraces(out []string, prefix, s string) ([]string, error) {
	open := -1
	depth, start := 0, 0
	var choices []string
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '[':
			i = classEnd(s, i)
		case '{':
			if depth == 0 {
				open, start = i, i+1
			}
			depth++
		case ',':
			if depth == 1 {
				choices = append(choices, s[start:i])
				start = i + 1
			}
		case '}':
			if depth--; depth > 0 {
				continue
			}
			prefix, rest := prefix+s[:open], s[i+1:]
			for _, choice := range append(choices, s[start:i]) {
				var err error
				if out, err = expandBraces(out, prefix, choice+rest); err != nil {
					return nil, err
				}
			}
			return out, nil
		}
	}
	if len(out) == maxAlternatives {
		return nil, fmt.Errorf("its braces expand to more than %d alternatives: give several globs", maxAlternatives)
	}
	return append(out, prefix+s), nil
}

// classEnd returns the index of the bracket that ends the class that starts at i.
func classEnd(s string, i int) int {
	for i++; i < len(s) && s[i] != ']'; i++ {
		if s[i] == '\\' {
			i++
		}
	}
	return i
}

// cutPath cuts an alternative into its segments.
func cutPath(path string) (alternative, error) {
	var alt alternative
	alt.root = filepath.VolumeName(path)
	path = path[len(alt.root):]
	if strings.HasPrefix(path, "/") {
		alt.root += "/"
	}
	if path == "" || strings.HasSuffix(path, "/") {
		return alt, fmt.Errorf("%q stands for directories, but inputs are files: write %q for all that is in them", path, path+"**")
	}
	for text := range strings.SplitSeq(path, "/") {
		seg := segment{text: text}
		switch {
		case text == "":
			continue
		case text == "**":
			seg.kind = anyDirs
			if n := len(alt.segments); n > 0 && alt.segments[n-1].kind == anyDirs {
				continue
			}
		case !doublestar.ValidatePattern(text):
			return alt, errors.New("a class in brackets cannot hold a slash")
		case hasWildcard(text):
			seg.kind, seg.text = wildcard, squeezeStars(text)
		default:
			seg.text = unescape(text)
		}
		alt.segments = append(alt.segments, seg)
	}
	if last := alt.segments[len(alt.segments)-1]; last.kind == anyDirs {
		alt.segments = append(alt.segments, segment{wildcard, "*"})
	}
	return alt, nil
}

func hasWildcard(s string) bool {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '*', '?', '[':
			return true
		}
	}
	return false
}

// squeezeStars makes one star of several in a row, which mean the same within a
// name, but which doublestar does not always match.
func squeezeStars(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		start := i
		switch s[i] {
		case '\\':
			i++
		case '[':
			i = classEnd(s, i)
		case '*':
			if strings.HasPrefix(s[i+1:], "*") {
				continue
			}
		}
		b = append(b, s[start:i+1]...)
	}
	return string(b)
}

func unescape(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
		}
		b = append(b, s[i])
	}
	return string(b)
}

// matches reports whether a name of a directory entry matches the segment, which
// is not anyDirs.
func (seg segment) matches(name string) bool {
	if seg.kind == literal {
		return seg.text == name
	}
	if strings.HasPrefix(name, ".") && !strings.HasPrefix(seg.text, ".") && !strings.HasPrefix(seg.text, `\.`) {
		return false
	}
	return doublestar.MatchUnvalidated(seg.text, name)
}

// A state is a place in a glob: the segment that the next name has to match.
type state struct{ alt, segment int }

func (g *glob) at(s state) segment { return g.alts[s.alt].segments[s.segment] }

// done reports whether the state is behind the last segment.
func (g *glob) done(s state) bool { return s.segment == len(g.alts[s.alt].segments) }

// enter adds to states s and, since ** may stand for no directory at all, the
// state behind it.
func (g *glob) enter(states []state, s state) []state {
	if !slices.Contains(states, s) {
		states = append(states, s)
	}
	if !g.done(s) && g.at(s).kind == anyDirs {
		return g.enter(states, state{s.alt, s.segment + 1})
	}
	return states
}

// step returns where a name leads to: the states for the entries of the directory
// of that name, and whether the name itself is a match. A link keeps no state at
// ** that it had before.
func (g *glob) step(states []state, name string, link bool) (next []state, match bool) {
	hidden := strings.HasPrefix(name, ".")
	for _, s := range states {
		seg := g.at(s)
		if seg.kind == anyDirs {
			if !hidden && !link {
				next = g.enter(next, s)
			}
			continue
		}
		if !seg.matches(name) {
			continue
		}
		if after := (state{s.alt, s.segment + 1}); g.done(after) {
			match = true
		} else {
			next = g.enter(next, after)
		}
	}
	return next, match
}
