package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/go-braid/braid/internal/command"
	"github.com/go-braid/braid/internal/template"
	"github.com/go-braid/braid/internal/tracecontext"
)

// commandFlags are the flags of run that are for commands: how they are started and
// stopped. Their zero value is that of a command without any.
type commandFlags struct {
	env        []string
	workdir    string
	stdin      string
	nice       int
	killSeq    string
	lineBuffer bool
}

func (f *commandFlags) add(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.env, "env", nil, "set a variable of the command's environment: `NAME=VALUE`, with placeholders")
	fs.StringVar(&f.workdir, "workdir", "", "run the command in `DIR`, with placeholders, such as {//}")
	fs.StringVar(&f.stdin, "stdin", "", "have the command read `FILE`, with placeholders, such as {}")
	fs.IntVar(&f.nice, "nice", 0, "make the command give way to others: add `N`, from -20 to 19, to its niceness")
	fs.StringVar(&f.killSeq, "kill-seq", "", "stop a command by `SIGNALS`, with a time to wait after each (default "+command.DefaultSequence().String()+")")
	fs.BoolVar(&f.lineBuffer, "line-buffer", false, "print what commands write line by line, while they run")
}

func (f *commandFlags) complete(cmd *cobra.Command) {
	_ = cmd.RegisterFlagCompletionFunc("env", cobra.NoFileCompletions)
	_ = cmd.MarkFlagDirname("workdir")
	_ = cmd.RegisterFlagCompletionFunc("nice", completeWords("5", "10", "19"))
	_ = cmd.RegisterFlagCompletionFunc("kill-seq", completeWords("TERM,2s,KILL", "TERM,10s,KILL", "INT,1s,TERM,5s,KILL", "KILL"))
}

// forCommands names a flag that was given and is for commands only, or nothing.
func (f *commandFlags) forCommands() string {
	for _, flag := range []struct {
		given bool
		name  string
	}{
		{len(f.env) > 0, "--env"}, {f.workdir != "", "--workdir"}, {f.stdin != "", "--stdin"}, {f.nice != 0, "--nice"},
		{f.killSeq != "", "--kill-seq"}, {f.lineBuffer, "--line-buffer"},
	} {
		if flag.given {
			return flag.name
		}
	}
	return ""
}

// runnerConfig says how commands are started and stopped.
func (f *commandFlags) runnerConfig() (command.Config, error) {
	var cfg command.Config
	if f.nice < -20 || f.nice > 19 {
		return cfg, usageError(fmt.Errorf("--nice %d: it is a number from -20 to 19", f.nice), "--nice 10")
	}
	cfg.Nice = f.nice
	if f.killSeq != "" {
		var err error
		if cfg.Stop, err = command.ParseSequence(f.killSeq); err != nil {
			return cfg, usageError(fmt.Errorf("--kill-seq: %w", err), "--kill-seq TERM,10s,KILL")
		}
	}
	return cfg, nil
}

// surroundings reads what each command finds around it: its environment and its
// working directory. The commands are below trace.
func (f *commandFlags) surroundings(opts template.Options, trace tracecontext.Context) (*surroundings, error) {
	s := &surroundings{trace: trace}
	for _, v := range f.env {
		name, value, ok := strings.Cut(v, "=")
		if !ok || name == "" || strings.ContainsAny(name, " \x00") {
			return nil, usageError(fmt.Errorf("--env %q: it is NAME=VALUE", v), "--env 'OUT={/.}.out'")
		}
		text, err := template.ParseText(value, opts)
		if err != nil {
			return nil, usageError(fmt.Errorf("--env %s: %w", name, err), programName()+" help placeholders")
		}
		s.vars = append(s.vars, variable{name, text})
	}
	if f.workdir != "" {
		var err error
		if s.dir, err = template.ParseText(f.workdir, opts); err != nil {
			return nil, usageError(fmt.Errorf("--workdir: %w", err), programName()+" help placeholders")
		}
		if !s.dir.Filled() {
			if info, err := os.Stat(f.workdir); err != nil || !info.IsDir() {
				if err == nil {
					err = errors.New("it is not a directory")
				}
				return nil, usageError(fmt.Errorf("--workdir %s: %w", f.workdir, unwrapPath(err)), "mkdir -p "+template.Quote(f.workdir))
			}
		}
	}
	if f.stdin != "" {
		var err error
		if s.stdin, err = template.ParseText(f.stdin, opts); err != nil {
			return nil, usageError(fmt.Errorf("--stdin: %w", err), programName()+" help placeholders")
		}
	}
	return s, nil
}

// unwrapPath takes off an error what repeats the name of the file.
func unwrapPath(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	return err
}
