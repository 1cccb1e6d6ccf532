package cli

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// talk is what a run has to say beside its product. It keeps what is said apart
// from the progress bar.
type talk interface {
	line(s string)          // says a line
	block(text io.WriterTo) // says what a command has said
}

// How a run shows its progress.
const (
	progressAuto  = "auto"  // a bar on a terminal, plain lines elsewhere
	progressBar   = "bar"   // a bar that is redrawn in place
	progressPlain = "plain" // a line from time to time
	progressNone  = "none"
)

// progress shows how far a run is, and is its talk. Its methods may be called
// from any goroutine.
type progress struct {
	name string
	out  io.Writer

	mu      sync.Mutex
	began   time.Time
	bar     *progressbar.ProgressBar // nil without a bar
	total   int                      // as the bar knows it
	failed  int                      // as the bar shows it
	plain   bool
	last    string // the last plain line
	state   tally
	of      int  // the number of inputs, 0 while unknown
	partial bool // the terminal's line holds the start of a line of the product
	closing chan struct{}
	closed  sync.WaitGroup
}

const (
	plainEvery  = 10 * time.Second       // plain lines come at most so often; the first comes after that time
	redrawEvery = 500 * time.Millisecond // so that the clock of the bar goes on while nothing happens
)

// newProgress returns a progress in the given mode; if it is to be quiet, it only
// passes on what is said. It must be closed.
func newProgress(mode, name string, out io.Writer, quiet bool) (*progress, error) {
	p := &progress{name: name, out: out, began: time.Now(), closing: make(chan struct{})}
	switch mode {
	case progressAuto:
		mode = progressPlain
		if isTerminal(out) && os.Getenv("TERM") != "dumb" {
			mode = progressBar
		}
	case progressBar, progressPlain, progressNone:
	default:
		return nil, usageError(fmt.Errorf("--progress %s: it is auto, bar, plain or none", strconv.Quote(mode)), "--progress auto")
	}
	if quiet {
		mode = progressNone
	}
	switch mode {
	case progressBar:
		wide := columns(out) >= 60
		p.bar = progressbar.NewOptions64(-1,
			progressbar.OptionSetWriter(out),
			progressbar.OptionUseANSICodes(true),
			progressbar.OptionClearOnFinish(),
			progressbar.OptionSetPredictTime(wide),
			progressbar.OptionSetElapsedTime(wide),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionSpinnerType(14),
			progressbar.OptionSetSpinnerChangeInterval(0), // it would draw whenever it likes
			progressbar.OptionFullWidth(),
			progressbar.OptionSetRenderBlankState(true),
			progressbar.OptionShowCount(),
		)
		p.closed.Go(func() { p.every(redrawEvery, p.redraw) })
	case progressPlain:
		p.plain = true
		p.closed.Go(func() { p.every(plainEvery, p.tell) })
	}
	return p, nil
}

// columns returns the width of the terminal that out is, or 80 if it is none.
func columns(out io.Writer) int {
	if f, ok := out.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			return width
		}
	}
	return 80
}

// update says how far the run is; total is 0 while the number of inputs is not
// known.
func (p *progress) update(t tally, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state, p.of = t, total
	if p.bar == nil || p.partial {
		return
	}
	if total > 0 && total != p.total {
		p.total = total
		p.bar.ChangeMax(total)
	}
	if t.failed != p.failed {
		p.failed = t.failed
		p.bar.Describe(fmt.Sprintf("%d failed", t.failed))
	}
	_ = p.bar.Set(t.ended())
}

// line says a line.
func (p *progress) line(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.say(func() { fmt.Fprintln(p.out, s) })
}

// block says what a command has said.
func (p *progress) block(text io.WriterTo) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.say(func() { _, _ = text.WriteTo(p.out) })
}

// say clears the terminal's line for f, if there is a bar. It needs p.mu.
func (p *progress) say(f func()) {
	p.clear()
	f()
	if p.bar != nil {
		_ = p.bar.RenderBlank()
	}
}

// clear begins a new line of the terminal, or takes the bar off it.
func (p *progress) clear() {
	switch {
	case p.partial:
		p.partial = false
		fmt.Fprintln(p.out)
	case p.bar != nil:
		_ = p.bar.Clear()
	}
}

// beside returns a writer of the product to out, which keeps it apart from the bar
// if both are on the terminal.
func (p *progress) beside(out io.Writer) io.Writer {
	if p.bar == nil || !isTerminal(out) {
		return out
	}
	return &besideBar{p, out}
}

type besideBar struct {
	p   *progress
	out io.Writer
}

func (b *besideBar) Write(text []byte) (n int, err error) {
	p := b.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(text) == 0 {
		return 0, nil
	}
	if !p.partial {
		_ = p.bar.Clear()
	}
	n, err = b.out.Write(text)
	// Until the line is complete, there is no place for a bar.
	p.partial = text[len(text)-1] != '\n'
	if !p.partial {
		_ = p.bar.RenderBlank()
	}
	return n, err
}

// every calls f, with p.mu held, each time that d has passed.
func (p *progress) every(d time.Duration, f func()) {
	t := time.NewTicker(d)
	defer t.Stop()
	for {
		select {
		case <-p.closing:
			return
		case <-t.C:
			p.mu.Lock()
			f()
			p.mu.Unlock()
		}
	}
}

func (p *progress) redraw() {
	if !p.partial {
		_ = p.bar.RenderBlank()
	}
}

// tell says a plain line, if there is news.
func (p *progress) tell() {
	if s := p.describe(false); s != p.last {
		p.last = s
		fmt.Fprintf(p.out, "%s: %s\n", p.name, s)
	}
}

// report says how far the run is, in a line.
func (p *progress) report() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.say(func() { fmt.Fprintf(p.out, "%s: %s\n", p.name, p.describe(false)) })
}

// close takes the bar away and, if there was something to show, sums it up.
func (p *progress) close(sum bool) {
	close(p.closing)
	p.closed.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	if p.bar != nil {
		_ = p.bar.Exit()
	}
	if sum && (p.bar != nil || p.plain) {
		fmt.Fprintf(p.out, "%s: %s\n", p.name, p.describe(true))
	}
}

// describe puts the state into words; it needs p.mu. Of a run that is over nothing is left to
// come, even if it was stopped before it had read all of its inputs.
func (p *progress) describe(over bool) string {
	var b strings.Builder
	elapsed := time.Since(p.began)
	done := p.state.ok + p.state.failed
	b.WriteString(count(done))
	if p.of > 0 && p.of != done {
		b.WriteString(" of " + count(p.of))
	}
	b.WriteString(" done")
	if p.state.failed > 0 {
		b.WriteString(", " + count(p.state.failed) + " failed")
	}
	if p.state.stopped > 0 {
		b.WriteString(", " + count(p.state.stopped) + " stopped")
	}
	if p.state.skipped > 0 {
		b.WriteString(", " + count(p.state.skipped) + " not tried")
	}
	if p.state.before > 0 {
		b.WriteString(", " + count(p.state.before) + " done before")
	}
	if p.state.again > 0 {
		b.WriteString(", " + count(p.state.again) + " put back for want of memory")
	}
	b.WriteString(", " + brief(elapsed))
	if s := elapsed.Seconds(); done > 0 && s > 0 {
		fmt.Fprintf(&b, " (%s/s)", rate(float64(done)/s))
		if left := p.of - p.state.ended(); !over && p.of > 0 && left > 0 {
			b.WriteString(", about " + brief(time.Duration(float64(elapsed)*float64(left)/float64(done))) + " left")
		}
	}
	return b.String()
}
