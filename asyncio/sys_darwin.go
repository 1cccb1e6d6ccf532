package asyncio

import "golang.org/x/sys/unix"

// keepAliveIdle is the option that says after which idle time probes are sent.
const keepAliveIdle = unix.TCP_KEEPALIVE
