package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/go-braid/braid/dashboard"
	"github.com/go-braid/braid/record"
)

// lookAway is how long a page may be away until view ends, once it was open. That of a run
// that is over asks for nothing while somebody reads it.
const lookAway = 10 * time.Minute

const viewText = `The page is served on this machine alone, at a port that is free, and opens only with
the token in its URL. It is there until Ctrl-C, or until it was open and nobody has asked
it for anything for 10 minutes.`

// viewFlags say how a run shows its page.
type viewFlags struct {
	view   bool
	noOpen bool
}

func (f *viewFlags) add(fs *pflag.FlagSet) {
	fs.BoolVar(&f.view, "view", false, "show the run in the browser while it goes on, and when it is over until Ctrl-C")
	fs.BoolVar(&f.noOpen, "no-open", false, "with --view: say the URL, and open no browser")
}

// viewOptions are the flags of view.
type viewOptions struct {
	runsFlags
	html   string
	tty    bool
	port   int
	noOpen bool
	color  string
}

func (a *app) viewCommand() *cobra.Command {
	var f viewOptions
	cmd := &cobra.Command{
		Use:   "view [RUN or FILE]",
		Short: "Look at a recorded run: when each input ran where, and what failed",
		Long: `Look at a recorded run, the newest one if none is named, or at a record in a file: when
each input ran on which lane, what failed and why, what was slow.

` + viewText + `
A run that still goes on is followed. With --html the page is written into a file that
needs neither braid nor a network.`,
		Example: `  ` + a.name + ` view
  ` + a.name + ` view last --html report.html
  ` + a.name + ` view 01J9ZK --tty
  ssh -L 8080:localhost:8080 host ` + a.name + ` view --port 8080`,
		Args:              atMostOneRun,
		ValidArgsFunction: a.completeRunOrFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.view(cmd, &f, runName(args))
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&f.html, "html", "", "write the page to `FILE` instead; - is standard output")
	fs.BoolVar(&f.tty, "tty", false, "draw the run with characters instead")
	fs.IntVar(&f.port, "port", 0, "serve the page at port `N` instead of a free one")
	fs.BoolVar(&f.noOpen, "no-open", false, "print the URL, and open no browser")
	fs.StringVar(&f.color, "color", "auto", "with --tty: colour it: `WHEN` is auto, always or never")
	f.add(cmd)
	_ = cmd.RegisterFlagCompletionFunc("color", completeWords("auto", "always", "never"))
	return cmd
}

// completeRunOrFile completes a run, or else a file.
func (a *app) completeRunOrFile(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names, _ := a.completeRun(cmd, args, prefix)
	return names, cobra.ShellCompDirectiveKeepOrder
}

func (a *app) view(cmd *cobra.Command, f *viewOptions, name string) error {
	if f.html != "" && f.tty {
		return usageError(errors.New("--html and --tty exclude one another"), "--html FILE")
	}
	if f.port < 0 || f.port > 65535 {
		return usageError(fmt.Errorf("--port %d: it is a number from 1 to 65535, or 0 for a free one", f.port), "--port 8080")
	}
	store, err := f.store()
	if err != nil {
		return err
	}
	run, err := a.findRun(store, name)
	if err != nil {
		return err
	}
	switch {
	case f.html != "":
		return a.writePage(f.html, run.Path)
	case f.tty:
		return a.drawRun(f, run)
	}
	server, err := dashboard.New(run.Path, dashboard.Config{Port: f.port, Idle: lookAway})
	if err != nil {
		return usageError(err, "--port N with another one, or --tty")
	}
	v := &viewing{app: a, server: server, done: make(chan struct{})}
	v.begin(cmd.Context(), f.noOpen)
	defer v.endOnSignal()()
	if _, err := fmt.Fprintln(a.Out, server.URL()); err != nil {
		v.stop()
		return outputError(err)
	}
	return v.wait("that is run " + run.ID + "; Ctrl-C ends this")
}

// writePage writes the page of a record into a file.
func (a *app) writePage(file, path string) error {
	m, err := dashboard.Load(path)
	if err != nil {
		return unreadable(err)
	}
	if file == "-" {
		if err := m.WriteHTML(a.Out); err != nil {
			return outputError(err)
		}
		return nil
	}
	out, err := os.Create(file)
	if err != nil {
		return usageError(err, "--html FILE in a directory that is there")
	}
	b := bufio.NewWriterSize(out, 64<<10)
	if err := errors.Join(m.WriteHTML(b), b.Flush(), out.Close()); err != nil {
		return outputError(err)
	}
	return nil
}

