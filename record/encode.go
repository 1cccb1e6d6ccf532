package record

import (
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
	"time"
	"unicode/utf8"
)

// The encoder is written by hand: it runs beside tasks that take microseconds, and
// reflection would cost as much as some of them.

// The functions that append a value take the text in front of it: a comma, for the type
// always comes first, the key and a colon.

func head(b []byte, kind string) []byte {
	b = append(b, `{"type":"`...)
	b = append(b, kind...)
	return append(b, '"')
}

// number appends a number that is left out if it is 0.
func number(b []byte, key string, n int) []byte { return long(b, key, int64(n)) }

// long is number for more bits.
func long(b []byte, key string, n int64) []byte {
	if n == 0 {
		return b
	}
	return always(b, key, n)
}

// always appends a number. It is inlined, and so what copies the key knows its length.
func always(b []byte, key string, n int64) []byte { return integer(append(b, key...), n) }

func integer(b []byte, n int64) []byte {
	if n < 0 {
		return digits(append(b, '-'), -uint64(n))
	}
	return digits(b, uint64(n))
}

func call(b []byte, n uint64) []byte { return digits(append(b, `,"c":`...), n) }

// nth appends which attempt it is, unless it is the first.
func nth(b []byte, n int) []byte {
	if n == 1 {
		return b
	}
	return always(b, `,"a":`, int64(n))
}

// digits is strconv.AppendUint at a quarter of its cost.
func digits(b []byte, n uint64) []byte {
	if n < 10 {
		return append(b, byte('0'+n))
	}
	if n < 1e8 {
		word := eight(n)
		zeros := bits.TrailingZeros64(word) / 8
		return binary.LittleEndian.AppendUint64(b, (word|asDigits)>>(8*zeros))[:len(b)+8-zeros]
	}
	return binary.LittleEndian.AppendUint64(digits(b, n/1e8), eight(n%1e8)|asDigits)
}

// asDigits makes eight numbers below ten the digits that they are.
const asDigits = 0x3030303030303030

// eight returns the eight decimal places of n, the first in the lowest byte. It splits all
// parts of the word at once: into fours, pairs and single ones. To divide, it multiplies by
// a fraction that is exact for numbers that small.
func eight(n uint64) uint64 {
	high := n / 10000
	fours := high | (n-10000*high)<<32
	high = fours * 10486 >> 20 & 0x0000007f_0000007f // by 100
	pairs := high | (fours-100*high)<<16
	high = pairs * 103 >> 10 & 0x000f000f_000f000f // by 10
	return high | (pairs-10*high)<<8
}

// micros appends a time, and alwaysMicros also one that is 0.
func micros(b []byte, key string, d time.Duration) []byte {
	return long(b, key, int64(d/time.Microsecond))
}

func alwaysMicros(b []byte, key string, d time.Duration) []byte {
	return always(b, key, int64(d/time.Microsecond))
}

func text(b []byte, key, s string) []byte {
	if s == "" {
		return b
	}
	return quote(append(b, key...), s)
}

func flag(b []byte, key string, set bool) []byte {
	if !set {
		return b
	}
	b = append(b, key...)
	return append(b, "true"...)
}

func float(b []byte, key string, f float64) []byte {
	if f == 0 || math.IsNaN(f) || math.IsInf(f, 0) {
		return b
	}
	return strconv.AppendFloat(append(b, key...), f, 'g', -1, 64)
}

const hexDigits = "0123456789abcdef"

// quote appends s as a JSON string. Invalid UTF-8 becomes U+FFFD.
func quote(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' && c != 0x7f {
				i++
				continue
			}
			b = append(b, s[from:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\n':
				b = append(b, '\\', 'n')
			case '\r':
				b = append(b, '\\', 'r')
			case '\t':
				b = append(b, '\\', 't')
			default: // also the one that terminals take for a command
				b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			i++
			from = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b = append(b, s[from:i]...)
			b = append(b, "\ufffd"...)
			from = i + n
		case r == '\u2028' || r == '\u2029': // which end a line for some readers
			b = append(b, s[from:i]...)
			b = append(b, `\u202`...)
			b = append(b, hexDigits[r&15])
			from = i + n
		}
		i += n
	}
	b = append(b, s[from:]...)
	return append(b, '"')
}

