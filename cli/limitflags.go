package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/go-braid/braid/internal/machine"
	"github.com/go-braid/braid/strand"
)

// limitFlags are the flags of run that hold inputs back.
type limitFlags struct {
	delay   string
	rate    string
	load    string
	memfree string
}

func (f *limitFlags) add(fs *pflag.FlagSet) {
	fs.StringVar(&f.delay, "delay", "", "let `DURATION` pass between two starts; auto or 100msauto adapts it to failures")
	fs.StringVar(&f.rate, "rate", "", "start no more than `N/s`, N/m or N/h")
	fs.StringVar(&f.load, "load", "", "start nothing while `N` threads of the machine, or N% of its processors, are busy")
	fs.StringVar(&f.memfree, "memfree", "", "start nothing while less than `SIZE` of memory is available; stop commands at half of it")
}

func (f *limitFlags) complete(cmd *cobra.Command) {
	_ = cmd.RegisterFlagCompletionFunc("delay", completeWords("100ms", "1s", "auto"))
	_ = cmd.RegisterFlagCompletionFunc("rate", completeWords("10/s", "100/m"))
	_ = cmd.RegisterFlagCompletionFunc("load", completeWords("80%", "100%"))
	_ = cmd.RegisterFlagCompletionFunc("memfree", completeWords("512M", "1G"))
}

// The sensors of the machine.
type sensors struct {
	memory func() (available int64, err error)
	load   func() (threads int, err error)
}

func machineSensors() sensors {
	return sensors{
		memory: func() (int64, error) {
			m, err := machine.ReadMemory()
			return m.Available, err
		},
		load: func() (int, error) {
			l, err := machine.ReadLoad()
			return l.Threads(), err
		},
	}
}

// Limits are what holds inputs back. The throttle is nil if nothing does, and so is the
// watch if no command is stopped for want of memory.
type limits struct {
	throttle *throttle
	watch    *memoryWatch
}

// read makes the limits of a run, which are in force until ctx is done.
func (f *limitFlags) read(ctx context.Context, s sensors) (limits, error) {
	var l limits
	g := &throttle{opened: make(chan struct{}, 1)}
	// A token of the rate is taken last, so that what is held back does not gather them.
	if f.delay != "" {
		d, err := parseDelay(f.delay)
		if err != nil {
			return l, err
		}
		g.guards = append(g.guards, d)
	}
	if f.load != "" {
		limit, err := parseLoad(f.load)
		if err != nil {
			return l, err
		}
		if _, err := s.load(); err != nil {
			return l, usageError(fmt.Errorf("--load: the load cannot be measured: %w", err), "-j 50%, to leave processors to others")
		}
		g.guards = append(g.guards, &loadGuard{limit: limit, read: s.load})
	}
	if f.memfree != "" {
		limit, err := parseBytes(f.memfree)
		if err == nil && limit == 0 {
			err = errors.New("it is more than 0")
		}
		if err != nil {
			return l, usageError(fmt.Errorf("--memfree %q: %w", f.memfree, err), "--memfree 1G")
		}
		if _, err := s.memory(); err != nil {
			return l, usageError(fmt.Errorf("--memfree: the memory cannot be measured: %w", err), "-j 2, to have fewer at once")
		}
		g.guards = append(g.guards, &memoryGuard{limit: limit, read: s.memory})
		l.watch = &memoryWatch{limit: limit, read: s.memory}
	}
	if f.rate != "" {
		limiter, err := parseRate(f.rate)
		if err != nil {
			return l, err
		}
		g.guards = append(g.guards, &pace{ctx: ctx, limiter: limiter, opened: g.opened})
	}
	if len(g.guards) > 0 {
		l.throttle = g
	}
	return l, nil
}

// watchMemory has the commands that w runs stopped when memory goes short; the function
// that it returns ends that. Tell is told, on any goroutine, of each one.
func (l limits) watchMemory(ctx context.Context, w work, tell func(text string)) (end func()) {
	c, ok := w.(*commandWork)
	if l.watch == nil || !ok {
		return func() {}
	}
	c.watch, l.watch.tell = l.watch, tell
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { l.watch.run(ctx) })
	return func() {
		cancel()
		watching.Wait()
	}
}

// parseDelay reads a duration, with auto behind it, or auto alone.
func parseDelay(s string) (*delay, error) {
	text, adapts := strings.CutSuffix(s, "auto")
	if adapts && text == "" {
		text = "100ms"
	}
	d, err := parseDuration(text)
	if err == nil && (d < 0 || adapts && d == 0) {
		err = errors.New("it is more than 0")
	}
	if err != nil {
		return nil, usageError(fmt.Errorf("--delay %q: %w", s, err), "--delay 500ms, or --delay 500msauto")
	}
	return &delay{wait: d, adapts: adapts}, nil
}

// parseLoad reads a number of threads, or a percentage of the processors.
func parseLoad(s string) (float64, error) {
	text, percent := strings.CutSuffix(s, "%")
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f > 0) || math.IsInf(f, 0) {
		return 0, usageError(fmt.Errorf("--load %q: it is a number of threads, or a percentage of the %d processors", s, runtime.NumCPU()), "--load 80%")
	}
	if percent {
		f = f / 100 * float64(runtime.NumCPU())
	}
	return f, nil
}

// parseRate reads N/s, N/m or N/h.
func parseRate(s string) (*strand.Limiter, error) {
	number, unit, _ := strings.Cut(s, "/")
	per := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}[unit]
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > mostRate || per == 0 {
		return nil, usageError(fmt.Errorf("--rate %q: it is N/s, N/m or N/h, with a whole number from 1 to %d", s, mostRate), "--rate 10/s")
	}
	// What is due within some time may come at once: timers are not so fine.
	burst := max(1, int(time.Duration(n)*burstTime/per))
	return strand.NewLimiter(n, per, burst), nil
}

const (
	mostRate  = 1_000_000
	burstTime = 10 * time.Millisecond
)

const limitsText = `
LIMITS
How much is under way at once, and what holds inputs back:

  -j N            so many at once. On a terminal + and - change that while the run
                  goes on
  --delay 1s      so much time passes between two starts. With 1sauto, as in GNU
                  parallel, it grows by 30 % with each failure and shrinks by 10 %
                  with each success; auto alone begins with 100ms
  --rate 20/s     so many starts a second, minute (20/m) or hour (20/h), evenly: what
                  is due within 10ms may come at once
  --load 80%      no start while so many threads of the whole machine run, wait for a
                  processor, or for a disk: a number, or a percentage of the
                  processors. It is the mean of a second, in which what has just been
                  started counts as one
  --memfree 2G    no start while less memory is available. Counted is what can be had
                  without swapping, and what the control group of a container leaves
  --memory 512M   with --engine processes: what a worker may take

--load and --memfree let one input run in any case, so that the run goes on. They are
for Linux, which tells.

When less than half of --memfree is available, the command that was started last is
stopped, by --kill-seq, and put back: it is done again when there is memory, from its
beginning. That is no failure, takes no try of --retries, and is counted apart. One
command is left alone. Tasks are held back, but not stopped: what a task has done
cannot be taken back, so memory is bounded by --memory there.

A further try after a failure has its own pause, see --backoff: nothing holds it back,
but it counts as a start for --delay and --rate.

SIGUSR1 prints a line of progress (not on Windows). A run that is suspended (Ctrl-Z)
suspends its commands, and goes on with them; --timeout does not stand still.
`
