//go:build !unix && !windows

package usage

import "errors"

func peak() (int64, bool) { return 0, false }

func resetPeak() error { return errors.New("the system has no means for it") }
