//go:build !(aix || darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris)

package cli

import "os"

// A keyboard reads no keys on this system.
type keyboard struct{}

func readKeys(*os.File, func(key byte)) *keyboard { return &keyboard{} }

func (*keyboard) close()   {}
func (*keyboard) suspend() {}
func (*keyboard) resume()  {}
