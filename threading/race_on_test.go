//go:build race

package threading_test

const raceEnabled = true
