package command

import (
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/go-braid/braid/internal/proctest"
)

// A process that a command leaves behind with its output is a leak.
func TestLeaked(t *testing.T) {
	r := newRunner(t, Config{})
	goOn, said := newPipe(t), newPipe(t)
	res, err := r.Run(t.Context(), play("deserter", goOn.path, said.path))
	if err != nil || !res.Leaked {
		t.Errorf("leaked %t, %v", res.Leaked, err)
	}
	if got := text(t, res.Stdout); got != "early\n" {
		t.Errorf("output %q", got)
	}
	res.Close()
	goOn.tell(t)
	said.expect(t, "done")

	res, err = r.Run(t.Context(), play("args", "1"))
	defer res.Close()
	if err != nil || res.Leaked {
		t.Errorf("nothing is left behind: leaked %t, %v", res.Leaked, err)
	}
}

// What lets go of the output in time is no leak, and what it wrote until then is
// part of the output.
func TestReleasedInTime(t *testing.T) {
	proctest.Check(t)
	s, err := newSpool(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	for _, after := range []time.Duration{0, 1, releaseTime - 1, releaseTime + 1} {
		st, err := s.open()
		if err != nil {
			t.Fatal(err)
		}
		held, err := unix.FcntlInt(st.writer.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		o := st.started()
		if !o.reusable {
			t.Skip("NOT TESTED: there is no /proc")
		}
		synctest.Test(t, func(t *testing.T) {
			time.AfterFunc(after, func() {
				unix.Write(held, []byte("late"))
				unix.Close(held)
			})
			began := time.Now()
			leaked := awaitRelease(o)
			if want := after > releaseTime; leaked != want {
				t.Errorf("released after %v: leaked %t", after, leaked)
			}
			if took := time.Since(began); took > releaseTime || took < min(after, releaseTime) {
				t.Errorf("released after %v: it took %v", after, took)
			}
			time.Sleep(time.Second)
		})
		if err := o.finish(); err != nil || o.size != 4 {
			t.Errorf("size %d, %v", o.size, err)
		}
		s.recycle(o)
	}
}
