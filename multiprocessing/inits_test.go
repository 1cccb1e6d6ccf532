//go:build unix

package multiprocessing_test

import (
	"context"
	"os"

	"github.com/go-braid/braid/multiprocessing"
)

// Variables that have a worker misbehave while its packages are initialised: how, and,
// if that is to happen once only, the file that says that it has happened.
const (
	initEnv = "BRAID_TEST_INIT"
	onceEnv = "BRAID_TEST_ONCE"
)

func init() {
	how := os.Getenv(initEnv)
	if how == "" || !multiprocessing.IsWorker() {
		return
	}
	if once := os.Getenv(onceEnv); once != "" {
		f, err := os.OpenFile(once, os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return
		}
		f.Close()
	}
	_, _ = misbehaving(context.Background(), how)
}
