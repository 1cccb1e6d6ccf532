//go:build !linux

package usage

import (
	"errors"
	"time"
)

func timeOfPID(int) (time.Duration, bool) { return 0, false }

func peakOfPID(int) (int64, bool) { return 0, false }

func resetPeakOfPID(int) error { return errors.New("the system has no means for it") }
