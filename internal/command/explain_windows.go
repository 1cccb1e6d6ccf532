package command

import "golang.org/x/sys/windows"

var (
	errsTooLong          = []error{windows.ERROR_FILENAME_EXCED_RANGE}
	errsBadFormat        = []error{windows.ERROR_BAD_EXE_FORMAT, windows.ERROR_EXE_MACHINE_TYPE_MISMATCH}
	errsTooManyFiles     = []error{windows.ERROR_TOO_MANY_OPEN_FILES}
	errsNoSpace          = []error{windows.ERROR_DISK_FULL, windows.ERROR_HANDLE_DISK_FULL, windows.ERROR_DISK_QUOTA_EXCEEDED}
	errsTooManyProcesses = []error{windows.ERROR_NOT_ENOUGH_MEMORY}
)

// maxArg is the size of a whole command line.
const maxArg = 32767
