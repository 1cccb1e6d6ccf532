package record_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/record"
	"github.com/go-braid/braid/threading"
)

func TestDevFull(t *testing.T) {
	if l, err := record.Create("/dev/full", record.Run{}, record.Config{OnError: func(error) { t.Error("OnError is told as well") }}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Create = %v, %v; want %v", l, err, syscall.ENOSPC)
	}
}

// TestDiskFull fills a disk while a run is recorded. The run goes on; the log can be read, and
// says what is missing, at the latest when there is room again.
func TestDiskFull(t *testing.T) {
	dir := proctest.Tmpfs(t, "size=1m")
	path := filepath.Join(dir, "run.ndjson")
	var told []error
	done := make(chan struct{})
	l, err := record.Create(path, record.Run{}, record.Config{OnError: func(err error) {
		told = append(told, err)
		close(done)
	}})
	if err != nil {
		t.Fatal(err)
	}
	pool := threading.NewPool(threading.Config{Workers: 2, Listener: l.Listener(record.Engine{Name: "threads"})})
	calls := 0
	for l.Err() == nil {
		mix{"ok"}.run(t, pool, 4000, 1)
		calls += 4000
		_ = l.Flush()
	}
	<-done
	if len(told) != 1 || !errors.Is(told[0], syscall.ENOSPC) || !strings.Contains(told[0].Error(), path) {
		t.Errorf("OnError was told %v; want once that there is no space left", told)
	}
	mix{"ok"}.run(t, pool, 4000, 2)
	calls += 4000
	if err := pool.Close(bg); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(record.End{Verdict: "ok", OK: calls}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Close = %v; want %v", err, syscall.ENOSPC)
	}
	all := read(t, path)
	spans, lost := len(of[*record.Span](all)), 0
	for _, d := range of[*record.Dropped](all) {
		lost += int(d.Events)
		if !strings.Contains(d.Why, "no space left") {
			t.Errorf("events were dropped because of %q", d.Why)
		}
	}
	if spans == 0 || spans+lost < calls {
		t.Errorf("the log has %d spans, and says that %d lines are missing; want %d calls", spans, lost, calls)
	}
	end, ok := all[len(all)-1].(*record.End)
	if !ok || end.OK != calls {
		t.Errorf("the last line is %+v; want the end", all[len(all)-1])
	}
	if info, err := os.Stat(path); err != nil || info.Size() > 1<<20 {
		t.Errorf("the file is %v, %v", info, err)
	}
}
