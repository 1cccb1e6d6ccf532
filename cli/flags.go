package cli

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/internal/command"
	"github.com/go-braid/braid/internal/input"
	"github.com/go-braid/braid/internal/template"
	"github.com/go-braid/braid/internal/tracecontext"
)

// batchFlags are the flags that run and compare have in common: what to do, with
// which inputs, how often to try.
type batchFlags struct {
	globs    []string
	from     []string
	null     bool
	csv      bool
	noHeader bool
	ndjson   bool
	maxArgs  int

	shell bool
	out   string
	set   []string

	jobs     string
	timeout  timeLimit
	retries  int
	backoff  string
	retryOn  string
	deadline time.Duration

	maxTasks int
	memory   string

	json     bool
	quiet    bool
	progress string
	color    string

	recordFlags
}

func (f *batchFlags) add(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.globs, "glob", nil, "take the files that `PATTERN` matches as inputs; ** is any number of directories")
	fs.StringArrayVar(&f.from, "from", nil, "read inputs from `FILE`, a line each; - is standard input")
	fs.BoolVarP(&f.null, "null", "0", false, "inputs end with NUL instead of a newline, as find -print0 writes them")
	fs.BoolVar(&f.csv, "csv", false, "inputs are CSV records; the first one names the columns")
	fs.BoolVar(&f.noHeader, "no-header", false, "with --csv: the first record is data")
	fs.BoolVar(&f.ndjson, "ndjson", false, "inputs are JSON values, a line each")
	fs.IntVarP(&f.maxArgs, "max-args", "n", 1, "give each command `N` inputs, where {} stands; {1} is the first of them")

	fs.BoolVar(&f.shell, "shell", false, "run the command by the shell; inputs are quoted for it")
	fs.StringVar(&f.out, "out", "", "write results of the task into `DIR` (short for --set out=DIR)")
	fs.StringArrayVar(&f.set, "set", nil, "set a field of the task's argument: `NAME=VALUE`")

	fs.StringVarP(&f.jobs, "jobs", "j", "auto", "run `N` at once, or N% of the processors, or auto")
	fs.Var(&f.timeout, "timeout", "stop an input that runs longer than `LIMIT`: a duration or, as 300%, a part of the median")
	fs.Lookup("timeout").DefValue = ""
	fs.IntVar(&f.retries, "retries", 0, "try an input that failed up to `N` times more")
	fs.StringVar(&f.backoff, "backoff", "100ms..30s", "pauses between tries, at random up to `BASE..MAX`: BASE doubles each time")
	fs.StringVar(&f.retryOn, "retry-on", "", "try again after `FAILURES` of these kinds only, such as exit=75,timeout,signal")
	durationVar(fs, &f.deadline, "deadline", "stop everything after `DURATION`")

	fs.IntVar(&f.maxTasks, "max-tasks", 0, "on processes: replace a worker after `N` inputs")
	fs.StringVar(&f.memory, "memory", "", "on processes: a worker that needs more than `SIZE`, such as 512M, dies")

	fs.BoolVar(&f.json, "json", false, "print JSON")
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "say nothing but errors")
	fs.StringVar(&f.progress, "progress", progressAuto, "show progress as `HOW`: auto, bar, plain or none")
	f.recordFlags.add(fs)
	fs.StringVar(&f.color, "color", "auto", "colour what is said: `WHEN` is auto, always or never")
}

// A plan is what the command line asks for.
type plan struct {
	name   string // of the task, or of the command
	task   string // empty for a command
	args   []string
	inputs input.Config
	trace  tracecontext.Context // of the run
	caller tracecontext.Context // which the run is below; may be zero
}

