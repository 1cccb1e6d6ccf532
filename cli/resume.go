package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/go-braid/braid/internal/input"
	"github.com/go-braid/braid/internal/template"
	"github.com/go-braid/braid/record"
)

// resumeFlags say which run is taken up.
type resumeFlags struct {
	resume string
	rerun  string
}

func (f *resumeFlags) add(fs *pflag.FlagSet) {
	fs.StringVar(&f.resume, "resume", "", "take up `RUN` (last, an ID, the begin of one): pass over the inputs that it has done")
	fs.StringVar(&f.rerun, "rerun-failed", "", "do again those inputs of `RUN` that it has not done, and no others")
}

// bareFlags are those whose value may be left out; it is "last" then.
var bareFlags = []string{"--resume", "--rerun-failed"}

// completeArgs puts "last" behind flags that name a run and have no value. The library
// that reads the flags could do without a value only if it never took the next argument
// for one.
func completeArgs(args []string) []string {
	if len(args) == 0 || args[0] != "run" {
		return args
	}
	full := make([]string, 0, len(args)+1)
	for i, arg := range args {
		if arg == "--" {
			return append(full, args[i:]...)
		}
		full = append(full, arg)
		if slices.Contains(bareFlags, arg) && (i+1 == len(args) || strings.HasPrefix(args[i+1], "-")) {
			full = append(full, "last")
		}
	}
	return full
}

// A prior is the run that a run takes up.
type prior struct {
	info   record.Info
	args   []string // its command line
	ledger *ledger
	rerun  bool // do again what it has not done, and nothing else
}

// look says whether an input has its turn; hash is that of the identity of the run.
// Equal inputs are done as often as they are there: which of them was done is all the same.
func (p *prior) look(hash string, e *entry) {
	if p == nil || e.err != nil { // nobody could have done it
		return
	}
	if e.key == "" {
		e.key = record.Key(hash, recordOf(e.item))
	}
	l := p.ledger
	switch {
	case p.rerun && l.open(e.key) > 0:
		l.all[e.key]--
	case l.done[e.key] > 0:
		l.all[e.key]--
		l.done[e.key]--
		e.turn = hadTurn
	case p.rerun:
		e.turn = notAsked
	}
}

// missing returns how many inputs that were to be done again were not among the inputs.
func (p *prior) missing() (n int) {
	if p != nil && p.rerun {
		for key := range p.ledger.all {
			n += p.ledger.open(key)
		}
	}
	return n
}

// takeUp finds the run that the flags name, and reads what it has done.
func (a *app) takeUp(ctx context.Context, f *runFlags) (*prior, error) {
	if f.resume != "" && f.rerun != "" {
		return nil, usageError(errors.New("--resume and --rerun-failed exclude one another"), "--resume, which also does what failed")
	}
	p := &prior{rerun: f.rerun != ""}
	store, err := storeAt(f.record)
	if err != nil {
		return nil, usageError(err, "--record DIR")
	}
	if p.info, err = a.findRun(store, f.resume+f.rerun); err != nil {
		return nil, err
	}
	if p.info, err = released(ctx, p.info); err != nil {
		return nil, usageError(err, a.name+" runs ls")
	}
	if p.args, err = argsOf(p.info); err != nil {
		return nil, usageError(fmt.Errorf("the record of run %s cannot be read: %w", p.info.ID, err), a.name+" runs ls")
	}
	if p.info.Run.Hash == "" || len(p.args) < 2 || p.args[1] != "run" {
		return nil, usageError(fmt.Errorf("run %s is none of %s run: it cannot be taken up", p.info.ID, a.name), a.name+" runs ls")
	}
	if p.info.State == record.Running {
		return nil, usageError(fmt.Errorf("run %s is still running, as process %d", p.info.ID, p.info.Run.PID), a.name+" view "+p.info.ID)
	}
	if p.ledger, err = readLedger(store, p.info); err != nil {
		return nil, usageError(err, a.name+" runs ls")
	}
	return p, nil
}

