// Package asyncio x.
package asyncio