// plan reads what to do, and with which inputs, from the arguments.
func (f *batchFlags) plan(a *app, cmd *cobra.Command, args []string) (*plan, error) {
	p, inputs, err := f.what(a, cmd, args)
	if err != nil {
		return nil, err
	}
	p.caller = tracecontext.FromEnviron(os.Getenv)
	p.trace = tracecontext.Start(p.caller)
	p.inputs, err = f.inputs(a, inputs)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// what reads what to do from the arguments, and which of them are inputs.
func (f *batchFlags) what(a *app, cmd *cobra.Command, args []string) (p *plan, inputs []string, err error) {
	p = &plan{}
	dash := cmd.ArgsLenAtDash()
	switch {
	case dash == 0: // run [flags] -- COMMAND … [::: INPUT…]
		p.args, inputs = args, nil
		if i := slices.Index(args, ":::"); i >= 0 {
			p.args, inputs = args[:i], args[i+1:]
		}
		if len(p.args) == 0 {
			return nil, nil, usageError(errors.New("there is no command after --"), cmd.CommandPath()+" -- wc -l {}")
		}
		p.name = filepath.Base(p.args[0])
	case len(args) == 0 || args[0] == "":
		return nil, nil, usageError(errors.New("it needs a task, or -- and a command"),
			fmt.Sprintf("%s --help; %s tasks, for a list of tasks", cmd.CommandPath(), a.name))
	default: // run TASK [flags] [INPUT…]
		p.task, inputs = args[0], args[1:]
		p.name = p.task
		if len(inputs) > 0 && inputs[0] == ":::" {
			inputs = inputs[1:]
		}
	}
	if slices.Contains(inputs, ":::") {
		return nil, nil, usageError(errors.New("::: stands among the inputs: it comes once, before all of them"), cmd.CommandPath()+" … ::: A B C")
	}
	return p, inputs, nil
}

// inputs says where the inputs come from.
func (f *batchFlags) inputs(a *app, args []string) (input.Config, error) {
	cfg := input.Config{
		Args: args, Globs: f.globs, Files: f.from, Stdin: a.In,
		NoHeader: f.noHeader, Group: f.maxArgs,
	}
	if f.maxArgs < 1 {
		return cfg, usageError(fmt.Errorf("-n %d: a command has one input at least", f.maxArgs), "-n 10")
	}
	formats := 0
	for _, format := range []struct {
		on bool
		is input.Format
	}{{f.null, input.NUL}, {f.csv, input.CSV}, {f.ndjson, input.NDJSON}} {
		if format.on {
			cfg.Format = format.is
			formats++
		}
	}
	if formats > 1 {
		return cfg, usageError(errors.New("-0, --csv and --ndjson exclude one another"), "")
	}
	if f.maxArgs > 1 && (f.csv || f.ndjson) {
		return cfg, usageError(errors.New("-n goes with plain inputs: those of --csv and --ndjson have columns of their own"), "")
	}
	if f.noHeader && !f.csv {
		return cfg, usageError(errors.New("--no-header goes with --csv"), "")
	}
	if len(args)+len(f.globs)+len(f.from) == 0 {
		if isTerminal(a.In) {
			return cfg, noInput()
		}
		cfg.Files = []string{input.Stdin}
	}
	if err := cfg.Validate(); err != nil {
		return cfg, usageError(err, a.name+" help inputs")
	}
	return cfg, nil
}

// noInput is the error of a run that had nothing to do.
func noInput() error {
	return &exitError{code: exitNoInput, err: errors.New("there is no input"),
		try: "inputs as arguments, --glob 'dir/**/*.go', --from FILE, or pipe them in, a line each"}
}

// work makes what the plan asks for. Close must be called when it is done.
func (f *batchFlags) work(p *plan, c *control, how *commandFlags) (w work, closeWork func(), err error) {
	if p.task != "" {
		if f.shell {
			return nil, nil, usageError(errors.New("--shell is for commands, after --"), "")
		}
		if f.maxArgs > 1 {
			return nil, nil, usageError(errors.New("-n is for commands, after --: a task has one input"), programName()+" run -n … -- COMMAND {}")
		}
		if flag := how.forCommands(); flag != "" {
			return nil, nil, usageError(fmt.Errorf("%s is for commands, after --", flag), programName()+" run "+flag+" … -- COMMAND {}")
		}
		set := f.set
		if f.out != "" {
			set = append(slices.Clone(set), "out="+f.out)
		}
		w, err := newTaskWork(p.task, set)
		return w, func() {}, err
	}
	if f.out != "" || len(f.set) > 0 {
		return nil, nil, usageError(errors.New("--out and --set are for tasks, not for commands"), "")
	}
	return f.commandWork(p, c, how)
}

// placeholders says which placeholders there are for the inputs of a plan.
func (f *batchFlags) placeholders(p *plan) template.Options {
	return template.Options{
		Shell:   f.shell,
		Keys:    p.inputs.Named(),
		Columns: p.inputs.Format == input.CSV || p.inputs.Format == input.NDJSON || p.inputs.Group > 1,
	}
}

func (f *batchFlags) commandWork(p *plan, c *control, how *commandFlags) (work, func(), error) {
	opts := f.placeholders(p)
	around, err := how.surroundings(opts, p.trace)
	if err != nil {
		return nil, nil, err
	}
	opts.Filled = around.filled()
	t, err := template.Parse(p.args, opts)
	if err != nil {
		return nil, nil, usageError(err, programName()+" help placeholders")
	}
	cfg, err := how.runnerConfig()
	if err != nil {
		return nil, nil, err
	}
	cfg.Env = around.base()
	runner, err := command.NewRunner(cfg)
	if err != nil {
		return nil, nil, &exitError{code: exitUsage, err: err}
	}
	// A program that is not there is found out before thousands of inputs fail.
	// A name with a placeholder is different for each, unless it is a whole
	// command line in quotes.
	name := p.args[0]
	words := strings.Fields(name)
	if !f.shell && (!strings.Contains(name, "{") || len(words) > 1 && runner.Check(words[0]) == nil) {
		if err := runner.Check(name); err != nil {
			runner.Close()
			try := ""
			if template.LooksLikeShell(p.args) {
				try = fmt.Sprintf("%s run --shell -- %s", programName(), template.Quote(strings.Join(p.args, " ")))
			}
			return nil, nil, usageError(err, try)
		}
	}
	c.on(stageAbandon, runner.Kill)
	return &commandWork{template: t, runner: runner, name: p.name, around: around}, runner.Close, nil
}

// options are the options of each call.
func (f *batchFlags) options() ([]braid.Option, error) {
	if f.retries < 0 {
		return nil, usageError(fmt.Errorf("--retries %d: it cannot be negative", f.retries), "--retries 3, for up to three more tries")
	}
	if f.timeout.fixed < 0 || f.deadline < 0 {
		return nil, usageError(errors.New("--timeout and --deadline cannot be negative"), "--timeout 30s")
	}
	base, most, err := parseBackoff(f.backoff)
	if err != nil {
		return nil, err
	}
	opts := []braid.Option{braid.Timeout(f.timeout.fixed), braid.Retry(f.retries), braid.Backoff(base, most)}
	if f.retryOn != "" {
		if f.retries == 0 {
			return nil, usageError(errors.New("--retry-on says after which failures to try again: how often, says --retries"), "--retries 3 --retry-on "+f.retryOn)
		}
		on, err := parseRetryOn(f.retryOn)
		if err != nil {
			return nil, err
		}
		opts = append(opts, braid.RetryOn(on))
	}
	return opts, nil
}

// parseBackoff reads BASE..MAX, BASE alone, or none.
func parseBackoff(s string) (base, most time.Duration, err error) {
	if s == "none" || s == "0" {
		return -1, 0, nil
	}
	from, to, ok := strings.Cut(s, "..")
	base, err = parseDuration(from)
	most = base
	if err == nil && ok {
		most, err = parseDuration(to)
	}
	if err != nil || base <= 0 || most < base {
		return 0, 0, usageError(fmt.Errorf("--backoff %q: it is BASE..MAX, such as 1s..60s, or none", s), "--backoff 1s..60s")
	}
	return base, most, nil
}

// countLate is after which time the inputs are counted if nobody sees the number but who
// asks for it: for a short run they need not be read a second time.
const countLate = 2 * time.Second

// countInputs counts the inputs by reading them a second time, after a wait and in the
// background, where that is possible. The function that it returns gives the number, or
// 0 while it is not known.
func countInputs(ctx context.Context, cfg input.Config, wait time.Duration) func() int {
	if !promptFiles(cfg.Files) {
		return func() int { return 0 }
	}
	var total atomic.Int64
	if len(cfg.Globs)+len(cfg.Files) == 0 {
		n, group := len(cfg.Args), max(cfg.Group, 1)
		total.Store(int64((n + group - 1) / group))
	} else {
		go func() {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
			n := length(input.Items(ctx, cfg))
			if ctx.Err() == nil {
				total.Store(n)
			}
		}()
	}
	return func() int { return int(total.Load()) }
}

// promptFiles reports whether all files can be read without waiting for whoever
// writes them.
func promptFiles(names []string) bool {
	for _, name := range names {
		info, err := os.Stat(name)
		if name == input.Stdin || err != nil || !info.Mode().IsRegular() {
			return false
		}
	}
	return true
}

func length(items iter.Seq2[input.Item, error]) (n int64) {
	for range items {
		n++
	}
	return n
}
