package engine

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

// TestBlame has a body end in different ways while its context is done, or not.
func TestBlame(t *testing.T) {
	why := errors.New("no time")
	cleanup := errors.New("the file could not be removed")
	elsewhere := &TaskError{Err: &NotStartedError{Err: ErrSaturated}}
	tests := []struct {
		name        string
		done        bool
		err         error
		interrupted bool
		is, isNot   []error
	}{
		{"its context's error", true, context.Canceled, true, []error{context.Canceled, why}, nil},
		{"wrapped", true, fmt.Errorf("reading: %w", context.Canceled), true, []error{context.Canceled, why}, nil},
		{"the cause alone", true, fmt.Errorf("reading: %w", why), true, []error{context.Canceled, why}, nil},
		{"with an error of a clean-up", true, errors.Join(context.Canceled, cleanup), false, []error{context.Canceled, cleanup}, nil},
		{"another error", true, cleanup, false, []error{cleanup}, []error{context.Canceled}},
		{"out of the blue", false, context.Canceled, false, []error{context.Canceled}, []error{why}},
		{"a call of its own was not started", false, fmt.Errorf("part: %w", elsewhere), false, []error{ErrSaturated}, []error{ErrNotStarted}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			var got error
			c := NewCall(Spec{}, &funcBody{
				run: func(context.Context) error {
					if tt.done {
						cancel(why)
					}
					return tt.err
				},
				done: func(err error) { got = err },
			})
			c.Run(c.Submit(ctx, &Host{Name: "test"}), 1)
			if Interrupted(got) != tt.interrupted || Cancelled(got) != tt.interrupted {
				t.Errorf("Interrupted is %v and Cancelled is %v of %v, want %v", Interrupted(got), Cancelled(got), got, tt.interrupted)
			}
			for _, e := range tt.is {
				if !errors.Is(got, e) {
					t.Errorf("%v does not match %v", got, e)
				}
			}
			for _, e := range tt.isNot {
				if errors.Is(got, e) {
					t.Errorf("%v matches %v", got, e)
				}
			}
			if _, ok := errors.AsType[*NotStartedError](got); ok {
				t.Errorf("%v is found to be a NotStartedError, though the task ran", got)
			}
		})
	}
}

type funcBody struct {
	run  func(context.Context) error
	done func(error)
}

func (b *funcBody) Run(ctx context.Context) error { return b.run(ctx) }
func (b *funcBody) Done(err error)                { b.done(err) }
