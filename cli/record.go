package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/command"
	"github.com/go-braid/braid/record"
)

// recordFlags say whether and where a run is recorded.
type recordFlags struct {
	record   string
	keepRuns string
}

const (
	recordAuto = "auto"
	recordOff  = "off"

	recordEnv   = "BRAID_RECORD"
	keepRunsEnv = "BRAID_KEEP_RUNS"

	defaultKeepRuns = "100,30d,1G"
)

func (f *recordFlags) add(fs *pflag.FlagSet) {
	addStore(fs, &f.record, "record the run: `WHERE` is auto (your state directory), a directory, or off; $"+recordEnv+" is the default")
	fs.StringVar(&f.keepRuns, "keep-runs", cmp.Or(os.Getenv(keepRunsEnv), defaultKeepRuns),
		"of earlier runs keep as many as `RULE` says: a number, an age, a size in all, or all; $"+keepRunsEnv+" is the default")
}

// addStore adds the flag that says where runs are recorded.
func addStore(fs *pflag.FlagSet, p *string, usage string) {
	fs.StringVar(p, "record", cmp.Or(os.Getenv(recordEnv), recordAuto), usage)
	fs.Lookup("record").DefValue = recordAuto // help is the same for everybody
}

func completeRecordFlags(cmd *cobra.Command) {
	_ = cmd.RegisterFlagCompletionFunc("record", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{recordAuto, recordOff}, cobra.ShellCompDirectiveFilterDirs
	})
	_ = cmd.RegisterFlagCompletionFunc("keep-runs", completeWords(defaultKeepRuns, "all"))
}

// storeAt returns the store that --record names. Where records are only read, off means
// the same as auto.
func storeAt(where string) (record.Store, error) {
	if where != recordAuto && where != recordOff && where != "" {
		dir, err := filepath.Abs(where)
		return record.Store{Dir: dir}, err
	}
	dir, err := record.DefaultDir()
	return record.Store{Dir: dir}, err
}

// A recording is the record of a run while it runs. That of a run which is not recorded
// is nil, and its methods do nothing.
//
// An input is recorded as done once its result has been written, and at once then: the
// record says so before the run goes on. So whatever kills the run, a result that nobody
// has got is made again when the run is taken up, and hardly any other: what ran, what had
// ended and was not printed yet, and what -k held back.
type recording struct {
	id    string
	store record.Store
	rule  keepRule
	temp  bool   // the store is for this run alone, and removed with it
	dir   string // of this run
	log   *record.Log
	heard *engine.Listener // of the engine; in a comparison of the last one
	hash  string
	kept  *keptInput
	ready []int // the numbers of the inputs whose results go out with the next flush
}

// record begins to record a run, unless it is not to be recorded or cannot be. That it
// cannot be is said once, and is no reason not to run. If there is use for the record
// during the run, there is one in any case.
func (a *app) record(f *recordFlags, use bool, run record.Run, say func(string)) *recording {
	if f.record == recordOff && !use {
		return nil
	}
	var store record.Store
	rule, err := parseKeepRule(f.keepRuns)
	if err == nil && f.record != recordOff {
		store, err = storeAt(f.record)
	}
	var r *recording
	if err == nil {
		r, err = startRecording(store, run, say)
	}
	if err != nil {
		say(fmt.Sprintf("%s: this run is not recorded: %v; --record DIR records it elsewhere, --record off says that it need not be", a.name, err))
		return nil
	}
	r.rule = rule
	return r
}

