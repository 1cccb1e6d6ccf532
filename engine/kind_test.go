package engine

import (
	"reflect"
	"testing"
)

// TestKindIs changes each field of a policy, fields of fields included, and expects that
// the kind is told apart from one without the change.
func TestKindIs(t *testing.T) {
	base := Policy{Retry: Retry{Max: 1}}
	if k := NewKind("task", base); !k.Is("task", &base) || k.Is("other", &base) {
		t.Error("a kind is not known by its own name and policy alone")
	}
	var change func(v reflect.Value, path string, check func(path string))
	change = func(v reflect.Value, path string, check func(string)) {
		for i := range v.NumField() {
			f, name := v.Field(i), path+"."+v.Type().Field(i).Name
			before := reflect.ValueOf(f.Interface())
			switch f.Kind() {
			case reflect.Struct:
				change(f, name, check)
				continue
			case reflect.Bool:
				f.SetBool(!f.Bool())
			case reflect.Func:
				f.Set(reflect.ValueOf(func(error) bool { return false }))
			case reflect.Uint8:
				f.SetUint(f.Uint() + 1)
			default:
				f.SetInt(f.Int() + 1)
			}
			check(name)
			f.Set(before)
		}
	}
	p := base
	change(reflect.ValueOf(&p).Elem(), "Policy", func(path string) {
		if NewKind("task", base).Is("task", &p) || NewKind("task", p).Is("task", &base) {
			t.Errorf("a kind does not tell apart another %s", path)
		}
	})
	if first, second := NewKind("", Policy{}), NewKind("", Policy{}); first != second {
		t.Error("calls without a name and a policy are not of one kind")
	}
}
