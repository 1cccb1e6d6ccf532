package record

import (
	"bytes"
	"errors"
	"time"
)

// decode reads a line. It returns nil, and no error, for a type that it does not know.
func (s *scanner) decode(line []byte) (Line, error) {
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

func newLine(kind string) Line {
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
	case "dropped":
		return new(Dropped)
	case "end":
		return new(End)
	}
	return nil
}

func (r *Run) field(key []byte, s *scanner) bool {
	switch string(key) {
	case "schema":
		r.Schema = s.text()
	case "id":
		r.ID = s.text()
	case "wall":
		var err error
		if r.Wall, err = time.Parse(time.RFC3339Nano, s.text()); err != nil {
			s.fail(err)
		}
	case "braid":
		r.Braid = s.text()
	case "go":
		r.Go = s.text()
	case "os":
		r.OS = s.text()
	case "arch":
		r.Arch = s.text()
	case "host":
		r.Host = s.text()
	case "pid":
		r.PID = s.int()
	case "cpus":
		r.CPUs = s.int()
	case "name":
		r.Name = s.text()
	case "task":
		r.Task = s.text()
	case "args":
		r.Args = s.texts()
	case "hash":
		r.Hash = s.text()
	case "dir":
		r.Dir = s.text()
	case "parent":
		r.Parent = s.text()
	default:
		return false
	}
	return true
}

func (e *Engine) field(key []byte, s *scanner) bool {
	switch string(key) {
	case "t":
		e.Time = s.micros()
	case "e":
		e.Number = s.int()
	case "name":
		e.Name = s.text()
	case "kind":
		e.Kind = s.text()
	case "limit":
		e.Limit = s.int()
	case "why":
		e.Why = s.text()
	default:
		return false
	}
	return true
}

func (i *Input) field(key []byte, s *scanner) bool {
	switch string(key) {
	case "t":
		i.Time = s.micros()
	case "i":
		i.Number = s.int()
	case "key":
		i.Key = s.text()
	case "text":
		i.Text = s.text()
	case "cut":
		i.Cut = s.flag()
	default:
		return false
	}
	return true
}

func (t *Start) field(key []byte, s *scanner) bool {
	switch string(key) {
	case "t":
		t.Start = s.micros()
	case "c":
		t.Call = s.call()
	case "e":
		t.Engine = s.int()
	case "w":
		t.Worker = s.int()
	case "i":
		t.Input = s.int()
	case "a":
		t.Attempt = s.int()
	case "q":
		t.Queued = s.micros()
	case "task":
		t.Task = s.name()
	case "pid":
		t.PID = s.int()
	default:
		return false
	}
	return true
}

func (p *Span) field(key []byte, s *scanner) bool {
	switch string(key) {
	case "t":
		p.Start = s.micros()
	case "end":
		p.End = s.micros()
	case "c":
		p.Call = s.call()
	case "e":
		p.Engine = s.int()
	case "w":
		p.Worker = s.int()
	case "i":
		p.Input = s.int()
	case "a":
		p.Attempt = s.int()
	case "q":
		p.Queued = s.micros()
	case "task":
		p.Task = s.name()
	case "state":
		p.State = State(s.name())
	case "pid":
		p.PID = s.int()
	case "parked":
		p.Parked = s.micros()
	case "cpu":
		p.CPU = s.micros()
	case "rss":
		p.RSS = s.integer()
	case "exit":
		p.Exit = s.int()
	case "signal":
		p.Signal = s.name()
	case "err":
		p.Err = s.int()
	case "out":
		p.Out = s.integer()
	case "errout":
		p.ErrOut = s.integer()
	case "again":
		p.Last = !s.flag()
	default:
		return false
	}
	return true
}

func (e *Error) field(key []byte, s *scanner) bool {
	switch string(key) {
	case "n":
		e.Number = s.int()
	case "kind":
		e.Kind = State(s.name())
	case "print":
		e.Print = s.text()
	case "text":
		e.Text = s.text()
	case "stack":
		e.Stack = s.text()
	default:
		return false
	}
	return true
}

func (r *Retry) field(key []byte, s *scanner) bool {
	switch string(key) {
	case "t":
		r.Time = s.micros()
	case "c":
		r.Call = s.call()
	case "i":
		r.Input = s.int()
	case "a":
		r.Attempt = s.int()
	case "delay":
		r.Delay = s.micros()
	default:
		return false
	}
	return true
}

func (o *Output) field(key []byte, s *scanner) bool {
	switch string(key) {
	case "t":
		o.Time = s.micros()
	case "c":
		o.Call = s.call()
	case "i":
		o.Input = s.int()
	case "a":
		o.Attempt = s.int()
	case "stdout":
		o.Stdout = s.text()
	case "stderr":
		o.Stderr = s.text()
	case "cut":
		o.Cut = s.flag()
	default:
		return false
	}
	return true
}

func (w *Worker) field(key []byte, s *scanner) bool {
	switch string(key) {
	case "t":
		w.Time = s.micros()
	case "e":
		w.Engine = s.int()
	case "w":
		w.Number = s.int()
	case "pid":
		w.PID = s.int()
	case "up":
		w.Up = s.flag()
	case "err":
		w.Err = s.int()
	default:
		return false
	}
	return true
}

func (p *Progress) field(key []byte, s *scanner) bool {
	switch string(key) {
	case "t":
		p.Time = s.micros()
	case "c":
		p.Call = s.call()
	case "i":
		p.Input = s.int()
	case "done":
		p.Done = s.integer()
	case "total":
		p.Total = s.integer()
	default:
		return false
	}
	return true
}

func (p *Sample) field(key []byte, s *scanner) bool {
	switch string(key) {
	case "t":
		p.Time = s.micros()
	case "running":
		p.Running = s.int()
	case "queued":
		p.Queued = s.int()
	case "done":
		p.Done = s.int()
	case "failed":
		p.Failed = s.int()
	case "cpu":
		p.CPU = s.float()
	case "rss":
		p.RSS = s.integer()
	default:
		return false
	}
	return true
}

func (m *Mark) field(key []byte, s *scanner) bool {
	switch string(key) {
	case "t":
		m.Time = s.micros()
	case "kind":
		m.Kind = s.text()
	case "text":
		m.Text = s.text()
	case "e":
		m.Engine = s.int()
	case "i":
		m.Input, m.About = s.int(), true
	default:
		return false
	}
	return true
}

func (a *Advice) field(key []byte, s *scanner) bool {
	switch string(key) {
	case "t":
		a.Time = s.micros()
	case "code":
		a.Code = s.text()
	case "text":
		a.Text = s.text()
	case "try":
		a.Try = s.text()
	default:
		return false
	}
	return true
}

func (d *Dropped) field(key []byte, s *scanner) bool {
	switch string(key) {
	case "t":
		d.Time = s.micros()
	case "events":
		d.Events = s.integer()
	case "why":
		d.Why = s.text()
	default:
		return false
	}
	return true
}

func (e *End) field(key []byte, s *scanner) bool {
	switch string(key) {
	case "t":
		e.Time = s.micros()
	case "verdict":
		e.Verdict = s.text()
	case "exit":
		e.Exit = s.int()
	case "ok":
		e.OK = s.int()
	case "failed":
		e.Failed = s.int()
	case "stopped":
		e.Stopped = s.int()
	case "skipped":
		e.Skipped = s.int()
	case "total":
		e.Total = s.int()
	default:
		return false
	}
	return true
}
