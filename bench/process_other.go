//go:build !linux

package main

import (
	"errors"
	"time"
)

var errNotLinux = errors.New("processes are measured on Linux only")

func cpuTime(int) (time.Duration, error) { return 0, errNotLinux }
func resident(int) (float64, error)      { return 0, errNotLinux }
func proportional(int) (float64, error)  { return 0, errNotLinux }
func peakResident() (float64, error)     { return 0, errNotLinux }
