package cli

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/go-braid/braid/internal/tracecontext"
	"github.com/go-braid/braid/record"
)

func (a *app) runsShowCommand() *cobra.Command {
	var f runsFlags
	cmd := &cobra.Command{
		Use:               "show [RUN]",
		Short:             "Show what a recorded run came to, and what failed",
		Args:              atMostOneRun,
		ValidArgsFunction: a.completeRun,
		RunE: func(_ *cobra.Command, args []string) error {
			store, err := f.store()
			if err != nil {
				return err
			}
			run, err := a.findRun(store, runName(args))
			if err != nil {
				return err
			}
			s, err := summarize(run)
			if err != nil {
				return usageError(fmt.Errorf("the record of run %s cannot be read: %w", run.ID, err), a.name+" runs ls")
			}
			wide := 0
			if isTerminal(a.Out) {
				wide = columns(a.Out)
			}
			if _, err := io.WriteString(a.Out, s.text(wide)); err != nil {
				return outputError(err)
			}
			return nil
		},
	}
	f.add(cmd)
	return cmd
}

// A summary is what a record comes to.
type summary struct {
	run      record.Info
	engines  []string
	failures []*failureGroup
	running  []int // inputs whose attempts had not ended
	texts    map[int]string
	notes    []string // marks, advice, and what the record lacks
	last     time.Duration
	ok       int
	failed   int
}

// A failureGroup is the inputs that failed for the same reason.
type failureGroup struct {
	text   string
	inputs []int // the numbers of the first ones
	count  int
}

// showMost is how many of a kind a summary shows.
const showMost = 10

