package cli

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

func kernel() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

func clockSource() string {
	text, _ := os.ReadFile("/sys/devices/system/clocksource/clocksource0/current_clocksource")
	return strings.TrimSpace(string(text))
}

// systemFindings are about what Linux alone has.
func systemFindings() []finding {
	all := limitFindings()
	all = append(all, ability("memfd", func() (int, error) { return unix.MemfdCreate("braid-doctor", unix.MFD_CLOEXEC) },
		"Memory is shared with worker processes by it; without, arguments and results are copied."))
	all = append(all, ability("pidfd", func() (int, error) { return unix.PidfdOpen(os.Getpid(), 0) },
		"The end of a command is awaited by it; without, each takes a thread."))
	all = append(all, ability("eventfd", func() (int, error) { return unix.Eventfd(0, unix.EFD_CLOEXEC) },
		"Processes wake one another by it."))
	return append(all, delegation())
}

func ability(name string, open func() (int, error), what string) finding {
	fd, err := open()
	if err != nil {
		return finding{name, doctorWarn, err.Error(), what, "a kernel, or a container, that allows it"}
	}
	unix.Close(fd)
	return finding{Check: name, State: doctorOK, Value: "there"}
}

// delegation says whether control groups of our own can be made.
func delegation() finding {
	f := finding{Check: "control groups", State: doctorOK}
	text, err := os.ReadFile("/proc/self/cgroup")
	path, v2 := "", false
	for line := range strings.Lines(string(text)) {
		if p, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			path, v2 = p, true
		}
	}
	dir := "/sys/fs/cgroup" + path
	controllers, readErr := os.ReadFile(dir + "/cgroup.controllers")
	switch {
	case err != nil || !v2 || readErr != nil:
		f.Value = "version 2 is not there, or not to be seen"
	case unix.Access(dir+"/cgroup.procs", unix.W_OK) != nil:
		f.Value = fmt.Sprintf("version 2 (%s), not delegated to this user", strings.TrimSpace(string(controllers)))
	default:
		f.Value = fmt.Sprintf("version 2 (%s), delegated", strings.TrimSpace(string(controllers)))
	}
	return f
}
