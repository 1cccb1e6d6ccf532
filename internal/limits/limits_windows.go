package limits

import "runtime/debug"

const maxStack = 256 << 20

func supported(string) bool { return false }

// Apply applies what there is to apply: the bound of a goroutine's stack.
func (l Limits) Apply() error {
	debug.SetMaxStack(maxStack)
	return nil
}
