package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/command"
	"github.com/go-braid/braid/internal/halt"
	"github.com/go-braid/braid/internal/input"
)

// runFlags are the flags of run.
type runFlags struct {
	batchFlags
	resumeFlags
	viewFlags
	commandFlags
	outputFlags
	limitFlags
	engine     string
	halt       string
	keep       bool
	dryRun     bool
	exitStatus string
}

func (a *app) runCommand() *cobra.Command {
	cmd, f := a.newRunCommand()
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if f.resume != "" || f.rerun != "" {
			return a.resume(cmd, f, args)
		}
		return a.run(cmd, f, args, nil)
	}
	return cmd
}

// newRunCommand returns the command run, which does not do anything yet, and its flags.
func (a *app) newRunCommand() (*cobra.Command, *runFlags) {
	f := &runFlags{}
	cmd := &cobra.Command{
		Use:   "run TASK [flags] [INPUT…]\n  " + a.name + " run [flags] -- COMMAND {} … [::: INPUT…]",
		Short: "Run a task or a command on every input",
		Long: `Run a task or a command on every input, several at once.

Inputs are arguments, files that --glob matches, lines of --from FILE, or lines
of standard input. Each result is printed when it is ready, on standard output;
all else goes to standard error. See "` + a.name + ` help inputs" and
"` + a.name + ` help placeholders"; "` + a.name + ` tasks" lists the tasks.

An interrupt (Ctrl-C) launches nothing more and waits for what runs, a second one
asks that to stop, a third one kills it.`,
		Example: `  ` + a.name + ` run sha256 --glob 'src/**/*.go'
  find . -name '*.log' -print0 | ` + a.name + ` run gzip --out packed -0
  ` + a.name + ` run -j 8 --retries 3 --timeout 10s fetch --from urls.txt
  ` + a.name + ` run --engine async -j 1000 fetch --from urls.txt
  ` + a.name + ` run --engine processes --memory 512M --timeout 1m gzip --out packed --glob '*.log'
  ` + a.name + ` run -- convert {} {.}.png ::: *.jpg
  ` + a.name + ` run --csv --from people.csv -- ./greet --name {name} --city {city}
  ` + a.name + ` run --shell -- 'sort {} | uniq -c > {.}.counts' ::: *.txt`,
		ValidArgsFunction: completeTask,
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&f.engine, "engine", defaultEngine, "run on `ENGINE`; see \""+a.name+" help engines\"")
	f.batchFlags.add(fs)
	f.commandFlags.add(fs)
	f.outputFlags.add(fs)
	f.limitFlags.add(fs)
	fs.StringVar(&f.halt, "halt", "never", "stop early, as GNU parallel does: `WHEN,WHY=N`, such as soon,fail=3 or now,success=1")
	fs.BoolVarP(&f.keep, "keep-order", "k", false, "print results in the order of the inputs")
	fs.BoolVar(&f.dryRun, "dry-run", false, "print what would be run, and run nothing")
	fs.StringVar(&f.exitStatus, "exit-status", exitAny, "what the exit code says of failures: `WHICH` is any, first, count or max")
	_ = cmd.RegisterFlagCompletionFunc("engine", completeWords(engineNames()...))
	completeBatchFlags(cmd)
	f.commandFlags.complete(cmd)
	f.outputFlags.complete(cmd)
	f.limitFlags.complete(cmd)
	_ = cmd.RegisterFlagCompletionFunc("halt", completeWords("never", "soon,fail=1", "now,fail=1", "now,success=1"))
	_ = cmd.RegisterFlagCompletionFunc("exit-status", completeWords(exitAny, exitFirst, exitCount, exitMax))
	f.resumeFlags.add(fs)
	f.viewFlags.add(fs)
	_ = cmd.RegisterFlagCompletionFunc("resume", a.completeRun)
	_ = cmd.RegisterFlagCompletionFunc("rerun-failed", a.completeRun)
	return cmd, f
}