func (r *Run) append(b []byte) []byte {
	b = head(b, "run")
	b = text(b, `,"schema":`, r.Schema)
	b = text(b, `,"id":`, r.ID)
	if !r.Wall.IsZero() {
		b = text(b, `,"wall":`, r.Wall.UTC().Format(time.RFC3339Nano))
	}
	b = text(b, `,"braid":`, r.Braid)
	b = text(b, `,"go":`, r.Go)
	b = text(b, `,"os":`, r.OS)
	b = text(b, `,"arch":`, r.Arch)
	b = text(b, `,"host":`, r.Host)
	b = number(b, `,"pid":`, r.PID)
	b = number(b, `,"cpus":`, r.CPUs)
	b = text(b, `,"name":`, r.Name)
	b = text(b, `,"task":`, r.Task)
	if len(r.Args) > 0 {
		b = append(append(b, `,"args":`...), '[')
		for i, a := range r.Args {
			if i > 0 {
				b = append(b, ',')
			}
			b = quote(b, a)
		}
		b = append(b, ']')
	}
	b = text(b, `,"hash":`, r.Hash)
	b = text(b, `,"dir":`, r.Dir)
	b = text(b, `,"parent":`, r.Parent)
	b = text(b, `,"trace":`, r.Trace)
	b = text(b, `,"traceparent":`, r.TraceParent)
	b = flag(b, `,"delivers":`, r.Delivers)
	return append(b, '}')
}

func (e *Engine) append(b []byte) []byte {
	b = alwaysMicros(head(b, "engine"), `,"t":`, e.Time)
	b = number(b, `,"e":`, e.Number)
	b = text(b, `,"name":`, e.Name)
	b = text(b, `,"kind":`, e.Kind)
	b = number(b, `,"limit":`, e.Limit)
	b = text(b, `,"why":`, e.Why)
	return append(b, '}')
}

func (i *Input) append(b []byte) []byte {
	b = alwaysMicros(head(b, "input"), `,"t":`, i.Time)
	b = always(b, `,"i":`, int64(i.Number))
	b = text(b, `,"key":`, i.Key)
	b = text(b, `,"text":`, i.Text)
	b = flag(b, `,"cut":`, i.Cut)
	return append(b, '}')
}

func (s *Start) append(b []byte) []byte {
	b = alwaysMicros(head(b, "start"), `,"t":`, s.Start)
	b = call(b, s.Call)
	b = number(b, `,"e":`, s.Engine)
	b = number(b, `,"w":`, s.Worker)
	b = always(b, `,"i":`, int64(s.Input))
	b = nth(b, s.Attempt)
	b = alwaysMicros(b, `,"q":`, s.Queued)
	b = text(b, `,"task":`, s.Task)
	b = number(b, `,"pid":`, s.PID)
	return append(b, '}')
}

func (s *Span) append(b []byte) []byte {
	b = alwaysMicros(head(b, "span"), `,"t":`, s.Start)
	b = alwaysMicros(b, `,"end":`, s.End)
	b = call(b, s.Call)
	b = number(b, `,"e":`, s.Engine)
	b = number(b, `,"w":`, s.Worker)
	b = always(b, `,"i":`, int64(s.Input))
	b = nth(b, s.Attempt)
	b = alwaysMicros(b, `,"q":`, s.Queued)
	b = text(b, `,"task":`, s.Task)
	b = text(b, `,"state":`, string(s.State))
	b = number(b, `,"pid":`, s.PID)
	b = micros(b, `,"parked":`, s.Parked)
	b = micros(b, `,"cpu":`, s.CPU)
	b = long(b, `,"rss":`, s.RSS)
	b = number(b, `,"exit":`, s.Exit)
	b = text(b, `,"signal":`, s.Signal)
	b = number(b, `,"err":`, s.Err)
	b = long(b, `,"out":`, s.Out)
	b = long(b, `,"errout":`, s.ErrOut)
	b = flag(b, `,"again":`, !s.Last)
	return append(b, '}')
}

