package braid

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
)

// A Task is a function from In to Out that can run on any engine. It is made by
// [Define], and then has a name by which other processes know it, or by [Func],
// and then can run in this process only. A Task is immutable, and may be used by
// any number of goroutines.
type Task[In, Out any] struct {
	fn       func(context.Context, In) (Out, error)
	settings settings
	travel   atomic.Pointer[travel] // made on demand
}

// Define makes fn a task called name, with options that are the defaults of all
// its calls. It is called when the program starts, as the value of a package
// variable: a worker process must know the same tasks.
//
// A name consists of letters, digits and the characters ._/-, and begins with a
// letter or digit. Define panics if it does not, if a task of that name exists,
// or if fn is nil.
func Define[In, Out any](name string, fn func(context.Context, In) (Out, error), opts ...Option) *Task[In, Out] {
	if !isName(name) {
		panic(fmt.Sprintf("braid: Define(%q): a task's name consists of letters, digits and ._/- and begins with a letter or digit", name))
	}
	if fn == nil {
		panic(fmt.Sprintf("braid: Define(%q): the function is nil", name))
	}
	t := &Task[In, Out]{fn: fn, settings: settings{}.with(opts)}
	t.settings.name, t.settings.kind = name, nil
	t.settings.makeKind()
	define(t)
	return t
}

// isName is without package regexp because every worker process would begin by
// compiling an expression.
func isName(s string) bool {
	for i, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case i > 0 && (c == '.' || c == '_' || c == '/' || c == '-'):
		default:
			return false
		}
	}
	return s != ""
}

// Func makes fn a task without a place in the list of tasks: fn may be a
// closure, and runs in this process only. A [Name] among the options appears in
// errors and events. It panics if fn is nil.
func Func[In, Out any](fn func(context.Context, In) (Out, error), opts ...Option) *Task[In, Out] {
	if fn == nil {
		panic("braid: Func: the function is nil")
	}
	t := &Task[In, Out]{fn: fn, settings: settings{}.with(opts)}
	t.settings.makeKind()
	return t
}

// Name returns the task's name, or "" if it has none.
func (t *Task[In, Out]) Name() string { return t.settings.name }

// Doc returns the sentence that [Doc] set, or "".
func (t *Task[In, Out]) Doc() string { return t.settings.doc }

// Types returns the types of the task's argument and result.
func (t *Task[In, Out]) Types() (in, out reflect.Type) {
	return reflect.TypeFor[In](), reflect.TypeFor[Out]()
}

// SubmitAny is [Submit] for those who know the types only at run time. The call
// fails with [ErrNotStarted] if in is not an In.
func (t *Task[In, Out]) SubmitAny(ctx context.Context, ex Executor, in any, opts ...Option) *Future[any] {
	s := t.settings.with(opts)
	arg, ok := in.(In)
	if in == nil && reflect.TypeFor[In]().Kind() == reflect.Interface {
		ok = true // nil is an In, though it has no type to assert
	}
	if !ok {
		err := fmt.Errorf("the argument is of type %T, not %v", in, reflect.TypeFor[In]())
		return refused[any](ctx, s, err)
	}
	v := &anyInvocation[In, Out]{task: t, in: arg}
	return launch(ctx, ex, &s, &v.job, v)
}

// A Definition is a task that [Define] made, without its types: what a command
// line, a worker process or a list of tasks needs of it.
type Definition interface {
	// Name returns the task's name.
	Name() string
	// Doc returns the sentence that the option Doc set, or "".
	Doc() string
	// Types returns the types of the task's argument and result.
	Types() (in, out reflect.Type)
	// SubmitAny is Submit for an argument whose type is known only at run
	// time: the call fails with ErrNotStarted if it does not fit.
	SubmitAny(ctx context.Context, ex Executor, in any, opts ...Option) *Future[any]
}

var defined struct {
	mu    sync.RWMutex
	tasks map[string]Definition
}

func define(d Definition) {
	defined.mu.Lock()
	defer defined.mu.Unlock()
	if _, ok := defined.tasks[d.Name()]; ok {
		panic(fmt.Sprintf("braid: Define(%q): a task of that name is defined already", d.Name()))
	}
	if defined.tasks == nil {
		defined.tasks = make(map[string]Definition)
	}
	defined.tasks[d.Name()] = d
}

// Lookup returns the task that was defined under the name.
func Lookup(name string) (Definition, bool) {
	defined.mu.RLock()
	defer defined.mu.RUnlock()
	d, ok := defined.tasks[name]
	return d, ok
}

// Definitions returns all tasks that are defined, sorted by name.
func Definitions() []Definition {
	defined.mu.RLock()
	defer defined.mu.RUnlock()
	ds := make([]Definition, 0, len(defined.tasks))
	for _, d := range defined.tasks {
		ds = append(ds, d)
	}
	slices.SortFunc(ds, func(a, b Definition) int { return cmp.Compare(a.Name(), b.Name()) })
	return ds
}
