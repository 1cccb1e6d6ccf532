//go:build unix && !linux

package wire

const recvFlags = 0 // they are closed in processes that are started later
