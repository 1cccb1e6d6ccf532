package usage

import (
	"time"

	"golang.org/x/sys/windows"
)

func processTime() (Usage, bool) {
	var creation, exit, kernel, user windows.Filetime
	if err := windows.GetProcessTimes(windows.CurrentProcess(), &creation, &exit, &kernel, &user); err != nil {
		return Usage{}, false
	}
	return Usage{User: duration(user), System: duration(kernel)}, true
}

// duration reads t as a length of time. Its Nanoseconds method will not do: it
// takes t for a date.
func duration(t windows.Filetime) time.Duration {
	return time.Duration(int64(t.HighDateTime)<<32|int64(t.LowDateTime)) * 100
}

func childrenTime() (Usage, bool) { return Usage{}, false }
