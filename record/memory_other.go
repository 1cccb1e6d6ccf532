//go:build !linux

package record

// residentMemory returns the memory of this process in bytes, or 0: that is not known
// here.
func residentMemory() int64 { return 0 }
