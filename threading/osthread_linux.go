package threading

import (
	"os"
	"unicode/utf8"
	"unsafe"

	"golang.org/x/sys/unix"
)

// nameOSThread gives the system's thread that it is called on a name, by which top,
// ps and debuggers show it. What there is no room for is cut off; see PR_SET_NAME in
// prctl(2). The first thread keeps its name, which is the program's, and outlives what
// is locked to it.
func nameOSThread(name string) {
	const room = 15
	if unix.Gettid() == os.Getpid() {
		return
	}
	if len(name) > room {
		cut := room
		for cut > 0 && !utf8.RuneStart(name[cut]) {
			cut--
		}
		name = name[:cut]
	}
	p, err := unix.BytePtrFromString(name)
	if err != nil {
		return // there is a zero byte in it
	}
	_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(p)), 0, 0, 0)
}
