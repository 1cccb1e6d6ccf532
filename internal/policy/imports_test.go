package policy

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Rooms that stand on the same floor.
const (
	core    = "strand engine braid"
	engines = "threading multiprocessing asyncio"

	examples = core + " " + engines + " lane sim record dashboard export choose cluster cli tasks"
)

// Modules of others, by what they are for.
const (
	system   = "golang.org/x/sys"
	codec    = "github.com/fxamacker/cbor/v2"
	terminal = "golang.org/x/term"
	traces   = "go.opentelemetry.io/otel/trace go.opentelemetry.io/otel/attribute go.opentelemetry.io/otel/codes"
	checkers = "go.uber.org/goleak pgregory.net/rapid github.com/rogpeppe/go-internal"
)

// A rule says what the files of a room may import: which rooms of ours, and
// which modules of others. The standard library is open to all. A name that
// ends in /* means every package below; where several rules fit a room, the
// longest name decides.
type rule struct{ room, ours, theirs string }

// The house, from the ground up. Arrows point down and siblings do not touch;
// internal/* are mechanisms, under every room but above the engine contract.
//
// This is a statement of policy. A new package gets a line here. A line is not
// widened to make a build pass: first say, in docs/design.md, why the arrow is
// right.
var house = []rule{
	{"internal/*", "internal/* strand engine", system},
	{"internal/codec", "strand engine internal/*", codec},
	{"internal/input", "internal/*", "github.com/bmatcuk/doublestar/v4"},
	{"internal/proctest", "internal/*", checkers},
	{"internal/soak", core + " multiprocessing internal/*", system},

	{"strand", "internal/*", ""},
	{"engine", "strand internal/*", ""},
	{"engine/enginetest", core + " internal/*", checkers},
	{"braid", "strand engine internal/*", system},

	{"threading", core + " internal/*", system},
	{"multiprocessing", core + " internal/*", system},
	{"multiprocessing/connection", core + " multiprocessing internal/*", system}, // apart, for package net
	{"asyncio", core + " internal/*", system},
	{"sim", core + " asyncio internal/*", ""},
	{"lane", core + " internal/*", ""}, // in front of any engine, and so of none in particular

	{"record", core + " internal/*", ""},
	{"dashboard", core + " record internal/*", ""},
	{"export", core + " record internal/*", ""},
	{"export/otelspans", core + " record internal/*", traces}, // apart, for those who want them
	{"choose", core + " " + engines + " internal/*", ""},
	{"cluster", core + " internal/*", codec + " github.com/nats-io/nats.go github.com/nats-io/nats-server/v2"},

	{"cli", core + " " + engines + " sim record dashboard export choose cluster internal/*",
		system + " " + terminal + " github.com/spf13/cobra github.com/spf13/pflag" +
			" github.com/schollz/progressbar/v3 github.com/dustin/go-humanize github.com/agnivade/levenshtein"},
	{"tasks", core + " asyncio internal/*", system},
	{"cmd/*", "cli tasks", ""},

	// Examples show what anybody can do, so they have no key to internal/.
	{"examples/*", examples, ""},
	{"examples/asyncio-http", examples, "github.com/valyala/fasthttp"},
}

// What the test files of a room may import besides what the room may, and the
// room itself. Every rule that fits counts.
var houseTests = []rule{
	{"*", core + " engine/enginetest internal/*", checkers + " " + system},
	{"strand", "braid asyncio", ""},                            // its objects must work in every world
	{"braid", engines + " multiprocessing/connection sim", ""}, // examples need an engine, and one program must give one answer on all
	{"multiprocessing", "multiprocessing/connection", ""},      // its connections are of all kinds
	{"lane", engines, ""},                                      // it must work in front of each
	{"record", engines, ""},                                    // it must hear each of them
	{"export", engines, ""},
	{"export/otelspans", engines, "go.opentelemetry.io/otel/sdk"},
	{"cli", "tasks", ""}, // the command's manual is full of them, and its examples are tests
}

// What the core may stand on, with all that its dependencies bring along, on
// every platform: who imports braid downloads this and nothing else.
const (
	coreModules = modulePath + " " + system + " " + codec + " github.com/x448/float16"

	// Packages of the standard library that are too much. The last three are dear at the
	// start of a process, and a worker process starts with all that its program imports:
	// net and os/user bring the C library along, regexp its tables.
	coreNever = "net/http testing net os/user regexp"
)

