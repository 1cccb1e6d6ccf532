package strand_test

import (
	"context"
	"testing"
	"time"

	"github.com/go-braid/braid/strand"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var bg = context.Background()

// mustPanic runs f and returns the text of its panic.
func mustPanic(t *testing.T, f func()) (text string) {
	t.Helper()
	defer func() {
		t.Helper()
		switch v := recover().(type) {
		case nil:
			t.Error("there was no panic")
		case string:
			text = v
		default:
			t.Errorf("the panic's value is a %T, want a string", v)
		}
	}()
	f()
	return ""
}

// fakeParker is a parker that runs a function in the place of the wait, so that a
// test says what happens while the strand is parked, and when.
type fakeParker struct {
	strand.Goroutine
	ops []strand.Op

	beforeArm func()                // the strand has decided to wait but is in no list yet
	parked    func()                // it is parked
	wakes     int                   // times that wake was called
	onWake    func(strand.Waitable) // in the call of wake
	sleeps    []time.Duration
	yields    int
	now       time.Time
}

func (p *fakeParker) Park(ctx context.Context, op strand.Op, w strand.Waitable) error {
	p.ops = append(p.ops, op)
	if ctx.Err() != nil {
		return strand.Err(ctx)
	}
	if p.beforeArm != nil {
		p.beforeArm()
	}
	p.wakes = 0
	if !w.Arm(func() {
		p.wakes++
		if p.onWake != nil {
			p.onWake(w)
		}
	}) {
		return nil
	}
	if p.parked != nil {
		p.parked()
	}
	if ctx.Err() != nil && w.Disarm() {
		return strand.Err(ctx)
	}
	if p.wakes != 1 {
		panic("the strand was neither woken nor cancelled")
	}
	return nil
}

func (p *fakeParker) Sleep(ctx context.Context, d time.Duration) error {
	p.sleeps = append(p.sleeps, d)
	p.now = p.now.Add(d)
	return nil
}
func (p *fakeParker) Yield(context.Context) { p.yields++ }
func (p *fakeParker) Now() time.Time        { return p.now }
