package braid_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
)

func TestDefine(t *testing.T) {
	if double.Name() != "test/double" || double.Doc() != "Doubles a number." {
		t.Errorf("the task says name %q and doc %q", double.Name(), double.Doc())
	}
	in, out := double.Types()
	if in != reflect.TypeFor[int]() || out != reflect.TypeFor[int]() {
		t.Errorf("Types() = %v, %v, want int, int", in, out)
	}
	d, ok := braid.Lookup("test/double")
	if !ok || d != braid.Definition(double) {
		t.Errorf("Lookup = %v, %v, want the task itself", d, ok)
	}
	if d, ok := braid.Lookup("test/no-such-task"); ok || d != nil {
		t.Errorf("Lookup of an unknown name = %v, %v", d, ok)
	}
}

// fresh returns a name that no task has yet, however often the tests run.
func fresh(name string) string { return fmt.Sprintf("%s.%d", name, names.Add(1)) }

var names atomic.Int64

func TestDefineBadNames(t *testing.T) {
	fn := func(context.Context, int) (int, error) { return 0, nil }
	for _, name := range []string{"", ".hidden", "/root", "-x", "_x", "a b", "a\n", "naïve", "a:b", "a*"} {
		panicText(t, "braid: Define(", func() { braid.Define(name, fn) })
		if _, ok := braid.Lookup(name); ok {
			t.Errorf("the task %q was defined all the same", name)
		}
	}
	for _, name := range []string{"0", "Test.Names_a/b-c", "9lives"} {
		name = fresh(name)
		if got := braid.Define(name, fn).Name(); got != name {
			t.Errorf("the name is %q, want %q", got, name)
		}
	}
}

func TestDefineTwicePanics(t *testing.T) {
	panicText(t, `braid: Define("test/double"): a task of that name is defined already`, func() {
		braid.Define("test/double", func(context.Context, string) (string, error) { return "", nil })
	})
	if d, _ := braid.Lookup("test/double"); d != braid.Definition(double) {
		t.Error("the second definition has replaced the first")
	}
}

func TestNilFunctionPanics(t *testing.T) {
	panicText(t, `braid: Define("test/nil"): the function is nil`, func() { braid.Define[int, int]("test/nil", nil) })
	panicText(t, "braid: Func: the function is nil", func() { braid.Func[int, int](nil) })
}

func TestNameOptionDoesNotRenameADefinition(t *testing.T) {
	name := fresh("test/renamed")
	task := braid.Define(name, func(context.Context, int) (int, error) { return 0, nil }, braid.Name("other"))
	if task.Name() != name {
		t.Errorf("the name is %q, want %q", task.Name(), name)
	}
}

func TestDefinitionsAreSorted(t *testing.T) {
	last, first := fresh("test/zz"), fresh("test/aa")
	braid.Define(last, func(context.Context, int) (int, error) { return 0, nil })
	braid.Define(first, func(context.Context, int) (int, error) { return 0, nil })
	var names []string
	for _, d := range braid.Definitions() {
		names = append(names, d.Name())
	}
	if !slices.IsSorted(names) {
		t.Errorf("Definitions() are not sorted: %v", names)
	}
	for _, want := range []string{first, "test/double", last} {
		if !slices.Contains(names, want) {
			t.Errorf("Definitions() = %v lack %q", names, want)
		}
	}
}

func TestFuncIsNotListed(t *testing.T) {
	task := braid.Func(func(context.Context, int) (int, error) { return 0, errTest }, braid.Name("test/closure"))
	if task.Name() != "test/closure" {
		t.Errorf("the name is %q", task.Name())
	}
	if _, ok := braid.Lookup("test/closure"); ok {
		t.Error("Func has entered its task in the list")
	}
	_, err := braid.Submit(bg, nil, task, 1).Await(bg)
	if te, ok := errors.AsType[*braid.TaskError](err); !ok || te.Task != "test/closure" {
		t.Errorf("the error is %v, want one that names the task", err)
	}
}

func TestSubmitAny(t *testing.T) {
	d, _ := braid.Lookup("test/double")
	if v, err := d.SubmitAny(bg, nil, 21).Await(bg); err != nil || v != 42 {
		t.Errorf("SubmitAny(21) = %v, %v, want 42", v, err)
	}
	for _, arg := range []any{"21", int8(21), nil, []int{21}, new(int)} {
		var retries int
		v, err := d.SubmitAny(bg, nil, arg, braid.Retry(3), braid.RetryOn(func(error) bool { retries++; return true })).Await(bg)
		if v != nil {
			t.Errorf("SubmitAny(%T) gave %v", arg, v)
		}
		isAll(t, err, braid.ErrNotStarted)
		want := "braid: task test/double on submission: the task was not started: the argument is of type "
		if text := err.Error(); len(text) < len(want) || text[:len(want)] != want {
			t.Errorf("the error says %q, want %q…", text, want)
		}
		if retries != 0 {
			t.Errorf("SubmitAny(%T) was retried %d times: it can never succeed", arg, retries)
		}
	}
}

