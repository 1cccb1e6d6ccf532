package record

import (
	"bytes"
	"errors"
	"time"
)

// Fields are what a line is read into: a [Line], or *spans.
type fields interface {
	// field reads the value of a key, and reports false if it does not know the key.
	field(key []byte, in *scanner) bool
}

// decode reads a line. It returns nil, and no error, for a type that it does not know.
func (s *scanner) decode(line []byte) (fields, error) {
	s.b, s.i, s.err = line, 0, nil
	l := newLine(s.kind())
	if s.err != nil {
		return nil, s.err
	}
	s.i = 0
	s.each(func(key []byte) {
		if l == nil || !l.field(key, s) {
			s.skip(0)
		}
	})
	if s.space(); s.err == nil && s.i < len(s.b) {
		s.fail(errors.New("there is something behind the object"))
	}
	if s.err != nil || l == nil {
		return nil, s.err
	}
	return l, nil
}

// kind returns the type of the line. It comes first, unless somebody has put the keys
// into another order.
func (s *scanner) kind() (kind string) {
	if rest, ok := bytes.CutPrefix(s.b, []byte(`{"type":"`)); ok {
		s.i = len(s.b) - len(rest) - 1
		return s.name()
	}
	found := false
	s.each(func(key []byte) {
		if string(key) == "type" {
			kind, found = s.name(), true
		} else {
			s.skip(0)
		}
	})
	if !found {
		s.fail(errors.New(`it has no "type"`))
	}
	return kind
}

func newLine(kind string) fields {
	switch kind {
	case "run":
		return new(Run)
	case "engine":
		return new(Engine)
	case "input":
		return new(Input)
	case "start":
		return &Start{Attempt: 1}
	case "span":
		return &Span{Attempt: 1, Last: true}
	case "spans":
		return new(spans)
	case "error":
		return new(Error)
	case "retry":
		return &Retry{Attempt: 1}
	case "output":
		return &Output{Attempt: 1}
	case "worker":
		return new(Worker)
	case "progress":
		return new(Progress)
	case "sample":
		return new(Sample)
	case "mark":
		return new(Mark)
	case "advice":
		return new(Advice)
	case "done":
		return new(Done)
	case "dropped":
		return new(Dropped)
	case "end":
		return new(End)
	}
	return nil
}

func (r *Run) field(key []byte, in *scanner) bool {
	switch string(key) {
	case "schema":
		r.Schema = in.text()
	case "id":
		r.ID = in.text()
	case "wall":
		var err error
		if r.Wall, err = time.Parse(time.RFC3339Nano, in.text()); err != nil {
			in.fail(err)
		}
	case "braid":
		r.Braid = in.text()
	case "go":
		r.Go = in.text()
	case "os":
		r.OS = in.text()
	case "arch":
		r.Arch = in.text()
	case "host":
		r.Host = in.text()
	case "pid":
		r.PID = in.int()
	case "cpus":
		r.CPUs = in.int()
	case "name":
		r.Name = in.text()
	case "task":
		r.Task = in.text()
	case "args":
		r.Args = in.texts()
	case "hash":
		r.Hash = in.text()
	case "dir":
		r.Dir = in.text()
	case "parent":
		r.Parent = in.text()
	case "trace":
		r.Trace = in.text()
	case "traceparent":
		r.TraceParent = in.text()
	case "delivers":
		r.Delivers = in.flag()
	default:
		return false
	}
	return true
}

func (e *Engine) field(key []byte, in *scanner) bool {
	switch string(key) {
	case "t":
		e.Time = in.micros()
	case "e":
		e.Number = in.int()
	case "name":
		e.Name = in.text()
	case "kind":
		e.Kind = in.text()
	case "limit":
		e.Limit = in.int()
	case "why":
		e.Why = in.text()
	default:
		return false
	}
	return true
}

func (i *Input) field(key []byte, in *scanner) bool {
	switch string(key) {
	case "t":
		i.Time = in.micros()
	case "i":
		i.Number = in.int()
	case "key":
		i.Key = in.text()
	case "text":
		i.Text = in.text()
	case "cut":
		i.Cut = in.flag()
	default:
		return false
	}
	return true
}

func (s *Start) field(key []byte, in *scanner) bool {
	switch string(key) {
	case "t":
		s.Start = in.micros()
	case "c":
		s.Call = in.call()
	case "e":
		s.Engine = in.int()
	case "w":
		s.Worker = in.int()
	case "i":
		s.Input = in.int()
	case "a":
		s.Attempt = in.int()
	case "q":
		s.Queued = in.micros()
	case "task":
		s.Task = in.name()
	case "pid":
		s.PID = in.int()
	default:
		return false
	}
	return true
}

