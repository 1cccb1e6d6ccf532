package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
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
	name  string
	out   io.Writer
	quiet bool

	mu      sync.Mutex
	began   time.Time
	bar     *progressbar.ProgressBar // nil without a bar
	total   int                      // as the bar knows it
	failed  int                      // as the bar shows it
	plain   bool
	last    string    // the last plain line
	said    time.Time // and when it was said
	state   tally
	of      int // the number of inputs, 0 while unknown
	closing chan struct{}
	closed  sync.WaitGroup
}

// Plain lines come at most this often; the first comes after that time.
const plainEvery = 10 * time.Second

// newProgress returns a progress in the given mode. It must be closed.
func newProgress(mode, name string, out io.Writer, quiet bool) (*progress, error) {
	p := &progress{name: name, out: out, quiet: quiet, began: time.Now(), closing: make(chan struct{})}
	if mode == progressAuto {
		mode = progressPlain
		if isTerminal(out) {
			mode = progressBar
		}
	}
	switch mode {
	case progressBar:
		p.bar = progressbar.NewOptions64(-1,
			progressbar.OptionSetWriter(out),
			progressbar.OptionShowCount(),
			progressbar.OptionShowIts(),
			progressbar.OptionSetItsString("inputs"),
			progressbar.OptionSetPredictTime(true),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionSpinnerType(14),
			progressbar.OptionFullWidth(),
			progressbar.OptionSetRenderBlankState(true),
		)
	case progressPlain:
		p.plain = true
		p.closed.Go(p.tick)
	case progressNone:
	default:
		return nil, usageError(fmt.Errorf("--progress %s: it is auto, bar, plain or none", strconv.Quote(mode)), "--progress auto")
	}
	return p, nil
}

// update says how far the run is; total is 0 while the number of inputs is not
// known.
func (p *progress) update(t tally, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state, p.of = t, total
	if p.bar == nil || p.quiet {
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

func (p *progress) say(f func()) {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	f()
	if p.bar != nil && !p.quiet {
		_ = p.bar.RenderBlank()
	}
}

func (p *progress) tick() {
	t := time.NewTicker(plainEvery)
	defer t.Stop()
	for {
		select {
		case <-p.closing:
			return
		case <-t.C:
			p.mu.Lock()
			if s := p.describe(); s != p.last && !p.quiet {
				p.last = s
				fmt.Fprintf(p.out, "%s: %s\n", p.name, s)
			}
			p.mu.Unlock()
		}
	}
}

// close takes the bar away and, unless the run is quiet, sums it up.
func (p *progress) close(sum bool) {
	close(p.closing)
	p.closed.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Clear()
		_ = p.bar.Exit()
	}
	if sum && !p.quiet && (p.bar != nil || p.plain) {
		fmt.Fprintf(p.out, "%s: %s\n", p.name, p.describe())
	}
}

// describe puts the state into words; it needs p.mu.
func (p *progress) describe() string {
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
	if p.state.skipped > 0 {
		b.WriteString(", " + count(p.state.skipped) + " not tried")
	}
	b.WriteString(", " + brief(elapsed))
	if s := elapsed.Seconds(); done > 0 && s > 0 {
		fmt.Fprintf(&b, " (%s/s)", rate(float64(done)/s))
		if left := p.of - p.state.ended(); p.of > 0 && left > 0 {
			b.WriteString(", about " + brief(time.Duration(float64(elapsed)*float64(left)/float64(done))) + " left")
		}
	}
	return b.String()
}