// startRecording begins a record in the store. Without a directory it is one that will be
// removed with what is in it; see cleanUp.
func startRecording(store record.Store, run record.Run, say func(string)) (*recording, error) {
	temp := store.Dir == ""
	if temp {
		var err error
		if store.Dir, err = os.MkdirTemp("", "braid-"); err != nil {
			return nil, err
		}
	}
	id, path, err := store.New()
	if err != nil {
		return nil, err
	}
	run.ID = id
	name := programName()
	var begun atomic.Bool // what fails before is the error of Create
	log, err := record.Create(path, run, record.Config{OnError: func(err error) {
		if begun.Load() {
			say(fmt.Sprintf("%s: recording ends here, and the run goes on: %v", name, cause(err)))
		}
	}})
	begun.Store(true)
	if err != nil {
		_ = os.RemoveAll(filepath.Dir(path))
		return nil, cause(err)
	}
	r := &recording{id: id, store: store, temp: temp, dir: filepath.Dir(path), log: log, hash: run.Hash}
	if err := keepArgs(r.dir, run.Args, log.Run().Args); err != nil {
		r.discard()
		return nil, err
	}
	return r, nil
}

// cause returns what the system said of a file, without the ways there.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("%s: %w", e.Path, e.Err)
	}
	return err
}

// listener returns what an engine is to tell of its calls. Name is what all that is shown of
// the run calls it.
func (r *recording) listener(name string, kind engineKind, p *plan, limit int, why string) *engine.Listener {
	if r == nil {
		return nil
	}
	e := record.Engine{Name: name, Kind: kind.name, Limit: limit, Why: why}
	if p.task == "" {
		e.Kind = "exec"
	}
	r.heard = r.log.Listener(e)
	return r.heard
}

// look gives an input its key.
func (r *recording) look(e *entry) {
	if r != nil && e.err == nil {
		e.key = record.Key(r.hash, recordOf(e.item))
	}
}

// begin records an input that has its turn.
func (r *recording) begin(res *result) { r.input(res.number, res.key, res.item.Text) }

func (r *recording) input(number int, key, text string) {
	if r != nil {
		r.log.Input(number, key, text)
	}
}

// emitted takes note of a result that was handed to the printer.
func (r *recording) emitted(res *result) {
	switch {
	case r == nil:
	case res.err == nil:
		r.ready = append(r.ready, res.number)
	case res.noCall:
		r.refused(res.number, res.err)
	}
}

// noCalls is where the numbers of calls begin that no engine has heard of.
const noCalls = 1 << 52

// refused records that an input failed without a call, as if an engine had refused one.
func (r *recording) refused(number int, err error) {
	if r == nil || r.heard == nil {
		return
	}
	e := engine.Event{At: time.Since(engine.Epoch()), Call: noCalls + uint64(number), Index: number, Attempt: 1}
	r.heard.Submitted(e)
	e.Err = err
	r.heard.Finished(e)
}

// manyReady is how many results may wait to be flushed while there are always more: so many
// that a flush, which takes two system calls, is little beside the shortest of tasks.
const manyReady = 64

// full reports whether it is time to flush the results.
func (r *recording) full() bool { return r != nil && len(r.ready) >= manyReady }

// flushed records as done what was emitted: it has been written.
func (r *recording) flushed() {
	if r == nil || len(r.ready) == 0 {
		return
	}
	r.log.Done(r.ready...)
	r.ready = r.ready[:0]
}

// watch has the commands of w recorded, if it runs any.
func (r *recording) watch(w work) {
	if c, ok := w.(*commandWork); ok && r != nil {
		c.ran = r.ran
	}
}

// ran records what an attempt at a command has used, and what it said if it failed.
func (r *recording) ran(seq int, out *commandResult) {
	if out.Stdout == nil {
		return
	}
	u := record.Usage{
		PID: out.PID, CPU: out.User + out.System, RSS: out.MaxRSS,
		Exit: out.Code, Signal: out.Signal, Out: out.Stdout.Size(), ErrOut: out.Stderr.Size(),
	}
	if out.Code != 0 {
		u.Stdout, u.Stderr = tailOf(out.Stdout), tailOf(out.Stderr)
		u.Cut = int64(len(u.Stdout)) < u.Out || int64(len(u.Stderr)) < u.ErrOut
	}
	r.log.Usage(seq, out.attempt, u)
}

