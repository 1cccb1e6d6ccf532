package policy

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"slices"
	"strings"
	"testing"
)

// describe lists what a package exports, a line for each name, method, field and
// constant. Names of parameters are left out: they are not part of the promise.
func describe(room string, pkg *types.Package) []string {
	d := &describer{pkg: pkg, prefix: "pkg " + room + ", "}
	for _, name := range pkg.Scope().Names() {
		if obj := pkg.Scope().Lookup(name); obj.Exported() {
			d.object(obj)
		}
	}
	slices.Sort(d.lines)
	return slices.Compact(d.lines)
}

type describer struct {
	pkg    *types.Package
	prefix string
	lines  []string
}

func (d *describer) add(format string, args ...any) {
	d.lines = append(d.lines, d.prefix+fmt.Sprintf(format, args...))
}

func (d *describer) object(obj types.Object) {
	switch obj := obj.(type) {
	case *types.Const:
		typ := " " + d.typ(obj.Type())
		if b, ok := obj.Type().(*types.Basic); ok && b.Info()&types.IsUntyped != 0 {
			typ = ""
		}
		d.add("const %s%s = %s", obj.Name(), typ, value(obj.Val()))
	case *types.Var:
		d.add("var %s %s", obj.Name(), d.typ(obj.Type()))
	case *types.Func:
		sig := obj.Signature()
		d.add("func %s%s%s", obj.Name(), d.typeParams(sig.TypeParams()), d.signature(sig))
	case *types.TypeName:
		d.typeName(obj)
	}
}

func (d *describer) typeName(obj *types.TypeName) {
	if alias, ok := obj.Type().(*types.Alias); ok {
		d.add("type %s%s = %s", obj.Name(), d.typeParams(alias.TypeParams()), d.typ(alias.Rhs()))
		return
	}
	named := obj.Type().(*types.Named)
	name := obj.Name() + d.typeParams(named.TypeParams())
	switch under := named.Underlying().(type) {
	case *types.Struct:
		d.add("type %s struct", name)
		d.fields(obj.Name(), under)
	case *types.Interface:
		d.iface(name, obj.Name(), under)
		return // its methods are in the line
	default:
		d.add("type %s %s", name, d.typ(under))
	}
	d.methods(named)
}

func (d *describer) fields(name string, s *types.Struct) {
	for i := range s.NumFields() {
		f := s.Field(i)
		if !f.Exported() {
			continue
		}
		tag := ""
		if s.Tag(i) != "" {
			tag = fmt.Sprintf(" %q", s.Tag(i))
		}
		if f.Embedded() {
			d.add("type %s struct, embedded %s%s", name, d.typ(f.Type()), tag)
		} else {
			d.add("type %s struct, %s %s%s", name, f.Name(), d.typ(f.Type()), tag)
		}
	}
}

func (d *describer) iface(full, name string, i *types.Interface) {
	if !i.IsMethodSet() { // a constraint
		d.add("type %s %s", full, d.typ(i))
		return
	}
	var names []string
	unexported := false
	for m := range i.Methods() {
		if !m.Exported() {
			unexported = true
			continue
		}
		names = append(names, m.Name())
		d.add("type %s interface, %s%s", name, m.Name(), d.signature(m.Signature()))
	}
	slices.Sort(names)
	if unexported {
		names = append(names, "unexported methods")
	}
	if len(names) == 0 {
		d.add("type %s interface {}", full)
		return
	}
	d.add("type %s interface { %s }", full, strings.Join(names, ", "))
}

// methods lists the methods of a type, those that it has through embedded fields
// among them.
func (d *describer) methods(named *types.Named) {
	recv := named.Obj().Name()
	if tps := named.TypeParams(); tps.Len() > 0 {
		var names []string
		for tp := range tps.TypeParams() {
			names = append(names, tp.Obj().Name())
		}
		recv += "[" + strings.Join(names, ", ") + "]"
	}
	values := types.NewMethodSet(named)
	for sel := range types.NewMethodSet(types.NewPointer(named)).Methods() {
		m := sel.Obj().(*types.Func)
		if !m.Exported() {
			continue
		}
		star := "*"
		if values.Lookup(m.Pkg(), m.Name()) != nil {
			star = ""
		}
		d.add("method (%s%s) %s%s", star, recv, m.Name(), d.signature(sel.Type().(*types.Signature)))
	}
}

func (d *describer) typeParams(list *types.TypeParamList) string {
	if list.Len() == 0 {
		return ""
	}
	var params []string
	for tp := range list.TypeParams() {
		params = append(params, tp.Obj().Name()+" "+d.typ(tp.Constraint()))
	}
	return "[" + strings.Join(params, ", ") + "]"
}

// signature writes a signature without the word func and its type parameters.
func (d *describer) signature(sig *types.Signature) string {
	return strings.TrimPrefix(d.typ(sig), "func")
}

