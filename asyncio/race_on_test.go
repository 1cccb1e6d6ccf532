//go:build race

package asyncio_test

// slowed says that the race detector makes everything slow.
const slowed = true
