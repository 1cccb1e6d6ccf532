package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// A process is a line of /proc.
type process struct {
	pid, parent, threads int
	state                byte
	name                 string
}

func processOf(pid int) (process, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, false
	}
	// pid (name) state ppid …, where the name may hold anything; num_threads is the 20th.
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	fields := bytes.Fields(text[end+1:])
	if open < 0 || len(fields) < 18 {
		return process{}, false
	}
	p := process{pid: pid, state: fields[0][0], name: string(text[open+1 : end])}
	p.parent, _ = strconv.Atoi(string(fields[1]))
	p.threads, _ = strconv.Atoi(string(fields[17]))
	return p, true
}

// allProcesses lists all processes there are.
func allProcesses() []process {
	names, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil
	}
	var all []process
	for _, name := range names {
		if pid, err := strconv.Atoi(filepath.Base(name)); err == nil {
			if p, ok := processOf(pid); ok {
				all = append(all, p)
			}
		}
	}
	return all
}

// variable returns a variable of the environment that a process was started with.
func variable(pid int, name string) string {
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return ""
	}
	for v := range bytes.SplitSeq(env, []byte{0}) {
		if value, ok := bytes.CutPrefix(v, []byte(name+"=")); ok {
			return string(value)
		}
	}
	return ""
}

var numbers = regexp.MustCompile(`\[?[0-9]+\]?`)

// descriptors counts the open descriptors of a process, by what they are.
func descriptors(pid int) (map[string]int, error) {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	count := make(map[string]int)
	for _, e := range entries {
		if to, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil {
			count[numbers.ReplaceAllString(to, "N")]++
		}
	}
	return count, nil
}

// memoryFiles counts the mappings of memory files of a process.
func memoryFiles(pid int) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	return strings.Count(string(text), "/memfd:"), err
}

// resident returns the memory of a process, in bytes.
func resident(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, fmt.Errorf("%q is no memory", text)
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}
