//go:build unix

package cli

import (
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

// limitFindings are about the limits of this process.
func limitFindings() []finding {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return []finding{{"open files", doctorWarn, err.Error(), "The limit is not known.", ""}}
	}
	limit := uint64(r.Max) // to which Go raises it
	f := finding{Check: "open files", State: doctorOK, Value: fmt.Sprintf("at most %d", limit)}
	if limit >= math.MaxInt64 {
		f.Value = "without limit"
	}
	switch {
	case limit < 64:
		f.State = doctorBad
	case limit < 1024:
		f.State = doctorWarn
	}
	if f.State != doctorOK {
		f.Means = "Each command needs some four: few can run at once."
		f.Try = "ulimit -Hn 65536, as root, or the limits of the service"
	}
	return []finding{f}
}