// slowMark records that an input is slow.
func (r *recording) slowMark(m slowMark) {
	if r != nil {
		r.log.Mark(record.Mark{Kind: "slow", Text: m.String(), Input: m.seq, About: true})
	}
}

// mark records something that is to be seen on the time line.
func (r *recording) mark(kind, text string) {
	if r != nil {
		r.log.Mark(record.Mark{Kind: kind, Text: text})
	}
}

// expect records how many inputs the run has, as far as that is known.
func (r *recording) expect(inputs int) {
	if r != nil {
		r.log.Expect(inputs)
	}
}

// close ends the record of a run that came to err, and removes what is too old.
func (r *recording) close(t tally, err error) {
	if r == nil {
		return
	}
	end := record.End{Verdict: "ok", OK: t.ok, Failed: t.failed, Stopped: t.stopped, Skipped: t.skipped, Total: t.read - t.before - t.others}
	if e, ok := errors.AsType[*exitError](err); ok {
		end.Exit = e.code
	}
	switch {
	case end.Exit == exitFailed || end.Exit == exitOK && t.failed > 0 || t.failed > 0 && t.stopped+t.skipped == 0:
		end.Verdict = "failed"
	case end.Exit != exitOK:
		end.Verdict = "stopped"
	}
	_ = r.log.Close(end) // OnError has said what there is to say
	r.kept.close()
	if !r.temp {
		_ = r.rule.prune(r.store, time.Now()) // the next run will try again
	}
}

// cleanUp removes a record that was of use during the run alone.
func (r *recording) cleanUp() {
	if r != nil && r.temp {
		_ = os.RemoveAll(r.store.Dir)
	}
}

// discard removes the record of a run that did not come to its first input.
func (r *recording) discard() {
	if r == nil {
		return
	}
	_ = r.log.Close(record.End{Verdict: "stopped", Exit: exitUsage})
	r.kept.close()
	_ = r.store.Remove(r.id) // it does no harm
}

// newRun returns what is known of a run before it begins.
func (a *app) newRun(p *plan, hash string, cmd *cobra.Command, f *runFlags, args []string, past *prior) record.Run {
	run := record.Run{Braid: version(), Name: p.name, Task: p.task, Hash: hash, Delivers: true, Args: append([]string{a.name}, a.args...)}
	run.Trace, run.TraceParent = p.trace.String(), p.caller.String()
	if past != nil {
		run.Parent = past.info.ID
		run.Args = append([]string{a.name, "run"}, (&parsedRun{cmd, f, args}).line()...)
	}
	return run
}

// whatNext says what can be done about a run that did not do everything.
func (a *app) whatNext(b *batch, past *prior, rec *recording) {
	if b.exhausted {
		if n := past.missing(); n > 0 {
			fmt.Fprintf(a.Err, "%s: %s of run %s to be done again, but not among the inputs any more\n", a.name, plural(n, "input"), past.info.ID)
		}
	}
	if rec == nil || rec.temp || rec.log.Err() != nil || b.tally.read == 0 || b.tally.failed == 0 && !b.leftOut() {
		return
	}
	next := "run --rerun-failed"
	if b.leftOut() {
		next = "run --resume"
	}
	fmt.Fprintf(a.Err, "%s: run %s: %[1]s view last; %[1]s %[3]s last\n", a.name, rec.id, next)
}

// tailOf returns the end of what a command wrote, as much of it as a record keeps.
func tailOf(o *command.Output) string {
	const most = 4 << 10
	b := make([]byte, min(most, o.Size()))
	n, _ := o.ReadAt(b, o.Size()-int64(len(b))) // what cannot be read is left out
	return string(b[:n])
}

// remarks returns what says a line, unless nothing is to be said but errors.
func (f *batchFlags) remarks(p *progress) func(string) {
	if f.quiet {
		return func(string) {}
	}
	return p.line
}