// run does a run. Past, if it is not nil, is the one that it takes up.
func (a *app) run(cmd *cobra.Command, f *runFlags, args []string, past *prior) error {
	ctx := cmd.Context()
	var err error
	if a.style, err = styleFor(f.color, a.Err); err != nil {
		return err
	}
	kind, err := engineByName(f.engine)
	if err != nil {
		return err
	}
	jobs, err := parseJobs(f.jobs)
	if err != nil {
		return err
	}
	if kind.name == serialName {
		if cmd.Flags().Changed("jobs") && jobs != 1 {
			return usageError(fmt.Errorf("-j %s: the serial engine runs one at a time", f.jobs), "--engine "+defaultEngine)
		}
		jobs = 1
	}
	policy, err := halt.Parse(f.halt)
	if err != nil {
		return usageError(fmt.Errorf("--halt: %w", err), "--halt soon,fail=3")
	}
	if _, err := parseKeepRule(f.keepRuns); err != nil {
		return err
	}
	status, err := parseExitStatus(f.exitStatus)
	if err != nil {
		return err
	}
	options, err := f.options()
	if err != nil {
		return err
	}
	p, err := f.plan(a, cmd, args)
	if err != nil {
		return err
	}
	if err := f.check(p); err != nil {
		return err
	}
	tagger, err := f.tagger(f.placeholders(p))
	if err != nil {
		return err
	}
	cfg, err := f.workerConfig(kind.name == processesName)
	if err != nil {
		return err
	}
	if err := kind.suits(p, jobs); err != nil {
		return err
	}
	if f.jobs == "auto" && kind.auto > 0 && p.task != "" {
		jobs = kind.auto // a command is a process whatever the engine is
	}
	c := newControl()
	w, closeWork, err := f.work(p, c, &f.commandFlags)
	if err != nil {
		return err
	}
	defer closeWork()
	hash := f.identity(p).hash()
	if f.dryRun {
		return a.dryRun(ctx, w, p.inputs, func(e *entry) { past.look(hash, e) })
	}

	limited, stopLimits := context.WithCancel(ctx)
	defer stopLimits()
	limits, err := f.limitFlags.read(limited, machineSensors())
	if err != nil {
		return err
	}
	prog, err := newProgress(f.progress, a.name, a.Err, f.quiet)
	if err != nil {
		return err
	}
	kept, err := f.keeper(p, past != nil)
	if err != nil {
		prog.close(false)
		return err
	}
	// The clock of each result comes from the engine's events.
	clock := &stopwatch{}
	out := newPrinter(a, prog.beside(a.Out), prog)
	out.json, out.tagger = f.json, tagger
	out.gone = func() { c.raise(stageTerminate, exitUsage, nil) }
	rec := a.record(&f.recordFlags, f.view, a.newRun(p, hash, cmd, f, args, past), f.remarks(prog))
	defer rec.cleanUp()
	rec.watch(w)
	defer limits.watchMemory(limited, w, func(text string) {
		if !f.quiet {
			prog.line(a.name + ": " + text)
		}
		rec.mark("guard", text)
	})()
	work, heard := f.watch(w, out, kept, func(m slowMark) {
		if !f.quiet {
			prog.line(a.name + ": " + m.String())
		}
		rec.slowMark(m)
	})
	chosen := "" // by whom the engine was
	if cmd.Flags().Changed("engine") {
		chosen = "--engine"
	}
	name := kind.name
	if p.task == "" {
		name = "commands" // whatever waits for them
	}
	if limits.throttle != nil {
		heard = append(heard, limits.throttle.listener())
	}
	cfg.jobs, cfg.stdout, cfg.stderr = jobs, out.line, prog.line
	cfg.listener = engine.Tee(append(heard, clock.listener(), rec.listener(name, kind, p, jobs, chosen))...)
	handle, err := kind.open(cfg)
	if err != nil {
		rec.discard()
		prog.close(false)
		return err
	}
	p.inputs.Stdin = rec.keep(p.inputs)
	look := func(e *entry) {
		rec.look(e)
		past.look(hash, e)
	}
	if handle.kill != nil {
		c.on(stageAbandon, handle.kill)
	}
	c.comment = func(stage int32) {
		prog.line(a.name + ": " + stageComment(stage))
		rec.mark("stopped", stageComment(stage))
	}
	unwatch := c.watchSignals()
	defer unwatch()
	if f.deadline > 0 {
		defer time.AfterFunc(f.deadline, func() {
			c.raise(stageTerminate, exitDeadline, fmt.Errorf("stopped after --deadline %v", f.deadline))
		}).Stop()
	}

	reading, stopCounting := context.WithCancel(ctx)
	defer stopCounting()
	b := &batch{
		work: work, engine: handle, control: c, throttle: limits.throttle,
		prompt: len(p.inputs.Globs) == 0 && promptFiles(p.inputs.Files),
		keep:   f.keep, ahead: aheadFor(kind, jobs),
		halt: policy, options: options,
	}
	// What waits in the engine's queue may start before the loop has seen the result that
	// stops the run, makes a median, or lets nothing start.
	narrow := policy.Then != halt.Continue || f.timeout.percent > 0 || limits.throttle != nil
	windowOf := func(n int) int {
		switch {
		case narrow:
			return min(windowFor(kind, n), n)
		case f.view || p.task == "":
			// What waits in the engine's queue starts even if the page says to pause, or if
			// the results before it cannot be printed; a run that is killed then has them to
			// do again. For a command it is enough that each worker finds the next one.
			return min(windowFor(kind, n), 2*n)
		}
		return windowFor(kind, n)
	}
	size := &resizer{jobs: jobs, most: kind.most()}
	size.tell = func(text string) {
		prog.line(a.name + ": " + text)
		rec.mark("resize", text)
	}
	size.apply = func(n int) error {
		if handle.resize != nil {
			if err := handle.resize(n); err != nil {
				return err
			}
		}
		b.resize(windowOf(n))
		return nil
	}
	b.window = windowOf(jobs)
	defer a.heed(prog, p, w, size)()
	page := a.show(ctx, &f.viewFlags, rec, c, size, prog.line)
	defer page.stop()
	wait := countLate
	if prog.bar != nil || policy.Percent || f.view {
		wait = 0
	}
	b.total = countInputs(reading, p.inputs, wait)
	tell := func() {
		n := b.knownTotal()
		prog.update(b.tally, n)
		rec.expect(n)
	}
	tell()
	// Against a command, a flush is nothing. The serial engine runs the task in the loop,
	// which is not idle before the last one.
	to := &delivery{out: out, kept: kept, rec: rec, eager: p.task == "" || kind.name == serialName}
	var left leaks
	b.render = out.render
	b.begin = rec.begin
	b.idle = to.idle
	b.emit = func(r *result) {
		clock.take(r)
		status.add(r)
		left.note(r)
		to.add(r)
		tell()
		if out.failed() != nil {
			c.raise(stageTerminate, exitUsage, nil)
		}
		c.stopIfBroken(r)
	}
	b.run(ctx, newSource(reading, input.Items(reading, p.inputs), look))
	to.flush()
	tell()
	stopped, why := c.reason()
	var closing error
	if c.stage() < stageAbandon {
		// Nothing is in flight, so this does not wait for tasks.
		closing = handle.close(context.WithoutCancel(ctx))
	}
	notKept := kept.close()
	for _, remark := range []func() string{handle.remark, left.remark} {
		if remark != nil && !f.quiet {
			if s := remark(); s != "" {
				prog.line(a.name + ": " + s)
			}
		}
	}
	err = func() error {
		switch {
		case closing != nil:
			return &exitError{code: exitUsage, err: closing}
		case out.failed() != nil:
			return outputError(out.failed())
		case notKept != nil:
			return notKept
		case ctx.Err() != nil:
			return &exitError{code: exitUsage, err: context.Cause(ctx)}
		case stopped == exitHalted && b.leftOut():
			e := &exitError{code: exitHalted, err: fmt.Errorf("stopped early by --halt %v", policy)}
			if b.tally.failed > 0 && status.which != exitAny {
				e.code = status.code(b.tally)
			}
			return e
		case stopped != 0 && stopped != exitHalted:
			return &exitError{code: stopped, err: why}
		case b.tally.read == 0:
			return noInput()
		}
		return exit(status.code(b.tally))
	}()
	if b.tally.read == 0 {
		rec.discard() // there is nothing to look at
	} else {
		rec.close(b.tally, err)
	}
	prog.close(b.tally.read > 0)
	if !f.quiet {
		a.whatNext(b, past, rec)
	}
	page.linger(ctx, c, unwatch)
	return err
}

