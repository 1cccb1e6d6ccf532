//go:build !linux

package enginetest_test

const countsDescriptors = false
