//go:build unix

package multiprocessing_test

import (
	"os"

	"github.com/go-braid/braid/multiprocessing"
)

// play plays the program that the environment asks for, if it does.
func play() {
	switch how := os.Getenv(asProgram); how {
	case "":
	case "without Main":
		program(how)
	default:
		multiprocessing.Main()
		program(how)
	}
}
