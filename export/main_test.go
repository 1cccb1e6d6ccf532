package export

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/go-braid/braid/multiprocessing"
	"github.com/go-braid/braid/record"
)

func TestMain(m *testing.M) {
	multiprocessing.Main()
	// The goroutine that starts processes never ends. It is started here, so that no test
	// takes it for a leak.
	p, err := multiprocessing.Start(context.Background(), fragile, 1)
	if err == nil {
		err = p.Join(context.Background())
	}
	if err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent())
}

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with a file in testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: make it with go test ./export -update", err)
	}
	if bytes.Equal(got, want) {
		return
	}
	g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range g {
		if i >= len(w) || g[i] != w[i] {
			t.Fatalf("line %d of %s differs:\ngot  %q\nwant %q", i+1, path, g[i], append(w, "(no line)")[min(i, len(w))])
		}
	}
	t.Fatalf("%s has %d lines more", path, len(w)-len(g))
}

// log returns lines as a record.
func log(lines ...record.Line) []byte {
	var b []byte
	for _, l := range lines {
		b = record.Append(b, l)
	}
	return b
}

func reader(b []byte) *record.Reader { return record.NewReader(bytes.NewReader(b)) }

func at(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

var began = &record.Run{
	Schema: record.Schema, ID: "01JDQ6X9ZK8V3M5N7P9R1T3W5Y", Wall: time.Date(2026, 11, 27, 18, 20, 1, 123456000, time.UTC),
	Braid: "v0.6.0", Go: "go1.26.8", OS: "linux", Arch: "amd64", Host: "build-7", PID: 4242, CPUs: 4,
	Name: "sha256", Task: "sha256", Args: []string{"braid", "run", "sha256", ":::", "a.txt"},
}

// sample is a run with one of everything: threads, worker processes, of which one dies,
// and coroutines that overlap.
func sample() []byte {
	return log(began,
		&record.Engine{Time: at(0.1), Number: 1, Name: "threads", Kind: "threads", Limit: 2, Why: "94 % of the time is on a processor"},
		&record.Worker{Time: at(0.2), Engine: 1, Number: 1, Up: true},
		&record.Input{Time: at(0.3), Number: 0, Text: "a.txt"},
		&record.Input{Time: at(0.4), Number: 1, Text: "it's \"b\",\n=c | `d` <script>@someone</script>.txt"},
		&record.Input{Time: at(0.5), Number: 2, Text: "slow.txt"},
		// A task that awaits one of its own pool, which runs inside of it, and both in the same microsecond.
		&record.Span{Start: at(2), End: at(3), Call: 2, Engine: 1, Worker: 1, Input: 7, Attempt: 1, Queued: at(2), Task: "part", State: record.StateOK, CPU: at(0.5), Last: true},
		&record.Span{Start: at(2), End: at(6), Call: 1, Engine: 1, Worker: 1, Input: 0, Attempt: 1, Queued: at(1), Task: "sha256", State: record.StateOK, CPU: at(3.2), Parked: at(1), Last: true},
		&record.Sample{Time: at(6), Running: 2, Queued: 5, Done: 2, CPU: 1.93, RSS: 12 << 20},
		// A call that fails, fails, and succeeds.
		&record.Error{Number: 1, Kind: record.StateError, Print: "00112233445566aa", Text: "open `b`: | no such file\n# or <b>so</b>"},
		&record.Span{Start: at(3), End: at(4), Call: 3, Engine: 1, Worker: 2, Input: 1, Attempt: 1, Queued: at(1.5), Task: "sha256", State: record.StateError, Err: 1},
		&record.Retry{Time: at(4), Call: 3, Input: 1, Attempt: 1, Delay: at(2)},
		&record.Span{Start: at(6.5), End: at(7), Call: 3, Engine: 1, Worker: 1, Input: 1, Attempt: 2, Queued: at(6), Task: "sha256", State: record.StateError, Err: 1},
		&record.Span{Start: at(9), End: at(9.25), Call: 3, Engine: 1, Worker: 2, Input: 1, Attempt: 3, Queued: at(8.5), Task: "sha256", State: record.StateOK, Last: true},
		&record.Mark{Time: at(8), Kind: "resize", Text: "2 → 4", Engine: 1},
		// Processes.
		&record.Engine{Time: at(9.5), Number: 2, Name: "processes", Kind: "processes", Limit: 1},
		&record.Input{Time: at(9.5), Number: 0, Text: "a.txt"},
		&record.Worker{Time: at(9.6), Engine: 2, Number: 1, PID: 777, Up: true},
		&record.Error{Number: 2, Kind: record.StateCrash, Print: "ffeeddccbbaa9988", Text: "process 777 was killed by SIGKILL"},
		&record.Span{Start: at(10), End: at(14), Call: 4, Engine: 2, Worker: 1, Input: 0, Attempt: 1, Queued: at(9.75), Task: "sha256", State: record.StateCrash, PID: 777, CPU: at(3.9), RSS: 9 << 20, Signal: "SIGKILL", Err: 2, Last: true},
		&record.Worker{Time: at(14), Engine: 2, Number: 1, PID: 777, Err: 2},
		&record.Worker{Time: at(14.5), Engine: 2, Number: 1, PID: 778, Up: true},
		&record.Mark{Time: at(14.6), Kind: "slow", Text: "input 2 takes long", Input: 2, About: true},
		// Coroutines and commands, packed.
		&record.Engine{Time: at(15), Number: 3, Name: "async", Kind: "async", Limit: 256},
		&record.Span{Start: at(16), End: at(20), Call: 5, Engine: 3, Worker: 1, Input: 0, Attempt: 1, Queued: at(15), Task: "fetch", State: record.StateOK, Parked: at(3.5), Last: true},
		&record.Span{Start: at(17), End: at(19), Call: 6, Engine: 3, Worker: 1, Input: 1, Attempt: 1, Queued: at(15.5), Task: "fetch", State: record.StateTimeout, Last: true},
		&record.Span{Start: at(19), End: at(21), Call: 7, Engine: 3, Worker: 1, Input: 2, Attempt: 1, Queued: at(15.75), Task: "fetch", State: record.StateCancelled, Last: true},
		&record.Error{Number: 3, Kind: record.StateRefused, Print: "0123456789abcdef", Text: "the task was not started: the run stops"},
		&record.Span{Start: at(21), End: at(21), Call: 8, Engine: 3, Input: 3, Attempt: 1, Queued: at(16), Task: "fetch", State: record.StateRefused, Err: 3, Last: true},
		&record.Engine{Time: at(21), Number: 4, Name: "exec", Kind: "exec", Limit: 2},
		&record.Span{Start: at(22), End: at(24), Call: 9, Engine: 4, Worker: 9, Input: 2, Attempt: 1, Queued: at(21), Task: "sh", State: record.StateError, PID: 901, CPU: at(1), RSS: 3 << 20, Exit: 3, Out: 12, ErrOut: 34, Last: true},
		&record.Start{Start: at(23), Call: 10, Engine: 4, Worker: 10, Input: 2, Attempt: 1, Queued: at(21.5), Task: "sh", PID: 902},
		&record.Sample{Time: at(24), Running: 1, Done: 4, Failed: 3, CPU: 0.5, RSS: 13 << 20},
		&record.Advice{Time: at(25), Code: "straggler", Text: "one attempt holds the end: it takes 10 × the median", Try: "-j 4"},
		&record.Dropped{Time: at(25), Events: 17, Why: "no space left on device"},
		&record.End{Time: at(26), Verdict: "failed", Exit: 3, OK: 4, Failed: 3, Stopped: 2, Skipped: 1, Total: 10},
	)
}
