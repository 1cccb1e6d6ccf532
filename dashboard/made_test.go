package dashboard

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/go-braid/braid/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ms = time.Millisecond

var wall = time.Date(2026, 11, 27, 18, 20, 1, 0, time.UTC)

func theRun() *record.Run {
	return &record.Run{
		Schema: record.Schema, ID: "01KB2XJ7T8QWERTY0123456789", Wall: wall, Braid: "v0.1", Go: "go1.26.0", OS: "linux", Arch: "amd64",
		Host: "elsewhere", PID: 1 << 22, CPUs: 4, Name: "sha256", Task: "sha256", Args: []string{"braid", "run", "sha256"},
	}
}

// A story writes the lines of a run that never was.
type story struct {
	rand   *rand.Rand
	lines  []record.Line
	at     []time.Duration // until when each lane is taken
	call   uint64
	ok     int
	failed int
}

// tell returns the lines of a run of n calls on threads and worker processes, with
// failures, retries, crashes, and attempts that are told of when they begin.
func tell(n int, seed uint64) *story {
	s := &story{rand: rand.New(rand.NewPCG(seed, 1)), at: make([]time.Duration, 8)}
	s.add(theRun(),
		&record.Engine{Number: 1, Name: "threads", Kind: "threads", Limit: 4, Why: "--engine"},
		&record.Engine{Number: 2, Name: "processes", Kind: "processes", Limit: 4},
		&record.Error{Number: 1, Kind: record.StateError, Print: "aaaaaaaaaaaaaaaa", Text: "open file 1: no such file"},
		&record.Error{Number: 2, Kind: record.StateError, Print: "aaaaaaaaaaaaaaaa", Text: "open file 2: no such file"},
		&record.Error{Number: 3, Kind: record.StateCrash, Print: "bbbbbbbbbbbbbbbb", Text: "the worker died: signal: killed", Stack: "goroutine 1"},
	)
	for i := range n {
		s.one(i)
	}
	return s
}

func (s *story) add(lines ...record.Line) *story {
	s.lines = append(s.lines, lines...)
	return s
}

// one adds a call and its attempts.
func (s *story) one(i int) {
	lane := 0
	for k := range s.at {
		if s.at[k] < s.at[lane] {
			lane = k
		}
	}
	s.call++
	s.add(&record.Input{Time: s.at[lane], Number: i, Text: fmt.Sprintf("file-%d.txt", i)})
	engine, worker, pid := 1+lane/4, 1+lane%4, 0
	if engine == 2 {
		pid = 100 + worker
	}
	for attempt := 1; ; attempt++ {
		start := s.at[lane] + time.Duration(s.rand.IntN(50))*time.Microsecond
		end := start + time.Duration(1+s.rand.IntN(20_000))*time.Microsecond
		s.at[lane] = end
		if s.rand.IntN(10) == 0 {
			s.add(&record.Start{Start: start, Call: s.call, Engine: engine, Worker: worker, Input: i, Attempt: attempt, Queued: start / 2, Task: "sha256", PID: pid})
		}
		span := &record.Span{
			Start: start, End: end, Call: s.call, Engine: engine, Worker: worker, Input: i, Attempt: attempt, Queued: start / 2,
			Task: "sha256", State: record.StateOK, PID: pid, CPU: (end - start) / 2, RSS: 1 << 20, Last: true,
		}
		switch s.rand.IntN(100) {
		case 0, 1:
			span.State, span.Err = record.StateError, 1+s.rand.IntN(2)
		case 2:
			span.State, span.Err, span.Last = record.StateError, 1, false
		case 3:
			if engine == 2 {
				span.State, span.Err, span.Signal = record.StateCrash, 3, "SIGKILL"
			}
		}
		s.add(span)
		if span.State == record.StateCrash {
			s.add(&record.Worker{Time: end, Engine: 2, Number: worker, PID: pid, Err: 3},
				&record.Worker{Time: end + ms, Engine: 2, Number: worker, PID: pid + 100, Up: true},
				&record.Output{Time: end, Call: s.call, Input: i, Attempt: attempt, Stderr: "out of luck"})
			s.at[lane] += ms
		}
		if span.Last {
			if span.State == record.StateOK {
				s.ok++
			} else {
				s.failed++
			}
			break
		}
		s.add(&record.Retry{Time: end, Call: s.call, Input: i, Attempt: attempt, Delay: ms})
	}
	if i%64 == 0 {
		s.add(&record.Sample{Time: s.now(), Running: 8, Queued: 100, Done: s.ok, Failed: s.failed, CPU: 3.5, RSS: 1 << 25})
	}
}

func (s *story) now() time.Duration {
	t := s.at[0]
	for _, at := range s.at {
		t = max(t, at)
	}
	return t
}

// end ends the run.
func (s *story) end() *story {
	verdict := "ok"
	if s.failed > 0 {
		verdict = "failed"
	}
	s.add(&record.End{Time: s.now(), Verdict: verdict, OK: s.ok, Failed: s.failed, Total: s.ok + s.failed})
	return s
}

// log returns the lines as they stand in a log.
func (s *story) log() []byte {
	var b []byte
	for _, l := range s.lines {
		b = record.Append(b, l)
	}
	return b
}

// file writes the log to a file.
func (s *story) file(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "events.ndjson")
	if err := os.WriteFile(path, s.log(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// model folds the lines.
func (s *story) model() *Model {
	m := NewModel()
	for _, l := range s.lines {
		m.Add(l)
	}
	return m
}

// picture returns the snapshot of a model, decoded.
func picture(t testing.TB, m *Model) *decoded {
	t.Helper()
	var b bytes.Buffer
	if err := m.writeSnapshot(&b, textBudget{}, nil); err != nil {
		t.Fatal(err)
	}
	d, err := decodeSnapshot(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return d
}