// unreadable says that a record cannot be read.
func unreadable(err error) *exitError {
	return usageError(fmt.Errorf("the record cannot be read: %w", err), "another one; runs ls lists them")
}

// drawRun draws a record with characters.
func (a *app) drawRun(f *viewOptions, run record.Info) error {
	style, err := styleFor(f.color, a.Out)
	if err != nil {
		return err
	}
	m, err := dashboard.Load(run.Path)
	if err != nil {
		return unreadable(err)
	}
	d := dashboard.Drawing{Color: style.on}
	if out, ok := a.Out.(*os.File); ok {
		if width, height, err := term.GetSize(int(out.Fd())); err == nil {
			d.Width, d.Height = width, height-1 // the prompt has a line, too
		}
	}
	if err := m.Draw(a.Out, d); err != nil {
		return outputError(err)
	}
	return nil
}

// A viewing is a page while it is served.
type viewing struct {
	app    *app
	server *dashboard.Server
	cancel context.CancelFunc
	done   chan struct{} // closed when it is not served any more
	err    error         // why, then
}

// begin serves the page and, if it is to be opened and can be, opens it.
func (v *viewing) begin(ctx context.Context, noOpen bool) {
	ctx, v.cancel = context.WithCancel(ctx)
	go func() {
		defer close(v.done)
		v.err = v.server.Serve(ctx)
	}()
	if noOpen {
		return
	}
	if err := openBrowser(v.server.URL()); err != nil && !errors.Is(err, errNoDesktop) {
		fmt.Fprintf(v.app.Err, "%s: no browser could be started: %v\n", v.app.name, err)
	}
}

// stop ends the page.
func (v *viewing) stop() {
	if v != nil {
		v.cancel()
		<-v.done
	}
}

// wait says a line, and waits until the page is of no use any more, or an interrupt.
func (v *viewing) wait(line string) error {
	fmt.Fprintf(v.app.Err, "%s: %s\n", v.app.name, line)
	<-v.done
	v.cancel()
	if v.err != nil {
		return &exitError{code: exitUsage, err: fmt.Errorf("the page cannot be served: %w", v.err)}
	}
	return nil
}

// show shows the page of a run that begins. If it cannot, it says so, and the run goes on
// without.
func (a *app) show(ctx context.Context, f *viewFlags, rec *recording, c *control, size *resizer, say func(string)) *viewing {
	if !f.view || rec == nil {
		return nil
	}
	server, err := dashboard.New(rec.log.Path(), dashboard.Config{Idle: lookAway, Control: &dashboard.Control{
		Stop: func() {
			c.raise(stageDrain, exitInterrupted, nil)
			if c.comment != nil {
				c.comment(stageDrain)
			}
		},
		Pause: func() {
			c.pause(true)
			rec.mark("pause", "nothing more is started")
		},
		Resume: func() {
			c.pause(false)
			rec.mark("pause", "inputs are started again")
		},
		Jobs: size.set,
	}})
	if err != nil {
		say(fmt.Sprintf("%s: the run cannot be shown: %v", a.name, err))
		return nil
	}
	v := &viewing{app: a, server: server, done: make(chan struct{})}
	say(fmt.Sprintf("%s: %s", a.name, server.URL()))
	v.begin(context.WithoutCancel(ctx), f.noOpen)
	return v
}

// endOnSignal has an interrupt end the page. The function that it returns undoes this.
func (v *viewing) endOnSignal() (undo func()) {
	c := newControl()
	c.on(stageDrain, v.cancel)
	return c.watchSignals()
}

// linger keeps the page of a run that is over, unless a signal has ended that. The
// context is that of the command; unwatch ends that signals are for the run.
func (v *viewing) linger(ctx context.Context, c *control, unwatch func()) {
	if v == nil || c.signaled.Load() {
		return
	}
	defer context.AfterFunc(ctx, v.cancel)()
	defer v.endOnSignal()() // before the other one ends, as a signal between would kill
	unwatch()
	if e, ok := errors.AsType[*exitError](v.wait("the page stays until Ctrl-C: " + v.server.URL())); ok {
		v.app.explain(e)
	}
}

// writeReport writes the page of a recorded run into a file.
func (a *app) writeReport(file string, r *recording) error {
	if r == nil {
		return &exitError{code: exitUsage, err: fmt.Errorf("%s cannot be written, since nothing is recorded", file)}
	}
	return a.writePage(file, r.log.Path())
}
