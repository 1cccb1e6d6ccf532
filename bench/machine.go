package main

import (
	"bufio"
	"bytes"
	_ "embed"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// A machine is where and with what a run took place.
type machine struct {
	CPU        string            `json:"cpu"`
	Cores      int               `json:"cores"`
	GOMAXPROCS int               `json:"gomaxprocs"`
	OS         string            `json:"os"` // and architecture
	Kernel     string            `json:"kernel,omitempty"`
	Load       string            `json:"load,omitempty"` // of the last 1, 5 and 15 minutes, before the run
	Go         string            `json:"go"`
	Python     string            `json:"python,omitempty"` // of the peers that were measured
	Braid      string            `json:"braid,omitempty"`  // the commit
	Modules    map[string]string `json:"modules"`          // of the peers, with their versions
	Command    string            `json:"command"`
	Date       string            `json:"date"`             // when the run began
	Absent     []string          `json:"absent,omitempty"` // who was left out, and why
}

//go:embed go.mod
var goMod []byte

func thisMachine(args []string) machine {
	return machine{
		CPU:        processor(),
		Cores:      runtime.NumCPU(),
		GOMAXPROCS: runtime.GOMAXPROCS(0),
		OS:         runtime.GOOS + "/" + runtime.GOARCH,
		Kernel:     firstLine("/proc/sys/kernel/osrelease"),
		Load:       strings.Join(firstFields(firstLine("/proc/loadavg"), 3), " "),
		Go:         runtime.Version(),
		Braid:      commit(),
		Modules:    peerModules(),
		Command:    strings.Join(append([]string{"go run -C bench ."}, args...), " "),
		Date:       time.Now().UTC().Format(time.RFC3339),
	}
}

// addPython adds an interpreter to those that were used. Suites may need modules
// that not every one has.
func (m *machine) addPython(version string) {
	switch {
	case version == "" || slices.Contains(strings.Split(m.Python, ", "), version):
	case m.Python == "":
		m.Python = version
	default:
		m.Python += ", " + version
	}
}

// processor is the name that the processor gives itself, where it is known how to
// ask.
func processor() string {
	if runtime.GOOS == "darwin" {
		out, _ := exec.Command("sysctl", "-n", "machdep.cpu.brand_string").Output()
		if name := string(bytes.TrimSpace(out)); name != "" {
			return name
		}
	}
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(line, ":")
		if strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown, " + runtime.GOARCH
}

// firstLine returns the first line of a file, or nothing if it cannot be read:
// other systems have no such files.
func firstLine(file string) string {
	text, _ := os.ReadFile(file)
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}

func firstFields(line string, n int) []string {
	fields := strings.Fields(line)
	return fields[:min(n, len(fields))]
}

// commit is that of braid, if git knows it, and says if what runs is not that.
func commit() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(out))
}

// peerModules returns the modules that this one requires for itself, with the
// versions that are in this program.
func peerModules() map[string]string {
	modules := map[string]string{}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return modules
	}
	wanted := directRequirements(goMod)
	for _, m := range info.Deps {
		if wanted[m.Path] && m.Replace == nil {
			modules[m.Path] = m.Version
		}
	}
	return modules
}

// directRequirements returns the paths of the modules that a go.mod requires
// without the comment that says indirect.
func directRequirements(text []byte) map[string]bool {
	direct := map[string]bool{}
	block := false
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) > 0 && fields[0] == "require" {
			fields = fields[1:]
			if block = len(fields) == 1 && fields[0] == "("; block {
				continue
			}
		} else if !block {
			continue
		}
		switch {
		case len(fields) > 0 && fields[0] == ")":
			block = false
		case len(fields) >= 2 && !strings.HasSuffix(lines.Text(), "// indirect"):
			direct[fields[0]] = true
		}
	}
	return direct
}
