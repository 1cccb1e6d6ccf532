//go:build unix

package command

import "syscall"

var (
	errsTooLong          = []error{syscall.E2BIG}
	errsBadFormat        = []error{syscall.ENOEXEC}
	errsTooManyFiles     = []error{syscall.EMFILE, syscall.ENFILE}
	errsNoSpace          = []error{syscall.ENOSPC, syscall.EDQUOT}
	errsTooManyProcesses = []error{syscall.EAGAIN, syscall.ENOMEM}
)

// maxArg is the size that one argument, with the NUL at its end, may not
// exceed on Linux (32 pages). Elsewhere only the sum is limited, to no less.
const maxArg = 128 << 10
