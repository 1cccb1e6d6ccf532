package record

import (
	"bytes"
	"os"
	"strconv"
)

// residentMemory returns the memory of this process in bytes, or 0.
func residentMemory() int64 {
	data, err := os.ReadFile("/proc/self/statm") // in pages: all of it, and what is resident
	if err != nil {
		return 0
	}
	fields := bytes.Fields(data)
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
