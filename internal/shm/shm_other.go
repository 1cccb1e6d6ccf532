//go:build !linux

package shm

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"
)

var errNone = fmt.Errorf("shm: %s has no sealed memory files: %w", runtime.GOOS, errors.ErrUnsupported)

func create(string, int64) (*os.File, error)    { return nil, errNone }
func check(*os.File) (int64, error)             { return 0, errNone }
func identify(*os.File) (uint64, uint64, error) { return 0, 0, errNone }
func mapFile(*os.File, int) (*Mapping, error)   { return nil, errNone }
func discard([]byte) error                      { return errNone }
func unmap([]byte) error                        { return errNone }
func wait(*uint32, uint32, time.Duration) error { return errNone }
func wake(*uint32, int) error                   { return errNone }
