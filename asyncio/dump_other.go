//go:build !unix

package asyncio

// dumpOnSignal does nothing: there is no SIGUSR1.
func (l *Loop) dumpOnSignal() (stop func()) { return func() {} }
