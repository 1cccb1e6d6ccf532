//go:build !linux

package machine

type none struct{}

var system none

func (none) memory() (Memory, error) { return Memory{}, ErrUnknown }
func (none) load() (Load, error)     { return Load{}, ErrUnknown }
func (none) quota() (Quota, error)   { return Quota{}, ErrUnknown }
