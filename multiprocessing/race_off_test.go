//go:build !race

package multiprocessing_test

const raceEnabled = false
