//go:build !linux

package wire

var linkKinds = []linkKind{{"pipe", pipes}}