// released returns what is known of a run whose process may be gone. A process that was
// killed while it started a command leaves its record, for a moment, to the one that is to
// become that command: this waits for it.
func released(ctx context.Context, run record.Info) (record.Info, error) {
	const most = time.Second
	for pause := time.Millisecond; run.State == record.Running && !alive(run.Run.PID) && pause < most; pause *= 2 {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return run, context.Cause(ctx)
		}
		var err error
		if run, err = record.Stat(run.Path); err != nil {
			return run, err
		}
	}
	return run, nil
}

// alive reports whether there is a process of that number on this machine, as far as the
// system tells.
func alive(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	err = p.Signal(syscall.Signal(0))
	return err == nil || errors.Is(err, os.ErrPermission)
}

// findRun finds a run by last, its ID, the begin of it, or its file.
func (a *app) findRun(store record.Store, name string) (record.Info, error) {
	info, err := store.Find(name)
	switch {
	case err == nil:
		return info, nil
	case errors.Is(err, record.ErrNoRun) && name == "last":
		return info, usageError(fmt.Errorf("there is no recorded run in %s", store.Dir), a.name+" run, which records each run unless --record is off")
	}
	return info, usageError(err, a.name+" runs ls")
}

// resume takes up a run.
func (a *app) resume(cmd *cobra.Command, f *runFlags, args []string) error {
	p, err := a.takeUp(cmd.Context(), f)
	if err != nil {
		return err
	}
	recorded, err := a.parseRun(p.args)
	if err != nil {
		return usageError(fmt.Errorf("run %s cannot be taken up by this version: %w", p.info.ID, err), a.name+" runs show "+p.info.ID)
	}
	if len(args) > 0 || cmd.ArgsLenAtDash() >= 0 {
		if err := a.sameWork(cmd, f, args, p, recorded); err != nil {
			return err
		}
		return a.run(cmd, f, args, p)
	}
	// Nothing is said but which run: it is done as it was, where it was, with the flags
	// that are given now in place of its own.
	recorded.cmd.SetContext(cmd.Context())
	if err := f.overlay(cmd, recorded); err != nil {
		return err
	}
	back, err := enter(p.info.Run.Dir)
	if err != nil {
		return usageError(fmt.Errorf("run %s worked in %w", p.info.ID, err), "make that directory, or repeat the command behind --resume "+p.info.ID)
	}
	defer back()
	if recorded.readsStdin(a) {
		kept, err := openKept(filepath.Dir(p.info.Path), p.rerun)
		if err != nil {
			return usageError(fmt.Errorf("run %s took its inputs from standard input, and %w", p.info.ID, err),
				"repeat the command with its input: … | "+a.again(p, recorded))
		}
		defer kept.Close()
		a.In = kept
	}
	return a.run(recorded.cmd, recorded.flags, recorded.args, p)
}

// A parsedRun is a command line of run.
type parsedRun struct {
	cmd   *cobra.Command
	flags *runFlags
	args  []string
}

// parseRun reads the command line of a recorded run.
func (a *app) parseRun(line []string) (*parsedRun, error) {
	r := &parsedRun{}
	r.cmd, r.flags = a.newRunCommand()
	r.cmd.InitDefaultHelpFlag()
	root := &cobra.Command{Use: a.name}
	root.AddCommand(r.cmd)
	if err := r.cmd.ParseFlags(completeArgs(line[1:])[1:]); err != nil {
		return nil, err
	}
	r.args = r.cmd.Flags().Args()
	return r, nil
}

// identity returns what the run does.
func (r *parsedRun) identity(a *app) (identity, error) {
	p, _, err := r.flags.what(a, r.cmd, r.args)
	if err != nil {
		return nil, err
	}
	return r.flags.identity(p), nil
}

