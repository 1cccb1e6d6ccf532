package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/go-braid/braid/internal/machine"
	"github.com/go-braid/braid/record"
)

// How good something is that the doctor has looked at.
const (
	doctorOK   = "ok"
	doctorWarn = "warn" // braid works, but less well, or not all of it does
	doctorBad  = "bad"  // runs will fail
)

// A finding is a line of the doctor. It is documented in the help of doctor.
type finding struct {
	Check string `json:"check"`
	State string `json:"state"`
	Value string `json:"value"`
	Means string `json:"means,omitempty"`
	Try   string `json:"try,omitempty"`
}

const doctorSchema = "braid.doctor/1"

func (a *app) doctorCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what this machine can do",
		Long: `Say what this machine can do, and what stands in the way of runs: a line for each
thing that counts, with ok, warn or bad before it, what it means and what to do.

  ok    as it should be
  warn  braid works, but less well, or a part of it does not
  bad   runs will fail

The exit code is 1 if anything is bad, and 0 otherwise, warnings included.

With --json it prints an object: {"schema":"` + doctorSchema + `", "state":…, "checks":
[{"check":…, "state":…, "value":…, "means":…, "try":…}]}, where the first state is the
worst of all, and means and try are left out if there is nothing to say. Fields and
checks may be added.`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error { return a.doctor(examine(a), asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// doctor prints findings.
func (a *app) doctor(all []finding, asJSON bool) error {
	worst := doctorOK
	for _, f := range all {
		if f.State == doctorBad || f.State == doctorWarn && worst == doctorOK {
			worst = f.State
		}
	}
	var b strings.Builder
	if asJSON {
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(struct {
			Schema string    `json:"schema"`
			State  string    `json:"state"`
			Checks []finding `json:"checks"`
		}{doctorSchema, worst, all}); err != nil {
			return err
		}
	} else {
		wide := 0
		for _, f := range all {
			wide = max(wide, len(f.Check))
		}
		for _, f := range all {
			fmt.Fprintf(&b, "%-4s  %-*s  %s\n", f.State, wide, f.Check, f.Value)
			if f.Means != "" {
				fmt.Fprintf(&b, "%*s  %s\n", wide+6, "", f.Means)
			}
			if f.Try != "" {
				fmt.Fprintf(&b, "%*s  Try: %s\n", wide+6, "", f.Try)
			}
		}
	}
	if _, err := fmt.Fprint(a.Out, b.String()); err != nil {
		return outputError(err)
	}
	if worst == doctorBad {
		return exit(exitUsage)
	}
	return nil
}

// examine looks at the machine.
func examine(a *app) []finding {
	all := []finding{
		{Check: "system", State: doctorOK, Value: strings.TrimSpace(runtime.GOOS + "/" + runtime.GOARCH + " " + kernel())},
		processors(), memory(),
	}
	all = append(all, systemFindings()...)
	all = append(all, writable("temporary files", os.TempDir(), "TMPDIR", "The outputs of commands are kept there while they run."))
	if dir, err := record.DefaultDir(); err != nil {
		all = append(all, finding{"state directory", doctorWarn, err.Error(), "Runs cannot be recorded.", "set XDG_STATE_HOME"})
	} else {
		all = append(all, writable("state directory", dir, "XDG_STATE_HOME", "Records of runs are kept there."))
	}
	return append(all, screenOf(a), findBrowser(), clock(), spawnCost())
}

func processors() finding {
	f := finding{Check: "processors", State: doctorOK, Value: fmt.Sprintf("%d, of which Go uses %d", runtime.NumCPU(), runtime.GOMAXPROCS(0))}
	if q, err := machine.ReadQuota(); err == nil && q.Processors > 0 {
		f.Value += fmt.Sprintf("; the control group has %.3g", q.Processors)
		if float64(runtime.GOMAXPROCS(0)) > q.Processors+1 {
			f.State, f.Means = doctorWarn, "More would run at once than the control group lets, and all be slowed down."
			f.Try = fmt.Sprintf("unset GOMAXPROCS, or set it to %d", max(1, int(q.Processors+0.5)))
		}
	}
	return f
}

func memory() finding {
	m, err := machine.ReadMemory()
	if err != nil {
		return finding{"memory", doctorWarn, err.Error(), "--memfree and --load cannot be used.", ""}
	}
	f := finding{Check: "memory", State: doctorOK, Value: fmt.Sprintf("%s of %s available", size(m.Available), size(m.Total))}
	if m.Limit > 0 {
		f.Value += fmt.Sprintf("; the control group has %s", size(m.Limit))
	}
	if m.Available < 256<<20 {
		f.State, f.Means, f.Try = doctorWarn, "Commands may be killed for want of memory.", "--memfree 128M, or a smaller -j"
	}
	return f
}

// writable looks whether a file can be made in a directory, or in that which it would
// be made in, and how much room there is.
func writable(check, dir, variable, what string) finding {
	f := finding{Check: check, State: doctorOK, Value: dir}
	at := dir
	if check != "temporary files" { // made when it is needed
		for {
			if _, err := os.Stat(at); !errors.Is(err, os.ErrNotExist) || filepath.Dir(at) == at {
				break
			}
			at = filepath.Dir(at)
		}
	}
	file, err := os.CreateTemp(at, "braid-doctor-")
	if err != nil {
		f.State, f.Value = doctorBad, fmt.Sprintf("%s: %v", dir, unwrapPath(err))
		f.Means, f.Try = what, "make it writable, or set "+variable+" to another directory"
		return f
	}
	file.Close()
	if err := os.Remove(file.Name()); err != nil {
		f.State, f.Means = doctorWarn, "A file could be made, but not removed: "+unwrapPath(err).Error()
	}
	if free, ok := freeSpace(at); ok {
		f.Value += ", " + size(free) + " free"
		if free < 100<<20 {
			f.State, f.Means, f.Try = doctorWarn, what, "make room, or set "+variable+" to a directory on another file system"
		}
	}
	return f
}

// screenOf describes the terminal, if there is one.
func screenOf(a *app) finding {
	f := finding{Check: "terminal", State: doctorOK, Value: "standard error is none: progress is plain lines"}
	file, ok := a.Err.(*os.File)
	if !ok || !isTerminal(file) {
		return f
	}
	width, height, err := term.GetSize(int(file.Fd()))
	f.Value = fmt.Sprintf("%d×%d", width, height)
	if err != nil || width <= 0 {
		f.Value = "of an unknown size"
	}
	if os.Getenv("TERM") == "dumb" || os.Getenv("NO_COLOR") != "" {
		f.Value += ", without colour"
	} else {
		f.Value += ", with colour"
	}
	locale := strings.ToUpper(os.Getenv("LC_ALL") + os.Getenv("LC_CTYPE") + os.Getenv("LANG"))
	if runtime.GOOS != "windows" && runtime.GOOS != "darwin" && !strings.Contains(locale, "UTF-8") && !strings.Contains(locale, "UTF8") {
		f.State, f.Means, f.Try = doctorWarn, "The locale is not UTF-8: bars and names may look odd.", "LANG=C.UTF-8"
	}
	return f
}

func findBrowser() finding {
	names := []string{"xdg-open", "chromium", "google-chrome", "firefox"}
	switch runtime.GOOS {
	case "darwin":
		names = []string{"open"}
	case "windows":
		names = []string{"rundll32"}
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return finding{Check: "browser", State: doctorOK, Value: path}
		}
	}
	return finding{"browser", doctorWarn, "no " + strings.Join(names, ", "), "Pages are not opened by themselves: their address is printed.", ""}
}

// clock measures what it costs to ask for the time, which each attempt does.
func clock() finding {
	const n = 10_000
	began := time.Now()
	for range n {
		_ = time.Now()
	}
	each := time.Since(began) / n
	f := finding{Check: "clock", State: doctorOK, Value: fmt.Sprintf("%v a look", each)}
	if source := clockSource(); source != "" {
		f.Value = source + ", " + f.Value
	}
	if each > 500*time.Nanosecond {
		f.State, f.Means = doctorWarn, "To ask for the time takes a system call here: short tasks cost more."
	}
	return f
}

// spawnCost measures what it costs to start a process.
func spawnCost() finding {
	self, err := os.Executable()
	name, args := self, []string{"--version"}
	if path, e := exec.LookPath("true"); e == nil {
		name, args, err = path, nil, nil
	}
	var took time.Duration
	for i := 0; i < 5 && err == nil; i++ {
		began := time.Now()
		err = exec.Command(name, args...).Run()
		if d := time.Since(began); i == 0 || d < took {
			took = d
		}
	}
	if err != nil {
		return finding{"starting a process", doctorBad, err.Error(), "No command can be run, and no worker process.", ""}
	}
	f := finding{Check: "starting a process", State: doctorOK, Value: fmt.Sprintf("%s for %s", brief(took), filepath.Base(name))}
	if took > 50*time.Millisecond {
		f.State, f.Means = doctorWarn, "That is slow: something may look at each program that starts."
	}
	return f
}