func TestSubmitAnyNilInterface(t *testing.T) {
	var d braid.Definition = braid.Func(func(_ context.Context, err error) (bool, error) { return err == nil, nil })
	if v, err := d.SubmitAny(bg, nil, nil).Await(bg); v != true || err != nil {
		t.Errorf("SubmitAny(nil) to a task that takes an error = %v, %v, want true", v, err)
	}
	if v, err := d.SubmitAny(bg, nil, errTest).Await(bg); v != false || err != nil {
		t.Errorf("SubmitAny(error) = %v, %v, want false", v, err)
	}
}

// policyOf runs a call and returns the policy that its engine saw.
func policyOf(t *testing.T, submit func(ex braid.Executor)) braid.Policy {
	t.Helper()
	var p braid.Policy
	submit(executorFunc(func(ctx context.Context, c *engine.Call) {
		p = c.Spec().Policy
		c.Run(c.Submit(ctx, &engine.Host{Name: "probe"}), 1)
	}))
	return p
}

type executorFunc func(ctx context.Context, c *engine.Call)

func (f executorFunc) Start(ctx context.Context, c *engine.Call) { f(ctx, c) }

func TestOptions(t *testing.T) {
	for _, tc := range []struct {
		name string
		opts []braid.Option
		want braid.Policy
	}{
		{"none", nil, braid.Policy{}},
		{"Timeout", []braid.Option{braid.Timeout(time.Hour)}, braid.Policy{Timeout: time.Hour}},
		{"QueueTimeout", []braid.Option{braid.QueueTimeout(time.Hour)}, braid.Policy{QueueTimeout: time.Hour}},
		{"Retry", []braid.Option{braid.Retry(5)}, braid.Policy{Retry: engine.Retry{Max: 5}}},
		{"Backoff", []braid.Option{braid.Backoff(6, 7)}, braid.Policy{Retry: engine.Retry{Base: 6, Cap: 7}}},
		{"Limit", []braid.Option{braid.Limit(8)}, braid.Policy{Limit: 8}},
		{"negative Limit", []braid.Option{braid.Limit(-8)}, braid.Policy{}},
		{"Ordered(false)", []braid.Option{braid.Ordered(false)}, braid.Policy{Unordered: true}},
		{"Ordered", []braid.Option{braid.Ordered(false), braid.Ordered(true)}, braid.Policy{}},
		{"Idempotent", []braid.Option{braid.Idempotent()}, braid.Policy{Idempotent: true}},
		{"Join", []braid.Option{braid.Join(braid.FirstSuccess)}, braid.Policy{Join: braid.FirstSuccess}},
		{"the last wins", []braid.Option{braid.Timeout(1), braid.Timeout(2)}, braid.Policy{Timeout: 2}},
		{"WithPolicy forgets", []braid.Option{braid.Timeout(1), braid.WithPolicy(braid.Policy{Limit: 3}), braid.Retry(2)}, braid.Policy{Limit: 3, Retry: engine.Retry{Max: 2}}},
	} {
		got := policyOf(t, func(ex braid.Executor) {
			braid.Go(bg, ex, func(context.Context) (int, error) { return 0, nil }, tc.opts...)
		})
		if !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: the policy is %+v, want %+v", tc.name, got, tc.want)
		}
	}
	on := policyOf(t, func(ex braid.Executor) {
		braid.Go(bg, ex, func(context.Context) (int, error) { return 0, nil }, braid.RetryOn(func(err error) bool { return err == errTest }))
	}).Retry.On
	if on == nil || !on(errTest) || on(errWhy) {
		t.Error("RetryOn has not set its function")
	}
}

func TestCallOptionsWinOverTheTasks(t *testing.T) {
	task := braid.Func(func(context.Context, int) (int, error) { return 0, nil }, braid.Timeout(1), braid.Retry(1))
	got := policyOf(t, func(ex braid.Executor) { braid.Submit(bg, ex, task, 0, braid.Timeout(2)) })
	if want := (braid.Policy{Timeout: 2, Retry: engine.Retry{Max: 1}}); !reflect.DeepEqual(got, want) {
		t.Errorf("the policy is %+v, want %+v", got, want)
	}
	// And the task's own options are as they were.
	got = policyOf(t, func(ex braid.Executor) { braid.Submit(bg, ex, task, 0) })
	if want := (braid.Policy{Timeout: 1, Retry: engine.Retry{Max: 1}}); !reflect.DeepEqual(got, want) {
		t.Errorf("the next call's policy is %+v, want %+v", got, want)
	}
}

func TestIndex(t *testing.T) {
	var seen []int
	ex := executorFunc(func(ctx context.Context, c *engine.Call) {
		seen = append(seen, c.Spec().Index)
		c.Run(c.Submit(ctx, &engine.Host{Name: "probe"}), 1)
	})
	braid.Submit(bg, ex, double, 1)
	braid.Submit(bg, ex, double, 1, braid.Index(7))
	collect(braid.Map(bg, ex, double, upTo(2), braid.Index(5)))
	if want := []int{0, 7, 0, 1}; !slices.Equal(seen, want) {
		t.Errorf("the calls have the numbers %v, want %v", seen, want)
	}
}
