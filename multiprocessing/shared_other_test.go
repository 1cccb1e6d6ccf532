//go:build !linux

package multiprocessing_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/go-braid/braid/multiprocessing"
)

// TestSharedUnsupported: what this system lacks is refused by name.
func TestSharedUnsupported(t *testing.T) {
	_, event := multiprocessing.NewEvent()
	_, mutex := multiprocessing.NewMutex()
	_, semaphore := multiprocessing.NewSemaphore(1)
	_, condition := multiprocessing.NewCondition(nil)
	_, barrier := multiprocessing.NewBarrier(1)
	_, queue := multiprocessing.NewQueue[int](1)
	_, memory := multiprocessing.NewSharedMemory(1)
	_, array := multiprocessing.NewArray[int](1)
	_, value := multiprocessing.NewValue(1)
	for name, err := range map[string]error{
		"NewEvent": event, "NewMutex": mutex, "NewSemaphore": semaphore, "NewCondition": condition, "NewBarrier": barrier,
		"NewQueue": queue, "NewSharedMemory": memory, "NewArray": array, "NewValue": value,
	} {
		if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