func (e *Error) append(b []byte) []byte {
	b = number(head(b, "error"), `,"n":`, e.Number)
	b = text(b, `,"kind":`, string(e.Kind))
	b = text(b, `,"print":`, e.Print)
	b = text(b, `,"text":`, e.Text)
	b = text(b, `,"stack":`, e.Stack)
	return append(b, '}')
}

func (r *Retry) append(b []byte) []byte {
	b = alwaysMicros(head(b, "retry"), `,"t":`, r.Time)
	b = call(b, r.Call)
	b = always(b, `,"i":`, int64(r.Input))
	b = nth(b, r.Attempt)
	b = micros(b, `,"delay":`, r.Delay)
	return append(b, '}')
}

func (o *Output) append(b []byte) []byte {
	b = alwaysMicros(head(b, "output"), `,"t":`, o.Time)
	b = call(b, o.Call)
	b = always(b, `,"i":`, int64(o.Input))
	b = nth(b, o.Attempt)
	b = text(b, `,"stdout":`, o.Stdout)
	b = text(b, `,"stderr":`, o.Stderr)
	b = flag(b, `,"cut":`, o.Cut)
	return append(b, '}')
}

func (w *Worker) append(b []byte) []byte {
	b = alwaysMicros(head(b, "worker"), `,"t":`, w.Time)
	b = number(b, `,"e":`, w.Engine)
	b = number(b, `,"w":`, w.Number)
	b = number(b, `,"pid":`, w.PID)
	b = flag(b, `,"up":`, w.Up)
	b = number(b, `,"err":`, w.Err)
	return append(b, '}')
}

func (p *Progress) append(b []byte) []byte {
	b = alwaysMicros(head(b, "progress"), `,"t":`, p.Time)
	b = call(b, p.Call)
	b = always(b, `,"i":`, int64(p.Input))
	b = long(b, `,"done":`, p.Done)
	b = long(b, `,"total":`, p.Total)
	return append(b, '}')
}

func (s *Sample) append(b []byte) []byte {
	b = alwaysMicros(head(b, "sample"), `,"t":`, s.Time)
	b = number(b, `,"running":`, s.Running)
	b = number(b, `,"queued":`, s.Queued)
	b = number(b, `,"done":`, s.Done)
	b = number(b, `,"failed":`, s.Failed)
	b = number(b, `,"total":`, s.Total)
	b = float(b, `,"cpu":`, s.CPU)
	b = long(b, `,"rss":`, s.RSS)
	return append(b, '}')
}

func (m *Mark) append(b []byte) []byte {
	b = alwaysMicros(head(b, "mark"), `,"t":`, m.Time)
	b = text(b, `,"kind":`, m.Kind)
	b = text(b, `,"text":`, m.Text)
	b = number(b, `,"e":`, m.Engine)
	if m.About {
		b = always(b, `,"i":`, int64(m.Input))
	}
	return append(b, '}')
}

func (a *Advice) append(b []byte) []byte {
	b = alwaysMicros(head(b, "advice"), `,"t":`, a.Time)
	b = text(b, `,"code":`, a.Code)
	b = text(b, `,"text":`, a.Text)
	b = text(b, `,"try":`, a.Try)
	return append(b, '}')
}

func (d *Dropped) append(b []byte) []byte {
	b = alwaysMicros(head(b, "dropped"), `,"t":`, d.Time)
	b = long(b, `,"events":`, d.Events)
	b = text(b, `,"why":`, d.Why)
	return append(b, '}')
}

func (e *End) append(b []byte) []byte {
	b = alwaysMicros(head(b, "end"), `,"t":`, e.Time)
	b = text(b, `,"verdict":`, e.Verdict)
	b = always(b, `,"exit":`, int64(e.Exit))
	b = number(b, `,"ok":`, e.OK)
	b = number(b, `,"failed":`, e.Failed)
	b = number(b, `,"stopped":`, e.Stopped)
	b = number(b, `,"skipped":`, e.Skipped)
	b = number(b, `,"total":`, e.Total)
	return append(b, '}')
}
