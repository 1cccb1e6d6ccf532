package machine

import (
	"fmt"
	"math"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// A source is where the kernel tells: the file systems proc and cgroup.
type source struct {
	proc string // as a rule /proc
	root string // before the mount points that proc names; empty but in tests
}

var system = source{proc: "/proc"}

func (s source) memory() (Memory, error) {
	text, err := os.ReadFile(filepath.Join(s.proc, "meminfo"))
	if err != nil {
		return Memory{}, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	info := fields(text)
	available, ok := info["MemAvailable:"]
	if !ok || info["MemTotal:"] == 0 {
		return Memory{}, fmt.Errorf("%w: no MemAvailable in %s/meminfo", ErrUnknown, s.proc)
	}
	m := Memory{Available: available << 10, Total: info["MemTotal:"] << 10}
	for _, g := range s.groups("memory") {
		limit, ok := g.number("memory.max", "memory.limit_in_bytes")
		// A group without a limit says max, or some number that no machine has.
		if !ok || limit >= m.Total {
			continue
		}
		used, ok := g.number("memory.current", "memory.usage_in_bytes")
		if !ok {
			continue
		}
		// What is in use includes files that have been read, which give way at once.
		if text, err := os.ReadFile(filepath.Join(g.dir, "memory.stat")); err == nil {
			stat := fields(text)
			files, ok := stat["total_inactive_file"] // version 1: that of inactive_file is without the groups below
			if !ok {
				files = stat["inactive_file"]
			}
			used -= min(files, used)
		}
		if m.Limit == 0 || limit < m.Limit {
			m.Limit = limit
		}
		m.Available = min(m.Available, max(0, limit-used))
	}
	return m, nil
}

func (s source) load() (Load, error) {
	text, err := os.ReadFile(filepath.Join(s.proc, "stat"))
	if err != nil {
		return Load{}, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	stat := fields(text)
	running, ok := stat["procs_running"]
	if !ok || running == 0 { // this thread runs
		return Load{}, fmt.Errorf("%w: no procs_running in %s/stat", ErrUnknown, s.proc)
	}
	return Load{Running: int(running - 1), Blocked: int(stat["procs_blocked"])}, nil
}

func (s source) quota() (Quota, error) {
	groups := s.groups("cpu")
	if len(groups) == 0 {
		return Quota{}, fmt.Errorf("%w: no control group of processors", ErrUnknown)
	}
	var q Quota
	for _, g := range groups {
		var quota, period float64
		if text, err := os.ReadFile(filepath.Join(g.dir, "cpu.max")); err == nil {
			if n, _ := fmt.Sscan(string(text), &quota, &period); n != 2 {
				continue // max
			}
		} else {
			a, okA := g.number("cpu.cfs_quota_us")
			b, okB := g.number("cpu.cfs_period_us")
			if !okA || !okB {
				continue
			}
			quota, period = float64(a), float64(b)
		}
		if quota > 0 && period > 0 && (q.Processors == 0 || quota/period < q.Processors) {
			q.Processors = quota / period
		}
	}
	return q, nil
}

// A group is a directory of a control group.
type group struct{ dir string }

// groups returns the control group of this process that the controller counts for, and
// those above it, which bound it as well.
func (s source) groups(controller string) []group {
	text, err := os.ReadFile(filepath.Join(s.proc, "self", "cgroup"))
	if err != nil {
		return nil
	}
	var all []group
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3) // number:controllers:path
		if len(parts) != 3 {
			continue
		}
		controllers := parts[1]
		if controllers != "" && !hasWord(controllers, controller) {
			continue
		}
		root, mount, ok := s.mount(controllers, controller)
		if !ok {
			continue
		}
		// The mount shows the hierarchy from root on. A process in a container may see
		// a path that is not below it; then the mount itself is its group.
		below, ok := strings.CutPrefix(parts[2], strings.TrimSuffix(root, "/"))
		if !ok || strings.Contains(below, "..") {
			below = "/"
		}
		for dir := path.Clean("/" + below); ; dir = path.Dir(dir) {
			all = append(all, group{filepath.Join(s.root, mount, dir)})
			if dir == "/" {
				break
			}
		}
	}
	return all
}

// mount finds where the hierarchy of a controller is mounted, and what of it: that of
// version 1 which has the controller or, if none are named, that of version 2.
func (s source) mount(controllers, controller string) (root, mount string, ok bool) {
	text, err := os.ReadFile(filepath.Join(s.proc, "self", "mountinfo"))
	if err != nil {
		return "", "", false
	}
	for line := range strings.Lines(string(text)) {
		// ID parent device root mount options … - type source superoptions
		left, right, found := strings.Cut(line, " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if !found || len(l) < 5 || len(r) < 3 {
			continue
		}
		if controllers == "" && r[0] == "cgroup2" || controllers != "" && r[0] == "cgroup" && hasWord(r[2], controller) {
			return l[3], l[4], true
		}
	}
	return "", "", false
}

// number returns what the first of the files that exists holds. It is not ok if none
// does, or says max.
func (g group) number(names ...string) (int64, bool) {
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(g.dir, name))
		if err != nil {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		if err != nil {
			return 0, false
		}
		return n, true
	}
	return 0, false
}

// fields reads lines of a name and a number; what is behind that is left out.
func fields(text []byte) map[string]int64 {
	m := make(map[string]int64)
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		if n, err := strconv.ParseInt(words[1], 10, 64); err == nil && n <= math.MaxInt64>>10 {
			m[words[0]] = n
		}
	}
	return m
}

func hasWord(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if w == word {
			return true
		}
	}
	return false
}
