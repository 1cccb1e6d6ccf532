// Package tracecontext carries a trace from this process into those that it starts,
// in the variables TRACEPARENT and TRACESTATE: the headers of the W3C
// recommendation "Trace Context", as environment variables. It makes identifiers
// and records nothing.
package tracecontext

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
)

// The names of the variables.
const (
	ParentVariable = "TRACEPARENT"
	StateVariable  = "TRACESTATE"
)

// A Context says to which span of which trace something belongs. The zero Context
// says that there is none.
type Context struct {
	Trace [16]byte // all zero only in the zero Context
	Span  [8]byte  // likewise
	Flags byte     // the lowest bit says that the trace is recorded
	State string   // what the tracing systems on the way want to be passed on
}

// sampled is the flag of a trace that is recorded.
const sampled = 1

// New returns the context of a new trace with one span. It says that the trace is
// recorded: programs that trace leave the decision to the first one.
func New() Context {
	c := Context{Flags: sampled}
	fill(c.Trace[:])
	fill(c.Span[:])
	return c
}

// fill makes a random identifier, which must not be all zero.
func fill(id []byte) {
	rand.Read(id)
	id[0] |= 1
}

// Start returns the context of a new span of the trace that parent belongs to, or
// of a new trace if parent is zero.
func Start(parent Context) Context {
	if parent == (Context{}) {
		return New()
	}
	c := parent
	fill(c.Span[:])
	return c
}

// Child returns the context of a span below c. The same numbers give the same span,
// so that whoever knows c can tell later which span an attempt at an input was.
func (c Context) Child(input, attempt int) Context {
	seed := make([]byte, 0, len(c.Trace)+len(c.Span)+16)
	seed = append(append(seed, c.Trace[:]...), c.Span[:]...)
	seed = binary.LittleEndian.AppendUint64(seed, uint64(input))
	seed = binary.LittleEndian.AppendUint64(seed, uint64(attempt))
	sum := sha256.Sum256(seed)
	copy(c.Span[:], sum[:])
	c.Span[0] |= 1
	return c
}

// String returns the value of TRACEPARENT, or nothing for the zero Context.
func (c Context) String() string {
	if c == (Context{}) {
		return ""
	}
	b := make([]byte, 0, 55)
	b = hex.AppendEncode(append(b, "00-"...), c.Trace[:])
	b = hex.AppendEncode(append(b, '-'), c.Span[:])
	b = hex.AppendEncode(append(b, '-'), []byte{c.Flags})
	return string(b)
}

// Environ returns the variables that pass c on, as "NAME=value".
func (c Context) Environ() []string {
	if c == (Context{}) {
		return nil
	}
	env := []string{ParentVariable + "=" + c.String()}
	if c.State != "" {
		env = append(env, StateVariable+"="+c.State)
	}
	return env
}

// FromEnviron returns the context that the variables hold. As the recommendation
// says, a malformed one is the same as none, and a state without a parent means
// nothing. Getenv is as os.Getenv.
func FromEnviron(getenv func(string) string) Context {
	c, err := Parse(getenv(ParentVariable))
	if err != nil {
		return Context{}
	}
	if s := getenv(StateVariable); validState(s) {
		c.State = s
	}
	return c
}

var errMalformed = errors.New("malformed traceparent")

// Parse reads the value of a TRACEPARENT. Of versions to come it reads what they
// have in common with the first.
func Parse(s string) (Context, error) {
	const size = len("00-") + 32 + len("-") + 16 + len("-00")
	s = strings.TrimSpace(s)
	if len(s) < size || s[2] != '-' || s[35] != '-' || s[52] != '-' {
		return Context{}, errMalformed
	}
	var version, flags [1]byte
	var c Context
	for _, field := range []struct {
		to   []byte
		text string
	}{{version[:], s[:2]}, {c.Trace[:], s[3:35]}, {c.Span[:], s[36:52]}, {flags[:], s[53:size]}} {
		if strings.Trim(field.text, "0123456789abcdef") != "" {
			return Context{}, errMalformed // capital letters are not allowed
		}
		if _, err := hex.Decode(field.to, []byte(field.text)); err != nil {
			return Context{}, errMalformed
		}
	}
	c.Flags = flags[0]
	switch {
	case version[0] == 0xff, c.Trace == [16]byte{}, c.Span == [8]byte{}:
		return Context{}, errMalformed
	case version[0] == 0 && len(s) > size, len(s) > size && s[size] != '-':
		return Context{}, errMalformed
	case version[0] > 0:
		c.Flags &= sampled // the others may mean something else there
	}
	return c, nil
}

// maxState is the length of a state that everybody has to pass on.
const maxState = 512

func validState(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' || s[i] > '~' {
			return false
		}
	}
	return len(s) <= maxState
}
