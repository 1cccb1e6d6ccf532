//go:build unix && !linux

package multiprocessing_test

// program plays no other program here: what is left of one cannot be found.
func program(string) {}
