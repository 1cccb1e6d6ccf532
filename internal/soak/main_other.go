//go:build !linux

package main

import (
	"fmt"
	"os"
	"runtime"
)

func main() {
	fmt.Fprintf(os.Stderr, "soak: %s is not supported: what is left of processes is looked up in Linux's /proc\n", runtime.GOOS)
	os.Exit(2)
}
