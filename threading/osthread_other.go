//go:build !linux

package threading

// nameOSThread does nothing: macOS lets only the C library name threads, and Windows
// shows their names to debuggers alone.
func nameOSThread(string) {}
