//go:build !linux

package cli

func kernel() string      { return "" }
func clockSource() string { return "" }

func systemFindings() []finding { return limitFindings() }
