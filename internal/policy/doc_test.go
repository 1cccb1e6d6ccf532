package policy

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// checkDocs finds what a public package exports without a word about it. One
// comment above a group of constants or variables speaks for all of them; a field
// or an interface method may have its comment behind it, or be named in that of
// its type, as the Read of io.Reader is.
func checkDocs(t *tree) []string {
	c := &docChecker{tree: t}
	where := make(map[string]string) // room: one of its files
	for _, s := range t.sources {
		if !s.isPublic() {
			continue
		}
		if where[s.room()] == "" {
			where[s.room()] = s.path
		}
		for _, decl := range s.file.Decls {
			c.decl(decl)
		}
	}
	for room, file := range where {
		if !slices.ContainsFunc(t.sources, func(s *source) bool {
			return s.isPublic() && s.room() == room && s.file.Doc != nil
		}) {
			c.complaints = append(c.complaints, file+": package "+room+" has no doc comment: write one in its doc.go")
		}
	}
	slices.Sort(c.complaints)
	return c.complaints
}

type docChecker struct {
	tree       *tree
	complaints []string
}

// want complains unless one of the comments is there.
func (c *docChecker) want(id *ast.Ident, what string, comments ...*ast.CommentGroup) {
	if id.IsExported() && !slices.ContainsFunc(comments, func(g *ast.CommentGroup) bool { return g.Text() != "" }) {
		c.complaints = append(c.complaints, c.tree.at(id.Pos())+": "+what+" has no doc comment")
	}
}

func (c *docChecker) decl(decl ast.Decl) {
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		what := decl.Name.Name
		if decl.Recv != nil {
			recv := receiver(decl.Recv.List[0].Type)
			if !ast.IsExported(recv) {
				return
			}
			what = recv + "." + what
		}
		c.want(decl.Name, what, decl.Doc)
	case *ast.GenDecl:
		for _, spec := range decl.Specs {
			switch spec := spec.(type) {
			case *ast.ValueSpec:
				for _, id := range spec.Names {
					c.want(id, id.Name, spec.Doc, spec.Comment, decl.Doc)
				}
			case *ast.TypeSpec:
				doc := spec.Doc
				if decl.Lparen == token.NoPos {
					doc = decl.Doc
				}
				c.want(spec.Name, spec.Name.Name, doc)
				if spec.Name.IsExported() {
					c.members(spec, doc)
				}
			}
		}
	}
}

// members looks at the fields of a struct and the methods of an interface.
// Embedded ones speak for themselves.
func (c *docChecker) members(spec *ast.TypeSpec, doc *ast.CommentGroup) {
	words := strings.FieldsFunc(doc.Text(), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' })
	var list *ast.FieldList
	switch typ := spec.Type.(type) {
	case *ast.StructType:
		list = typ.Fields
	case *ast.InterfaceType:
		list = typ.Methods
	default:
		return
	}
	for _, f := range list.List {
		for _, id := range f.Names {
			if !slices.Contains(words, id.Name) {
				c.want(id, spec.Name.Name+"."+id.Name, f.Doc, f.Comment)
			}
		}
	}
}

// receiver returns the name of the type that a receiver's type is made of.
func receiver(expr ast.Expr) string {
	switch expr := expr.(type) {
	case *ast.StarExpr:
		return receiver(expr.X)
	case *ast.ParenExpr:
		return receiver(expr.X)
	case *ast.IndexExpr:
		return receiver(expr.X)
	case *ast.IndexListExpr:
		return receiver(expr.X)
	case *ast.Ident:
		return expr.Name
	}
	return ""
}

func TestDocs(t *testing.T) {
	complain(t, checkDocs(repository(t)),
		"Doc comments are the manual: say what it does, units, bounds, defaults, errors, and whether it may block.")
}

func TestCheckDocs(t *testing.T) {
	tr := files(t,
		"good/doc.go", "// Package good is documented.\npackage good",
		"good/good.go", `package good

// A T is documented.
type T struct {
	// A is documented.
	A int
	B, C int // so are these
	other
	hidden int
}

// An I is documented, and so is what its Named does.
type I interface {
	Named()
	Name()
	M() // does something
}

// Levels.
const (
	Low = iota
	High
)

type other struct{ Field int }

func (other) Method() {}

// Method is documented.
func (t *T) Method() {}
`,
		"good/good_test.go", "package good\nfunc Exported() {}",
		"internal/x/x.go", "package x\nfunc Exported() {}",
		"cmd/x/main.go", "package main\nfunc Exported() {}",
		"bad/bad.go", `package bad

type (
	// A is documented.
	A struct{ F, G int }
	B[T any] struct{}
)

func (b *B[T]) Method() {}

func F() {}

//go:noinline
func Directive() {}

const X = 1
var (
	Y int

	// Z is documented.
	Z int
)
`)
	got := strings.Join(checkDocs(tr), "\n")
	want := strings.Join([]string{
		"bad/bad.go: package bad has no doc comment: write one in its doc.go",
		"bad/bad.go:11: F has no doc comment",
		"bad/bad.go:14: Directive has no doc comment",
		"bad/bad.go:16: X has no doc comment",
		"bad/bad.go:18: Y has no doc comment",
		"bad/bad.go:5: A.F has no doc comment",
		"bad/bad.go:5: A.G has no doc comment",
		"bad/bad.go:6: B has no doc comment",
		"bad/bad.go:9: B.Method has no doc comment",
		"good/good.go:15: I.Name has no doc comment",
	}, "\n")
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