// summarize reads a record.
func summarize(run record.Info) (*summary, error) {
	r, err := record.Open(run.Path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	s := &summary{run: run, texts: make(map[int]string)}
	state := make(map[int]record.State) // of the last attempt at an input that did not succeed
	why := make(map[int]int)            // and its error
	begun := make(map[[2]int]bool)      // inputs and the attempts at them that run
	group := make(map[int]string)       // from errors to what they have in common
	text := make(map[string]string)
	var done [][2]int // ranges of inputs
	for {
		line, err := r.Next()
		if err == io.EOF {
			break
		}
		if _, torn := errors.AsType[*record.SyntaxError](err); torn {
			s.notes = append(s.notes, err.Error())
			continue
		}
		if err != nil {
			return nil, err
		}
		switch line := line.(type) {
		case *record.Engine:
			s.engines = append(s.engines, engineText(line))
		case *record.Input:
			s.texts[line.Number] = line.Text
		case *record.Start:
			begun[[2]int{line.Input, max(line.Attempt, 1)}] = true
			s.last = max(s.last, line.Start)
		case *record.Span:
			delete(begun, [2]int{line.Input, max(line.Attempt, 1)})
			s.last = max(s.last, line.End)
			if line.OK() {
				if _, failed := state[line.Input]; failed {
					delete(state, line.Input)
					delete(why, line.Input)
				}
				s.ok++
				delete(s.texts, line.Input) // which nobody will ask for
			} else {
				state[line.Input], why[line.Input] = line.State, line.Err
			}
		case *record.Error:
			group[line.Number] = line.Print
			if text[line.Print] == "" {
				text[line.Print] = firstLine(line.Text)
			}
		case *record.Done:
			s.last = max(s.last, line.Time)
			done = append(done, line.Inputs...)
		case *record.Sample:
			s.last = max(s.last, line.Time)
		case *record.Mark:
			s.notes = append(s.notes, fmt.Sprintf("%s: %s", line.Kind, line.Text))
		case *record.Advice:
			note := line.Text
			if line.Try != "" {
				note += "; try " + line.Try
			}
			s.notes = append(s.notes, note)
		case *record.Dropped:
			s.notes = append(s.notes, fmt.Sprintf("the record lacks %s: %s", plural(int(line.Events), "event"), line.Why))
		}
	}
	if run.Run.Delivers {
		s.ok = 0
	}
	for _, of := range done {
		if run.Run.Delivers {
			s.ok += of[1] - of[0] + 1
		}
		// What has ended may lack its span, which waited to be written.
		maps.DeleteFunc(begun, func(run [2]int, _ bool) bool { return of[0] <= run[0] && run[0] <= of[1] })
	}
	groups := make(map[string]*failureGroup)
	for _, i := range sorted(state) {
		key := cmp.Or(group[why[i]], string(state[i]))
		g := groups[key]
		if g == nil {
			g = &failureGroup{text: cmp.Or(text[group[why[i]]], string(state[i]))}
			groups[key] = g
			s.failures = append(s.failures, g)
		}
		g.count++
		if len(g.inputs) < 3 {
			g.inputs = append(g.inputs, i)
		}
	}
	slices.SortStableFunc(s.failures, func(a, b *failureGroup) int { return b.count - a.count })
	s.failed = len(state)
	for run := range begun {
		s.running = append(s.running, run[0])
	}
	slices.Sort(s.running)
	return s, nil
}

func sorted[V any](m map[int]V) []int {
	list := make([]int, 0, len(m))
	for i := range m {
		list = append(list, i)
	}
	slices.Sort(list)
	return list
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return shorten(s, 200)
}

func engineText(e *record.Engine) string {
	s := e.Name
	if e.Limit > 0 {
		s += fmt.Sprintf(", %d at once", e.Limit)
	}
	return s
}

// text returns the summary for people, with notes in lines of at most so many columns; 0
// is without limit.
func (s *summary) text(wide int) string {
	w := &strings.Builder{}
	run := s.run.Run
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, text string) {
		if text != "" {
			fmt.Fprintf(t, "%s\t%s\n", name, text)
		}
	}
	row("run", s.run.ID)
	row("command", commandLine(s.run))
	where := run.Dir
	if run.Host != "" {
		where += " on " + run.Host
	}
	if run.CPUs > 0 {
		where += ", " + plural(run.CPUs, "processor")
	}
	row("where", where)
	took := tookOf(s.run)
	if s.run.State == record.Died {
		took = s.last
	}
	row("when", startOf(s.run)+", for "+brief(took))
	name := "engine"
	for _, e := range s.engines {
		row(name, e)
		name = ""
	}
	row("resumes", run.Parent)
	if c, err := tracecontext.Parse(run.Trace); err == nil {
		row("trace", hex.EncodeToString(c.Trace[:]))
	}
	row("state", s.outcome())
	_ = t.Flush() // a Builder takes everything
	if len(s.failures) > 0 {
		fmt.Fprintf(w, "\nfailures\n")
		for _, g := range s.failures[:min(len(s.failures), showMost)] {
			fmt.Fprintf(w, "  %s\n", wrap(count(g.count)+" × "+g.text, wide, "    "))
			for _, i := range g.inputs {
				fmt.Fprintf(w, "      %s\n", s.input(i))
			}
			if more := g.count - len(g.inputs); more > 0 {
				fmt.Fprintf(w, "      and %s more\n", count(more))
			}
		}
		if more := len(s.failures) - showMost; more > 0 {
			fmt.Fprintf(w, "  and %s of other kinds\n", plural(more, "failure"))
		}
	}
	if len(s.running) > 0 {
		fmt.Fprintf(w, "\nunder way at the end\n")
		for _, i := range s.running[:min(len(s.running), showMost)] {
			fmt.Fprintf(w, "  %s\n", s.input(i))
		}
		if more := len(s.running) - showMost; more > 0 {
			fmt.Fprintf(w, "  and %s more\n", count(more))
		}
	}
	if len(s.notes) > 0 {
		fmt.Fprintf(w, "\nnotes\n")
		for _, note := range s.notes[:min(len(s.notes), showMost)] {
			fmt.Fprintf(w, "  %s\n", wrap(shorten(note, 500), wide, "    "))
		}
		if more := len(s.notes) - showMost; more > 0 {
			fmt.Fprintf(w, "  and %s more\n", count(more))
		}
	}
	return w.String()
}

// wrap breaks a text into lines of at most so many columns, if it can, and begins all but
// the first with the indent, which the first has room for.
func wrap(text string, wide int, indent string) string {
	if wide == 0 {
		return text
	}
	var b strings.Builder
	used := len(indent)
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case used+1+n > wide:
			b.WriteString("\n" + indent)
			used = len(indent)
		default:
			b.WriteByte(' ')
			used++
		}
		b.WriteString(word)
		used += n
	}
	return b.String()
}

// input writes an input: its number and the begin of its text.
func (s *summary) input(i int) string {
	if text := s.texts[i]; text != "" {
		return fmt.Sprintf("#%d %s", i, shorten(firstLine(text), 120))
	}
	return fmt.Sprintf("#%d", i)
}

// outcome says what the run came to.
func (s *summary) outcome() string {
	end := s.run.End
	if end == nil {
		how := "running"
		if s.run.State != record.Running {
			how = "died: it was killed, or the machine went down"
		}
		return fmt.Sprintf("%s; %s ok, %s failed so far", how, count(s.ok), count(s.failed))
	}
	text := fmt.Sprintf("%s (exit code %d): %s ok", end.Verdict, end.Exit, count(end.OK))
	for _, part := range []struct {
		n    int
		what string
	}{{end.Failed, "failed"}, {end.Stopped, "stopped"}, {end.Skipped, "not tried"}} {
		if part.n > 0 {
			text += ", " + count(part.n) + " " + part.what
		}
	}
	return text
}
