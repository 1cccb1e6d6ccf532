package usage

import (
	"bytes"
	"os"
	"strconv"
)

// The peak is VmHWM in /proc/self/status, and not ru_maxrss: that one never
// falls, and is inherited from the process that started this one.
func peak() (int64, bool) { return peakOf("self") }

// peakOf returns the peak of a process, which is the name of its directory in /proc.
func peakOf(process string) (int64, bool) {
	status, err := os.ReadFile("/proc/" + process + "/status")
	if err != nil {
		return 0, false
	}
	return highWaterMark(status)
}

// highWaterMark finds the line "VmHWM:   1748 kB" in the text of a status file.
func highWaterMark(status []byte) (int64, bool) {
	for line := range bytes.Lines(status) {
		value, ok := bytes.CutPrefix(line, []byte("VmHWM:"))
		if !ok {
			continue
		}
		fields := bytes.Fields(value)
		if len(fields) != 2 || string(fields[1]) != "kB" {
			return 0, false
		}
		kib, err := strconv.ParseInt(string(fields[0]), 10, 53) // 53 bits, so that the bytes fit into 64
		if err != nil || kib < 0 {
			return 0, false
		}
		return kib << 10, true
	}
	return 0, false
}

// resetPeak tells the kernel to set VmHWM to what is resident now: see "5" under
// /proc/pid/clear_refs in proc(5).
func resetPeak() error { return resetPeakOf("self") }

func resetPeakOf(process string) error {
	f, err := os.OpenFile("/proc/"+process+"/clear_refs", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString("5")
	return err
}
