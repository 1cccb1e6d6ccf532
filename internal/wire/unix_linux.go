package wire

import "golang.org/x/sys/unix"

// recvFlags has received descriptors closed in processes that are started meanwhile.
const recvFlags = unix.MSG_CMSG_CLOEXEC
