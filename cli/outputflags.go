package cli

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/command"
	"github.com/go-braid/braid/internal/input"
	"github.com/go-braid/braid/internal/template"
)

// outputFlags are the flags of run that say where results go, and what is said while
// inputs run.
type outputFlags struct {
	results string
	tag     string
	slow    time.Duration
}

func (f *outputFlags) add(fs *pflag.FlagSet) {
	fs.StringVar(&f.results, "results", "", "keep results in `DIR`, or in FILE.ndjson or FILE.csv; see \""+programName()+" help results\"")
	fs.StringVar(&f.tag, "tag", "", "begin each line of output with its input, or with `TEMPLATE`, and a tab")
	fs.Lookup("tag").NoOptDefVal = tagWhole
	durationVar(fs, &f.slow, "slow", "say which inputs run longer than `DURATION`, while they do")
}

func (f *outputFlags) complete(cmd *cobra.Command) {
	_ = cmd.RegisterFlagCompletionFunc("tag", completeWords("{}", "{/}", "{#}"))
	_ = cmd.RegisterFlagCompletionFunc("slow", completeWords("10s", "1m"))
}

// tagger returns what makes tags; nil without --tag.
func (f *outputFlags) tagger(opts template.Options) (*tagger, error) {
	if f.tag == "" {
		return nil, nil
	}
	text, err := template.ParseText(f.tag, opts)
	if err != nil {
		return nil, usageError(fmt.Errorf("--tag: %w", err), programName()+" help placeholders")
	}
	return &tagger{text}, nil
}

// check returns what does not go together.
func (f *runFlags) check(p *plan) error {
	switch {
	case f.json && f.tag != "":
		return usageError(errors.New("--tag is for lines: with --json each has its input"), "--json without --tag")
	case f.json && f.lineBuffer:
		return usageError(errors.New("--line-buffer is for lines: with --json a result is printed as a whole"), "--json without --line-buffer")
	case f.keep && f.lineBuffer:
		return usageError(errors.New("-k and --line-buffer exclude one another: lines come as they are written"), "--line-buffer --tag")
	case f.slow < 0:
		return usageError(errors.New("--slow cannot be negative"), "--slow 10s")
	}
	return nil
}

// watch has the work report to out, and to whoever else is to know of it. The
// listener that it returns, which may be nil, is to hear of what happens.
func (f *runFlags) watch(w work, out *printer, kept *keeper, slow func(slowMark)) (work, []*engine.Listener) {
	var listeners []*engine.Listener
	c, isCommand := w.(*commandWork)
	if kept != nil {
		out.records, kept.gone = true, out.gone
	}
	if isCommand {
		if f.lineBuffer {
			out.live = true
			c.follow = func(it input.Item, seq, slot int) func(command.Stream, io.WriterTo) {
				return out.follow(out.tagger.tag(it, seq, slot))
			}
		}
		if kept != nil {
			c.keep = kept.attempt
		}
	}
	if f.timeout.percent > 0 {
		limit := newMedianLimit(f.timeout.percent)
		if isCommand {
			c.limit = limit
		} else {
			t := newTimedTask(w, limit)
			w, listeners = t, append(listeners, t.listener())
		}
	}
	if f.slow > 0 {
		s := newSlowWatch(w, f.slow, slow)
		w, listeners = s, append(listeners, s.listener())
	}
	return w, listeners
}