func stageComment(stage int32) string {
	switch stage {
	case stageDrain:
		return "interrupted: waiting for what runs; interrupt again to stop it"
	case stageTerminate:
		return "stopping what runs; interrupt again to kill it"
	}
	return "killed"
}

// dryRun prints what would be run.
func (a *app) dryRun(ctx context.Context, w work, cfg input.Config, look func(*entry)) error {
	out := bufio.NewWriter(a.Out)
	seq, failed := 0, 0
	for it, err := range input.Items(ctx, cfg) {
		seq++
		e := entry{item: it, err: err}
		if look(&e); e.turn != hasTurn {
			continue
		}
		var line string
		if err == nil {
			line, err = w.describe(it, seq)
		}
		if err != nil {
			failed++
			fmt.Fprintln(a.Err, a.failure(&result{item: it, err: err}))
			continue
		}
		if _, err := out.WriteString(line + "\n"); err != nil {
			return outputError(err)
		}
	}
	if err := out.Flush(); err != nil {
		return outputError(err)
	}
	switch {
	case seq == 0:
		return noInput()
	case failed > 0:
		return exit(exitFailed)
	}
	return nil
}

// The values of --exit-status.
const (
	exitAny   = "any"
	exitFirst = "first"
	exitCount = "count"
	exitMax   = "max"
)

// An exitStatus makes the exit code of a run from what its inputs came to.
type exitStatus struct {
	which      string
	first, max int // exit codes of commands that failed
}

func parseExitStatus(which string) (*exitStatus, error) {
	switch which {
	case exitAny, exitFirst, exitCount, exitMax:
		return &exitStatus{which: which}, nil
	}
	return nil, usageError(fmt.Errorf("--exit-status %q: it is any, first, count or max", which), "--exit-status any")
}

func (s *exitStatus) add(r *result) {
	if r.err == nil || r.skipped || r.stopped {
		return
	}
	code := exitFailed
	if e, ok := errors.AsType[*command.ExitError](r.err); ok && e.Code > 0 {
		code = e.Code
	}
	if s.first == 0 {
		s.first = code
	}
	s.max = max(s.max, code)
}

func (s *exitStatus) code(t tally) int {
	switch {
	case t.failed == 0:
		return exitOK
	case s.which == exitFirst:
		return s.first
	case s.which == exitCount:
		return min(t.failed, 101)
	case s.which == exitMax:
		return s.max
	}
	return exitFailed
}