// fits reports whether name is what pattern says: the same, or below it if
// pattern ends in /*.
func fits(pattern, name string) bool {
	if below, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(name, below)
	}
	return pattern == name
}

// fitsAny reports whether name fits one of the patterns, which stand in one
// string with spaces between them.
func fitsAny(patterns, name string) bool {
	return slices.ContainsFunc(strings.Fields(patterns), func(p string) bool { return fits(p, name) })
}

// provides reports whether one of the modules has package pkg.
func provides(modules, pkg string) bool {
	return slices.ContainsFunc(strings.Fields(modules), func(m string) bool {
		return pkg == m || strings.HasPrefix(pkg, m+"/")
	})
}

// isHelper reports whether a room is for tests only. As in the standard library
// (httptest, fstest), its name says so.
func isHelper(room string) bool { return strings.HasSuffix(path.Base(room), "test") }

// ruleFor returns the rule for the files of a room, or for its tests.
func ruleFor(rules, tests []rule, room string, test bool) (rule, bool) {
	var best rule
	for _, r := range rules {
		if fits(r.room, room) && len(r.room) > len(best.room) {
			best = r
		}
	}
	if best.room == "" {
		return best, false
	}
	if test {
		best.ours += " " + room
		for _, r := range tests {
			if fits(r.room, room) {
				best.ours += " " + r.ours
				best.theirs += " " + r.theirs
			}
		}
	}
	return best, true
}

// checkImports holds a tree to the rules.
func checkImports(t *tree, rules, tests []rule) []string {
	var complaints []string
	unknown := make(map[string]bool)
	for _, s := range t.sources {
		if s.file == nil || s.other {
			continue
		}
		r, ok := ruleFor(rules, tests, s.room(), s.isTest())
		if !ok {
			if !unknown[s.room()] {
				unknown[s.room()] = true
				complaints = append(complaints, fmt.Sprintf(
					"%s: package %s is not in the table: add a line for it to house in internal/policy/imports_test.go",
					s.path, s.room()))
			}
			continue
		}
		for _, spec := range s.file.Imports {
			if why := refuse(s, r, spec); why != "" {
				complaints = append(complaints, t.at(spec.Pos())+": "+why)
			}
		}
	}
	return complaints
}

// refuse says why file s, under rule r, may not have an import, or "".
func refuse(s *source, r rule, spec *ast.ImportSpec) string {
	pkg, _ := strconv.Unquote(spec.Path.Value) // the parser has checked it
	who := s.room()
	if s.isTest() {
		who = "a test of " + who
	}
	first, _, _ := strings.Cut(pkg, "/")
	switch {
	case pkg == "C":
		return who + " may not use cgo: braid builds with the Go toolchain alone"
	case pkg == modulePath || strings.HasPrefix(pkg, modulePath+"/"):
		room := strings.TrimPrefix(strings.TrimPrefix(pkg, modulePath), "/")
		if room == "" {
			room = "braid"
		}
		if isHelper(room) && !s.isTest() && !isHelper(s.room()) {
			return fmt.Sprintf("%s may not import %s, which is for tests", who, room)
		}
		if !fitsAny(r.ours, room) {
			return fmt.Sprintf("%s may not import %s; of ours it may import: %s", who, room, orNothing(r.ours))
		}
	case strings.Contains(first, "."):
		if !provides(r.theirs, pkg) {
			return fmt.Sprintf("%s may not import %s; of others it may import: %s", who, pkg, orNothing(r.theirs))
		}
	case pkg == "testing" || strings.HasPrefix(pkg, "testing/"):
		if !s.isTest() && !isHelper(s.room()) {
			return fmt.Sprintf("%s may not import %s: only tests do, and packages whose names end in test", who, pkg)
		}
	}
	return ""
}

