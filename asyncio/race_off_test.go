//go:build !race

package asyncio_test

const slowed = false
