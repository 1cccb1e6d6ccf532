package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime returns the CPU time that a process has used so far, in user mode and
// in the kernel, all threads together. It is exact to the scheduler's accounting,
// where /proc/PID/stat counts hundredths of a second.
func cpuTime(pid int) (time.Duration, error) {
	// What clock_getcpuclockid computes: the complement of the process id above
	// three bits that say process (0) and scheduler's clock (2).
	const sched = 2
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|sched, &ts); err != nil {
		return 0, fmt.Errorf("CPU time of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

// resident returns the bytes of a process that are in memory.
func resident(pid int) (float64, error) {
	return memory(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Rss")
}

// proportional returns the same with what is shared divided among those who share.
func proportional(pid int) (float64, error) {
	return memory(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss")
}

// peakResident returns the most that resident was of this process.
func peakResident() (float64, error) { return memory("/proc/self/status", "VmHWM") }

// memory returns the bytes that a line of a file in /proc says.
func memory(file, field string) (float64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(text) {
		value, found := bytes.CutPrefix(line, []byte(field+":"))
		if !found {
			continue
		}
		kib, err := strconv.ParseFloat(string(bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(value), []byte("kB")))), 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %q: %w", file, line, err)
		}
		return kib * 1024, nil
	}
	return 0, fmt.Errorf("%s has no %s", file, field)
}
