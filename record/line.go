package record

import "time"

// Schema is the version of the log that this package writes. It changes only when
// older readers would misunderstand a log; new keys and new types of lines, which
// readers skip, do not change it.
const Schema = "braid.record/2"

// A Line is one line of a log: a *Run, *Engine, *Input, *Start, *Span, *Error,
// *Retry, *Output, *Worker, *Progress, *Sample, *Mark, *Advice, *Done, *Dropped or *End.
//
// Times in lines are durations since the Wall time of the run, on the monotonic
// clock, in whole microseconds.
type Line interface {
	// append adds the line as JSON, without the newline.
	append(b []byte) []byte
	fields
}

// Append appends a line to b as it stands in a log, with its newline. Numbers and
// strings that are zero are left out, and invalid UTF-8 is replaced.
func Append(b []byte, l Line) []byte { return append(l.append(b), '\n') }

// A Run is the first line of a log: what runs, when and where.
type Run struct {
	Schema string    // the version of the log; a writer need not set it
	ID     string    // of the run: a ULID, see [NewID]
	Wall   time.Time // the time that all others count from
	Braid  string    // the version of braid that wrote the log
	Go     string    // the version of Go, such as "go1.26.0"
	OS     string    // the system, such as "linux"
	Arch   string    // the processor, such as "amd64"
	Host   string    // the machine's name
	PID    int       // the process that wrote the log
	CPUs   int       // how many processors it could use
	Name   string    // for people
	Task   string    // the task of the run, if it has one
	Args   []string  // the command line
	Hash   string    // of the task and its parameters; see [Key]
	Dir    string    // the working directory
	Parent string    // the ID of the run that this one takes up again

	// Trace is the span that the run is, written as in the variable TRACEPARENT of the
	// W3C's Trace Context. The commands of the run get spans below it.
	Trace string

	// TraceParent is the span that the run is below: the TRACEPARENT of its process.
	TraceParent string

	// Delivers says that results go somewhere, such as to standard output, and that
	// an input is done once its result is there; see [Done].
	Delivers bool
}

// An Engine line introduces an engine, before any line that names its number.
type Engine struct {
	Time   time.Duration // when it was made
	Number int           // in this log, from 1
	Name   string        // for people; mostly as in errors and events
	Kind   string        // threads, processes, async, serial, goroutines, exec
	Limit  int           // how much it does at once; 0 if that is not known
	Why    string        // why it was chosen
}

// An Input line says what an input is. It comes before or after the spans of it.
type Input struct {
	Time   time.Duration // when it was read
	Number int           // [engine.Event.Index] of its calls
	Key    string        // by which a later run knows it again; see [Key]
	Text   string        // at most 4 KiB of it
	Cut    bool          // whether there is more
}

// A Start line says that an attempt runs, if it is not over when the log is flushed.
// Its [Span] comes later, unless the run has died.
type Start struct {
	Start   time.Duration // when the body began
	Call    uint64        // [engine.Event.Call]
	Engine  int           // the number of the engine
	Worker  int           // of the engine, from 1; 0 if it has none
	Input   int           // the number of the input
	Attempt int           // from 1
	Queued  time.Duration // when the attempt was submitted
	Task    string        // the task's name; empty for a closure without one
	PID     int           // of the process that runs it; 0 if it is the one of the run
}

// A State is how an attempt ended.
type State string

// The states of a [Span]. More may come: a reader takes one that it does not know for
// a failure.
const (
	StateOK        State = "ok"
	StateError     State = "error"     // the task returned an error
	StatePanic     State = "panic"     // it panicked
	StateCrash     State = "crash"     // its process died
	StateTimeout   State = "timeout"   // a limit of time ended it
	StateCancelled State = "cancelled" // it was asked to stop
	StateRefused   State = "refused"   // it was never begun
)

