//go:build unix

package multiprocessing_test

import (
	"os"

	"github.com/go-braid/braid/multiprocessing"
)

// asProgram has the test binary play a program that uses worker processes.
const asProgram = "BRAID_TEST_PROGRAM"

// play plays the program that the environment asks for, if it does.
func play() {
	switch how := os.Getenv(asProgram); how {
	case "":
	case "without Main":
		withoutMain()
	default:
		multiprocessing.Main()
		program(how)
	}
}

func withoutMain() {
	if _, err := multiprocessing.NewPool(multiprocessing.Config{}); err != nil {
		os.Stdout.WriteString(err.Error())
		os.Exit(1)
	}
	os.Exit(0)
}