func (d *describer) typ(t types.Type) string {
	return types.TypeString(nameless(t), func(p *types.Package) string {
		if p == d.pkg {
			return ""
		}
		return p.Name()
	})
}

// nameless returns t without the names of parameters and results.
func nameless(t types.Type) types.Type {
	switch t := t.(type) {
	case *types.Signature:
		return types.NewSignatureType(nil, nil, nil, namelessTuple(t.Params()), namelessTuple(t.Results()), t.Variadic())
	case *types.Pointer:
		return types.NewPointer(nameless(t.Elem()))
	case *types.Slice:
		return types.NewSlice(nameless(t.Elem()))
	case *types.Array:
		return types.NewArray(nameless(t.Elem()), t.Len())
	case *types.Map:
		return types.NewMap(nameless(t.Key()), nameless(t.Elem()))
	case *types.Chan:
		return types.NewChan(t.Dir(), nameless(t.Elem()))
	case *types.Named:
		if t.TypeArgs().Len() == 0 {
			return t
		}
		var args []types.Type
		for arg := range t.TypeArgs().Types() {
			args = append(args, nameless(arg))
		}
		if inst, err := types.Instantiate(nil, t.Origin(), args, false); err == nil {
			return inst
		}
	}
	return t
}

func namelessTuple(tuple *types.Tuple) *types.Tuple {
	var vars []*types.Var
	for v := range tuple.Variables() {
		vars = append(vars, types.NewParam(token.NoPos, nil, "", nameless(v.Type())))
	}
	return types.NewTuple(vars...)
}

// value writes a constant; unlike its String method it does not cut it short.
func value(v constant.Value) string {
	if v.Kind() == constant.Float {
		return v.String() // the exact form is a fraction
	}
	return v.ExactString()
}

func TestDescribe(t *testing.T) {
	const text = `package p

import "io"

const Untyped = 1 << 20
const Half = 0.5
const Long = "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789"
const hidden = 1

type Level uint8

const (
	Low Level = iota + 1
	High
)

func (l Level) String() string { return "" }

var ErrX error

type Plain struct {
	A, B    int
	Tagged  string ` + "`json:\"t\"`" + `
	secret  int
	io.Reader
	inner
}

type inner struct{}

func (*inner) Promoted(n int) {}
func (inner) hidden()         {}

func (p *Plain) Do(ctx io.Writer, opts ...func(name string, m map[string]chan<- func(x int) bool) error) (n int, err error) {
	return 0, nil
}

type Box[T any, N ~int | ~float64] struct{ V T }

func (b *Box[T, N]) Get() (v T, n N) { return }

func Map[In, Out any](in Box[In, int], f func(in In) Out, g Seq[func(x In)]) *Box[Out, int] { return nil }

type Seq[V any] func(yield func(v V) bool)

type Number interface{ ~int | ~string }
type Doer interface {
	Do(n int) error
	Also()
	private()
}
type Any interface{}
type Alias = Plain
type Pair[T any] = Box[T, int]
`
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "p.go", text, 0)
	if err != nil {
		t.Fatal(err)
	}
	conf := types.Config{Importer: importer.ForCompiler(fset, "source", nil)}
	pkg, err := conf.Check(modulePath+"/p", fset, []*ast.File{file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := `
pkg p, const Half = 0.5
pkg p, const High Level = 2
pkg p, const Long = "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789"
pkg p, const Low Level = 1
pkg p, const Untyped = 1048576
pkg p, func Map[In any, Out any](Box[In, int], func(In) Out, Seq[func(In)]) *Box[Out, int]
pkg p, method (*Box[T, N]) Get() (T, N)
pkg p, method (*Plain) Do(io.Writer, ...func(string, map[string]chan<- func(int) bool) error) (int, error)
pkg p, method (*Plain) Promoted(int)
pkg p, method (Level) String() string
pkg p, method (Plain) Read([]byte) (int, error)
pkg p, type Alias = Plain
pkg p, type Any interface {}
pkg p, type Box struct, V T
pkg p, type Box[T any, N ~int | ~float64] struct
pkg p, type Doer interface { Also, Do, unexported methods }
pkg p, type Doer interface, Also()
pkg p, type Doer interface, Do(int) error
pkg p, type Level uint8
pkg p, type Number interface{~int | ~string}
pkg p, type Pair[T any] = Box[T, int]
pkg p, type Plain struct
pkg p, type Plain struct, A int
pkg p, type Plain struct, B int
pkg p, type Plain struct, Tagged string "json:\"t\""
pkg p, type Plain struct, embedded io.Reader
pkg p, type Seq[V any] func(func(V) bool)
pkg p, var ErrX error
`
	got := "\n" + strings.Join(describe("p", pkg), "\n") + "\n"
	if got != want {
		t.Errorf("got:%s\nwant:%s", got, want)
	}
}