// A Span is an attempt at a call, from its beginning to its end.
type Span struct {
	Start   time.Duration // when the body began; for one that was refused, as End
	End     time.Duration // when it ended
	Call    uint64        // [engine.Event.Call]: all attempts at a call have the same
	Engine  int           // the number of the engine
	Worker  int           // of the engine, from 1; 0 if it has none
	Input   int           // the number of the input
	Attempt int           // from 1
	Queued  time.Duration // when the attempt was submitted
	Task    string        // the task's name; empty for a closure without one
	State   State         // how it ended
	PID     int           // of the process that ran it; 0 if it was the one of the run
	Parked  time.Duration // how long the body waited, of the time from Start to End
	CPU     time.Duration // processor time; 0 if it is not known
	RSS     int64         // the largest memory, in bytes; 0 if it is not known
	Exit    int           // the exit code of a process
	Signal  string        // the signal that ended a process, such as "SIGKILL"
	Err     int           // the number of the [Error] that says more; 0 if there is none
	Out     int64         // bytes that were written to the standard output
	ErrOut  int64         // and to the standard error
	Last    bool          // no attempt follows
}

// OK reports whether the attempt succeeded.
func (s *Span) OK() bool { return s.State == StateOK }

// An Error line is a failure, with all that is known of it. Failures that are the
// same have one line, which comes before the first [Span] that names its number.
type Error struct {
	Number int    // in this log, from 1
	Kind   State  // what became of the attempt
	Print  string // the fingerprint: the same for failures that differ only in numbers and names
	Text   string // at most 16 KiB
	Stack  string // of a panic, at most 64 KiB
}

// A Retry line says that another attempt follows one that failed.
type Retry struct {
	Time    time.Duration // when the attempt failed
	Call    uint64        // [engine.Event.Call]
	Input   int           // the number of the input
	Attempt int           // the one that failed
	Delay   time.Duration // the pause before the next one
}

// An Output line is the end of what an attempt has written.
type Output struct {
	Time    time.Duration // when the attempt ended
	Call    uint64        // [engine.Event.Call]
	Input   int           // the number of the input
	Attempt int           // from 1
	Stdout  string        // of its standard output, at most 4 KiB
	Stderr  string        // of its standard error, at most 4 KiB
	Cut     bool          // whether there was more before
}

// A Worker line says that a worker is ready, or gone.
type Worker struct {
	Time   time.Duration // when that was
	Engine int           // the number of the engine
	Number int           // of the worker, from 1
	PID    int           // its process; 0 if that is the one of the run
	Up     bool          // whether it is ready, and not gone
	Err    int           // the number of the [Error] that says why it failed; 0 if it did not
}

// A Progress line says how far a call is. There is at most one for each call and flush.
type Progress struct {
	Time  time.Duration // when it was looked at
	Call  uint64        // [engine.Event.Call]
	Input int           // the number of the input
	Done  int64         // how much of the work is done, in whatever unit
	Total int64         // 0 if it is not known
}

// A Sample is what was going on at a time.
type Sample struct {
	Time    time.Duration // when that was
	Running int           // attempts
	Queued  int           // calls that wait to be run
	Done    int           // calls that succeeded so far
	Failed  int           // calls that did not
	Total   int           // inputs that the run has, see [Log.Expect]; 0 if that is not known
	CPU     float64       // processors in use, on average since the sample before
	RSS     int64         // the memory of the process that writes the log, in bytes; 0 if it is not known
}

// A Mark is something to be seen on the time line.
type Mark struct {
	Time   time.Duration // when it was made
	Kind   string        // resize, halt, guard, engine, slow, stopped, …
	Text   string        // what there is to say
	Engine int           // the number of the engine that it is about; 0 if none
	Input  int           // the number of the input that it is about, if About
	About  bool          // whether it is about an input
}

// An Advice line says what could be done better.
type Advice struct {
	Time time.Duration // when it was given
	Code string        // such as "straggler"
	Text string        // what was seen
	Try  string        // flags to try
}

// A Dropped line says that the log is not complete.
type Dropped struct {
	Time   time.Duration // when that was noticed
	Events int64         // how many attempts, inputs, marks and so on it lacks
	Why    string        // for people
}

// An End is the last line of a log. Where it lacks, the run goes on, or has died.
type End struct {
	Time    time.Duration // when the run ended
	Verdict string        // ok, failed or stopped
	Exit    int           // the exit code of the command
	OK      int           // inputs that succeeded
	Failed  int           // inputs that did not succeed
	Stopped int           // inputs that were begun and stopped with the run
	Skipped int           // inputs that were never begun
	Total   int           // all inputs
}
