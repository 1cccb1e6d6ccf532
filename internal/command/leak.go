package command

import "time"

// releaseTime is how long what a command has started may hold its outputs after
// the command's end before that counts as a leak. A filter that its shell does not
// wait for ends a moment later, and what it still writes belongs to the output.
const releaseTime = 100 * time.Millisecond

// awaitRelease waits until no process can write to the outputs of a command that
// has ended, and reports whether one still can after releaseTime.
func awaitRelease(outputs ...*Output) (leaked bool) {
	waited := time.Duration(0)
	for _, o := range outputs {
		// The end where the writer is this process's own file, too, cannot be told.
		for pause := time.Millisecond; o.reusable; pause *= 2 {
			held, known := shared(o.file)
			o.alone = known && !held
			if !held {
				break
			}
			if waited >= releaseTime {
				return true
			}
			pause = min(pause, releaseTime-waited)
			time.Sleep(pause)
			waited += pause
		}
	}
	return false
}