func (s *Span) field(key []byte, in *scanner) bool {
	switch string(key) {
	case "t":
		s.Start = in.micros()
	case "end":
		s.End = in.micros()
	case "c":
		s.Call = in.call()
	case "e":
		s.Engine = in.int()
	case "w":
		s.Worker = in.int()
	case "i":
		s.Input = in.int()
	case "a":
		s.Attempt = in.int()
	case "q":
		s.Queued = in.micros()
	case "task":
		s.Task = in.name()
	case "state":
		s.State = State(in.name())
	case "pid":
		s.PID = in.int()
	case "parked":
		s.Parked = in.micros()
	case "cpu":
		s.CPU = in.micros()
	case "rss":
		s.RSS = in.integer()
	case "exit":
		s.Exit = in.int()
	case "signal":
		s.Signal = in.name()
	case "err":
		s.Err = in.int()
	case "out":
		s.Out = in.integer()
	case "errout":
		s.ErrOut = in.integer()
	case "again":
		s.Last = !in.flag()
	default:
		return false
	}
	return true
}

func (e *Error) field(key []byte, in *scanner) bool {
	switch string(key) {
	case "n":
		e.Number = in.int()
	case "kind":
		e.Kind = State(in.name())
	case "print":
		e.Print = in.text()
	case "text":
		e.Text = in.text()
	case "stack":
		e.Stack = in.text()
	default:
		return false
	}
	return true
}

func (r *Retry) field(key []byte, in *scanner) bool {
	switch string(key) {
	case "t":
		r.Time = in.micros()
	case "c":
		r.Call = in.call()
	case "i":
		r.Input = in.int()
	case "a":
		r.Attempt = in.int()
	case "delay":
		r.Delay = in.micros()
	default:
		return false
	}
	return true
}

func (o *Output) field(key []byte, in *scanner) bool {
	switch string(key) {
	case "t":
		o.Time = in.micros()
	case "c":
		o.Call = in.call()
	case "i":
		o.Input = in.int()
	case "a":
		o.Attempt = in.int()
	case "stdout":
		o.Stdout = in.text()
	case "stderr":
		o.Stderr = in.text()
	case "cut":
		o.Cut = in.flag()
	default:
		return false
	}
	return true
}

func (w *Worker) field(key []byte, in *scanner) bool {
	switch string(key) {
	case "t":
		w.Time = in.micros()
	case "e":
		w.Engine = in.int()
	case "w":
		w.Number = in.int()
	case "pid":
		w.PID = in.int()
	case "up":
		w.Up = in.flag()
	case "err":
		w.Err = in.int()
	default:
		return false
	}
	return true
}

func (p *Progress) field(key []byte, in *scanner) bool {
	switch string(key) {
	case "t":
		p.Time = in.micros()
	case "c":
		p.Call = in.call()
	case "i":
		p.Input = in.int()
	case "done":
		p.Done = in.integer()
	case "total":
		p.Total = in.integer()
	default:
		return false
	}
	return true
}

func (s *Sample) field(key []byte, in *scanner) bool {
	switch string(key) {
	case "t":
		s.Time = in.micros()
	case "running":
		s.Running = in.int()
	case "queued":
		s.Queued = in.int()
	case "done":
		s.Done = in.int()
	case "failed":
		s.Failed = in.int()
	case "total":
		s.Total = in.int()
	case "cpu":
		s.CPU = in.float()
	case "rss":
		s.RSS = in.integer()
	default:
		return false
	}
	return true
}

func (m *Mark) field(key []byte, in *scanner) bool {
	switch string(key) {
	case "t":
		m.Time = in.micros()
	case "kind":
		m.Kind = in.text()
	case "text":
		m.Text = in.text()
	case "e":
		m.Engine = in.int()
	case "i":
		m.Input, m.About = in.int(), true
	default:
		return false
	}
	return true
}

func (a *Advice) field(key []byte, in *scanner) bool {
	switch string(key) {
	case "t":
		a.Time = in.micros()
	case "code":
		a.Code = in.text()
	case "text":
		a.Text = in.text()
	case "try":
		a.Try = in.text()
	default:
		return false
	}
	return true
}

func (d *Dropped) field(key []byte, in *scanner) bool {
	switch string(key) {
	case "t":
		d.Time = in.micros()
	case "events":
		d.Events = in.integer()
	case "why":
		d.Why = in.text()
	default:
		return false
	}
	return true
}

func (e *End) field(key []byte, in *scanner) bool {
	switch string(key) {
	case "t":
		e.Time = in.micros()
	case "verdict":
		e.Verdict = in.text()
	case "exit":
		e.Exit = in.int()
	case "ok":
		e.OK = in.int()
	case "failed":
		e.Failed = in.int()
	case "stopped":
		e.Stopped = in.int()
	case "skipped":
		e.Skipped = in.int()
	case "total":
		e.Total = in.int()
	default:
		return false
	}
	return true
}