func orNothing(list string) string {
	names := strings.Fields(list)
	if len(names) == 0 {
		return "nothing"
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

func TestImports(t *testing.T) {
	complain(t, checkImports(repository(t), house, houseTests),
		"Arrows point down and siblings do not touch; see docs/hacking.md, “The house rules”.")
}

// TestCore follows the imports of the core, and of the package whose programs start
// themselves again, to their ends.
func TestCore(t *testing.T) {
	present := repository(t).public()
	var pkgs []string
	for _, room := range append(strings.Fields(core), "multiprocessing") {
		if present[room] {
			pkgs = append(pkgs, importPath(room))
		}
	}
	if len(pkgs) == 0 {
		t.Fatalf("none of %s is there", core)
	}
	for _, goos := range []string{"linux", "darwin", "windows"} {
		t.Run(goos, func(t *testing.T) {
			deps := list(t, goos, append([]string{"-deps"}, pkgs...)...)
			for _, p := range deps {
				if p.Standard {
					if fitsAny(coreNever, p.ImportPath) {
						t.Errorf("the core depends on %s", chain(deps, p.ImportPath))
					}
				} else if !provides(coreModules, p.ImportPath) {
					t.Errorf("the core depends on %s; beyond the standard library it may depend on: %s",
						chain(deps, p.ImportPath), orNothing(coreModules))
				}
			}
		})
	}
}

func TestCheckImports(t *testing.T) {
	const ours = `"` + modulePath
	rules := []rule{
		{"low", "", ""},
		{"internal/*", "internal/* low", "golang.org/x/sys"},
		{"internal/special", "", ""},
		{"left", "low braid lowtest internal/*", ""},
		{"right", "low", ""},
		{"lowtest", "low", ""},
		{"braid", "low", ""},
	}
	tests := []rule{{"*", "low", "go.uber.org/goleak"}, {"left", "right", ""}}
	for _, c := range []struct {
		name, path, imports string
		want                string // "" if the import is in order
	}{
		{"down", "left/a.go", ours + `/low"`, ""},
		{"root", "left/a.go", ours + `"`, ""},
		{"below", "left/a.go", ours + `/internal/a/b"`, ""},
		{"standard library", "low/a.go", `"net/http"`, ""},
		{"listed module", "internal/x/a.go", `"golang.org/x/sys/unix"`, ""},
		{"sibling", "left/a.go", ours + `/right"`, "left/a.go:2: left may not import right; of ours it may import: braid, internal/*, low, lowtest"},
		{"sibling, other platform", "left/a_windows.go", ours + `/right"`, "left/a_windows.go:2: left may not import right; of ours it may import: braid, internal/*, low, lowtest"},
		{"up", "low/a.go", ours + `"`, "low/a.go:2: low may not import braid; of ours it may import: nothing"},
		{"itself, no test", "low/a.go", ours + `/low"`, "low/a.go:2: low may not import low; of ours it may import: nothing"},
		{"longest name decides", "internal/special/a.go", ours + `/low"`, "internal/special/a.go:2: internal/special may not import low; of ours it may import: nothing"},
		{"similar name", "low/a.go", `"` + modulePath + `x"`, "low/a.go:2: low may not import " + modulePath + "x; of others it may import: nothing"},
		{"unlisted module", "internal/x/a.go", `"golang.org/x/system"`, "internal/x/a.go:2: internal/x may not import golang.org/x/system; of others it may import: golang.org/x/sys"},
		{"cgo", "low/a.go", `"C"`, "low/a.go:2: low may not use cgo: braid builds with the Go toolchain alone"},
		{"helper", "left/a.go", ours + `/lowtest"`, "left/a.go:2: left may not import lowtest, which is for tests"},
		{"testing", "low/a.go", `"testing/synctest"`, "low/a.go:2: low may not import testing/synctest: only tests do, and packages whose names end in test"},
		{"testing in a helper", "lowtest/a.go", `"testing"`, ""},
		{"testing in a test", "low/a_test.go", `"testing"`, ""},
		{"itself, in a test", "right/a_test.go", ours + `/right"`, ""},
		{"helper in a test", "left/a_test.go", ours + `/lowtest"`, ""},
		{"module in a test", "right/a_test.go", `"go.uber.org/goleak"`, ""},
		{"one test rule", "left/a_test.go", ours + `/right"`, ""},
		{"sibling in a test", "right/a_test.go", ours + `/left"`, "right/a_test.go:2: a test of right may not import left; of ours it may import: low, right"},
		{"new room", "attic/a.go", `"fmt"`, "attic/a.go: package attic is not in the table: add a line for it to house in internal/policy/imports_test.go"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := files(t, c.path, "package p\nimport "+c.imports)
			got := strings.Join(checkImports(tr, rules, tests), "\n")
			if got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}
