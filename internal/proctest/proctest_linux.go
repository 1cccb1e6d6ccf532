package proctest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// descriptors returns a line for each open descriptor of this process.
func descriptors() ([]string, error) {
	const dir = "/proc/self/fd"
	names, err := readNames(dir)
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, name := range names {
		// That of the directory itself is closed by now.
		if target, err := os.Readlink(filepath.Join(dir, name)); err == nil {
			lines = append(lines, fmt.Sprintf("descriptor %s: %s", name, target))
		}
	}
	return lines, nil
}

// children returns a line for each child of this process, zombies among them.
// It asks all processes for their parent: a kernel need not have
// /proc/self/task/*/children.
func children() ([]string, error) {
	names, err := readNames("/proc")
	if err != nil {
		return nil, err
	}
	self := strconv.Itoa(os.Getpid())
	var lines []string
	for _, pid := range names {
		stat, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
		if err != nil {
			continue // not a process, or gone
		}
		if name, state, parent, ok := parseStat(string(stat)); ok && parent == self {
			if state == "Z" {
				name += ", a zombie"
			}
			lines = append(lines, fmt.Sprintf("child process %s (%s)", pid, name))
		}
	}
	return lines, nil
}

func readNames(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}