// readsStdin reports whether the run took inputs from standard input.
func (r *parsedRun) readsStdin(a *app) bool {
	f := r.flags
	_, inputs, err := f.what(a, r.cmd, r.args)
	return err == nil && (len(inputs)+len(f.globs)+len(f.from) == 0 || slices.Contains(f.from, input.Stdin))
}

// sameWork checks that the command line does what the recorded run did.
func (a *app) sameWork(cmd *cobra.Command, f *runFlags, args []string, p *prior, recorded *parsedRun) error {
	now, err := (&parsedRun{cmd, f, args}).identity(a)
	if err != nil {
		return err
	}
	then, err := recorded.identity(a)
	if err != nil {
		return usageError(fmt.Errorf("run %s cannot be taken up by this version: %w", p.info.ID, err), "")
	}
	flag := "--resume"
	if p.rerun {
		flag = "--rerun-failed"
	}
	if why := now.differs(then); why != "" {
		return usageError(fmt.Errorf("%s: run %s was other work: %s", flag, p.info.ID, why),
			fmt.Sprintf("%s run %s %s, which repeats that run, or leave %[2]s out", a.name, flag, p.info.ID))
	}
	if dir, err := os.Getwd(); err == nil && p.info.Run.Dir != "" && dir != p.info.Run.Dir {
		return usageError(fmt.Errorf("%s: run %s worked in %s: here the same names may mean other files", flag, p.info.ID, p.info.Run.Dir),
			fmt.Sprintf("cd %s, or %s run %s %s, which goes there by itself", template.Quote(p.info.Run.Dir), a.name, flag, p.info.ID))
	}
	return nil
}

// overlay puts the flags that were given to cmd in the place of those of a recorded run.
func (f *runFlags) overlay(cmd *cobra.Command, recorded *parsedRun) error {
	var errs []error
	to := recorded.cmd.Flags()
	cmd.Flags().Visit(func(given *pflag.Flag) {
		flag := to.Lookup(given.Name)
		list, isList := given.Value.(pflag.SliceValue)
		if !isList {
			errs = append(errs, to.Set(given.Name, given.Value.String()))
			return
		}
		errs = append(errs, flag.Value.(pflag.SliceValue).Replace(list.GetSlice()))
		flag.Changed = true
	})
	recorded.flags.resume, recorded.flags.rerun = f.resume, f.rerun
	return errors.Join(errs...)
}

// again writes the command line that takes up p with the command of the recorded run.
func (a *app) again(p *prior, recorded *parsedRun) string {
	line := []string{a.name, "run", "--resume", p.info.ID}
	if p.rerun {
		line[2] = "--rerun-failed"
	}
	return template.Join(append(line, recorded.line()...))
}

// line returns the flags and arguments of the command line, without those that say which
// run it takes up.
func (r *parsedRun) line() []string {
	var line []string
	r.cmd.Flags().Visit(func(f *pflag.Flag) {
		switch f.Name {
		case "resume", "rerun-failed", "view", "no-open":
			return
		}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			for _, v := range list.GetSlice() {
				line = append(line, "--"+f.Name+"="+v)
			}
			return
		}
		line = append(line, "--"+f.Name+"="+f.Value.String())
	})
	if dash := r.cmd.ArgsLenAtDash(); dash >= 0 {
		return slices.Concat(line, r.args[:dash], []string{"--"}, r.args[dash:])
	}
	return append(line, r.args...)
}

// enter makes dir the working directory, and returns how to go back.
func enter(dir string) (back func(), err error) {
	if dir == "" {
		return func() {}, nil
	}
	was, err := os.Getwd()
	if err != nil {
		was = ""
	}
	if was == dir {
		return func() {}, nil
	}
	if err := os.Chdir(dir); err != nil {
		if e, ok := errors.AsType[*fs.PathError](err); ok {
			err = e.Err
		}
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return func() {
		if was != "" {
			_ = os.Chdir(was)
		}
	}, nil
}
