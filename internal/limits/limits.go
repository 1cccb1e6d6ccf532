// Package limits bounds what a process may use. A process applies limits to itself, as
// early as it can.
package limits

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Limits are the limits of a process. Where a field is 0 there is none.
type Limits struct {
	Memory    int64         // bytes of data, on Linux: heap, stacks and private mappings
	CPUTime   time.Duration // processor time, rounded up to whole seconds
	OpenFiles uint64        // descriptors
	FileSize  int64         // bytes in a file that it writes
	Nice      int           // added to the niceness
}

// The fields by the names under which they travel, and that people are told.
func (l *Limits) fields() []field {
	return []field{
		{"memory", func() int64 { return l.Memory }, func(n int64) { l.Memory = n }},
		{"processor time", func() int64 { return int64(l.CPUTime) }, func(n int64) { l.CPUTime = time.Duration(n) }},
		{"open files", func() int64 { return int64(min(l.OpenFiles, math.MaxInt64)) }, func(n int64) { l.OpenFiles = uint64(n) }},
		{"file size", func() int64 { return l.FileSize }, func(n int64) { l.FileSize = n }},
		{"niceness", func() int64 { return int64(l.Nice) }, func(n int64) { l.Nice = int(n) }},
	}
}

type field struct {
	name string
	get  func() int64
	set  func(int64)
}

// String returns l as text for [Parse].
func (l Limits) String() string {
	var parts []string
	for _, f := range l.fields() {
		parts = append(parts, strconv.FormatInt(f.get(), 10))
	}
	return strings.Join(parts, ",")
}

// Parse reads what String has written.
func Parse(s string) (Limits, error) {
	var l Limits
	fields := l.fields()
	parts := strings.Split(s, ",")
	if len(parts) != len(fields) {
		return l, fmt.Errorf("limits: %q has %d parts, not %d", s, len(parts), len(fields))
	}
	for i, f := range fields {
		n, err := strconv.ParseInt(parts[i], 10, 64)
		if err != nil || n < 0 {
			return l, fmt.Errorf("limits: the %s is %q", f.name, parts[i])
		}
		f.set(n)
	}
	return l, nil
}

// Environ returns the variables that tell the Go runtime of a process, before it starts,
// of its limits: nine tenths of the memory are for it to manage.
func (l Limits) Environ() []string {
	if l.Memory == 0 {
		return nil
	}
	return []string{"GOMEMLIMIT=" + strconv.FormatInt(l.Memory/10*9, 10)}
}

// Unsupported returns the names of the limits in l that this system does not know.
func (l Limits) Unsupported() []string {
	var names []string
	for _, f := range l.fields() {
		if f.get() != 0 && !supported(f.name) {
			names = append(names, f.name)
		}
	}
	return names
}

// seconds rounds a duration up.
func seconds(d time.Duration) uint64 {
	s := d / time.Second
	if d%time.Second > 0 {
		s++
	}
	return uint64(s)
}
