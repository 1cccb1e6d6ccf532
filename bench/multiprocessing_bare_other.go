//go:build !linux

package main

func startSocketpair() (*worker, error)       { return nil, errNotLinux }
func startPolledSocketpair() (*worker, error) { return nil, errNotLinux }
func startSpinner() (*worker, error)          { return nil, errNotLinux }
func serveSocketpair() error                  { return errNotLinux }
func servePolledSocketpair() error            { return errNotLinux }
func serveSpinner() error                     { return errNotLinux }
