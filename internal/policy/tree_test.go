package policy

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"
	"testing/fstest"
)

const modulePath = "github.com/go-braid/braid"

// A source is one text file of the repository. All files are read, whatever
// platform they are for.
type source struct {
	path  string // slash-separated, from the root of the repository
	text  []byte
	other bool // belongs to another module than the one at the root

	file *ast.File // nil if it is not Go, or is test data
}

// room returns the name by which the policy knows the package of s: its import
// path without the module's, and "braid" for the root.
func (s *source) room() string {
	if dir := path.Dir(s.path); dir != "." {
		return dir
	}
	return "braid"
}

func (s *source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }
func (s *source) isData() bool { return strings.Contains("/"+s.path, "/testdata/") }

// isPublic reports whether s belongs to a package that others may import.
func (s *source) isPublic() bool {
	return s.file != nil && !s.other && !s.isTest() && s.file.Name.Name != "main" &&
		!strings.Contains("/"+s.path, "/internal/")
}

// A tree is the repository, read.
type tree struct {
	fset    *token.FileSet
	sources []*source
}

// public returns the rooms that others may import.
func (t *tree) public() map[string]bool {
	rooms := make(map[string]bool)
	for _, s := range t.sources {
		if s.isPublic() {
			rooms[s.room()] = true
		}
	}
	return rooms
}

// at says where pos is, as compilers do.
func (t *tree) at(pos token.Pos) string {
	p := t.fset.Position(pos)
	return fmt.Sprintf("%s:%d", p.Filename, p.Line)
}

// load reads a tree. It leaves out what is not source: hidden folders but for
// .ci, build output, packages of others, and binary files.
func load(fsys fs.FS) (*tree, error) {
	t := &tree{fset: token.NewFileSet()}
	var modules []string // folders of further modules
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			hidden := strings.HasPrefix(name, ".") && name != "." && name != ".ci"
			if hidden || name == "bin" || path.Base(name) == "node_modules" {
				return fs.SkipDir
			}
			if _, err := fs.Stat(fsys, path.Join(name, "go.mod")); err == nil && name != "." {
				modules = append(modules, name+"/")
			}
			return nil
		}
		if name == ".git" || !d.Type().IsRegular() { // a file in a second working tree
			return nil
		}
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		if bytes.IndexByte(text[:min(len(text), 8000)], 0) >= 0 {
			return nil
		}
		s := &source{path: name, text: text}
		for _, m := range modules {
			s.other = s.other || strings.HasPrefix(name, m)
		}
		if path.Ext(name) == ".go" && !s.isData() {
			s.file, err = parser.ParseFile(t.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return err
			}
		}
		t.sources = append(t.sources, s)
		return nil
	})
	return t, err
}

// root is the repository, as seen from this package's folder.
const root = "../.."

// repository reads the repository that this test is part of.
func repository(t *testing.T) *tree {
	t.Helper()
	tr, err := load(os.DirFS(root))
	if err != nil {
		t.Fatalf("reading the repository: %v", err)
	}
	return tr
}

// files makes a tree of path and text in turn.
func files(t *testing.T, pathsAndTexts ...string) *tree {
	t.Helper()
	fsys := make(fstest.MapFS)
	for i := 0; i < len(pathsAndTexts); i += 2 {
		fsys[pathsAndTexts[i]] = &fstest.MapFile{Data: []byte(pathsAndTexts[i+1])}
	}
	tr, err := load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// complain fails t once for each complaint, and says what to do about them.
func complain(t *testing.T, complaints []string, advice string) {
	t.Helper()
	for _, c := range complaints {
		t.Error(c)
	}
	if len(complaints) > 0 {
		t.Log(advice)
	}
}

func TestLoad(t *testing.T) {
	tr := files(t,
		"go.mod", "module m",
		"a.go", "package braid",
		"a_windows.go", "package braid",
		"a_test.go", "package braid_test",
		"x/testdata/broken.go", "no Go at all",
		"bench/go.mod", "module m/bench",
		"bench/b.go", "package bench",
		"internal/i/i.go", "package i",
		"cmd/c/main.go", "package main",
		".git/config", "hidden",
		".ci/run", "#!/bin/sh",
		"bin/tool", "built",
		"logo.png", "\x89PNG\x00",
	)
	var got []string
	for _, s := range tr.sources {
		got = append(got, fmt.Sprint(s.path, " ", s.room(), " ", s.other, s.file != nil, s.isPublic()))
	}
	want := []string{
		".ci/run .ci false false false",
		"a.go braid false true true",
		"a_test.go braid false true false",
		"a_windows.go braid false true true",
		"bench/b.go bench true true false",
		"bench/go.mod bench true false false",
		"cmd/c/main.go cmd/c false true false",
		"go.mod braid false false false",
		"internal/i/i.go internal/i false true false",
		"x/testdata/broken.go x/testdata false false false",
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got:\n%s\nwant:\n%s", g, w)
	}
}
