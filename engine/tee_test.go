package engine

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
)

// TestTee sets every function of two listeners, and no function of a third, by reflection:
// a function that is added to Listener must not be forgotten in Tee.
func TestTee(t *testing.T) {
	var heard []string
	full := func(name string) *Listener {
		l := new(Listener)
		v := reflect.ValueOf(l).Elem()
		for i := range v.NumField() {
			word := name + v.Type().Field(i).Name
			switch v.Type().Field(i).Name {
			case "Queued":
				l.Queued = new(atomic.Int64)
				continue
			case "Track":
				l.Track = func(string, int) *Track { return nil }
				continue
			}
			f := func(Event) { heard = append(heard, word) }
			if v.Type().Field(i).Name == "Context" {
				l.Context = func(ctx context.Context, e Event) context.Context {
					f(e)
					return context.WithValue(ctx, greeting{}, fmt.Sprint(ctx.Value(greeting{}), name))
				}
				continue
			}
			v.Field(i).Set(reflect.ValueOf(f))
		}
		return l
	}
	joined := reflect.ValueOf(Tee(full("a"), nil, new(Listener), full("b"))).Elem()
	for i := range joined.NumField() {
		field := joined.Type().Field(i).Name
		if alone := field == "Queued" || field == "Track"; joined.Field(i).IsNil() != alone {
			t.Errorf("%s is nil: %v, want %v", field, !alone, alone)
		}
		if joined.Field(i).IsNil() {
			continue
		}
		heard = nil
		switch f := joined.Field(i).Interface().(type) {
		case func(Event):
			f(Event{})
		case func(context.Context, Event) context.Context:
			if ctx := f(context.Background(), Event{}); ctx.Value(greeting{}) != "<nil>ab" {
				t.Errorf("the context has %v; want what both put there", ctx.Value(greeting{}))
			}
		}
		if want := []string{"a" + field, "b" + field}; !slices.Equal(heard, want) {
			t.Errorf("%s told %v; want %v", field, heard, want)
		}
	}
}

func TestTeeOfFew(t *testing.T) {
	if l := Tee(); l != nil {
		t.Errorf("Tee() = %v; want nil", l)
	}
	if l := Tee(nil, nil); l != nil {
		t.Errorf("Tee(nil, nil) = %v; want nil", l)
	}
	one := new(Listener)
	if l := Tee(nil, one, nil); l != one {
		t.Errorf("Tee of one listener is %p; want that one, %p", l, one)
	}
	if l := Tee(one, &Listener{Started: func(Event) {}}); l.Finished != nil || l.Started == nil {
		t.Error("Tee has functions that none of its listeners has, or lacks one")
	}
}
