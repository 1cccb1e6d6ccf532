// Package multiprocessing is the engine whose strands are processes: it runs tasks in
// worker processes of the same program, which may crash, hang, leak or be killed
// without harm to anybody but the task they were running.
//
// A worker is the same executable, started again. It must not do again what the
// program does, so the program begins with
//
//	func main() {
//		multiprocessing.Main()
//		…
//	}
//
// In the program itself Main does nothing; in a worker it serves calls and never
// returns. Tests that use worker processes have the same line in TestMain.
//
// A [Pool] runs calls of tasks that [braid.Define] made. Their arguments and results
// travel as bytes; an argument must not be changed before its call is complete. What
// cannot travel, such as a channel or a function, fails the call with
// [braid.ErrNotStarted] and the path of the field.
//
// [Start] runs one task in one process of its own, as Python's Process does.
// [SharedMemory], [Array], [Value], [Mutex], [Semaphore], [Event], [Condition],
// [Barrier], [Queue] and the pipes of [NewPipe] are for processes that work together.
// They are given to a task in its argument, and so can open files be, as a [File]. They
// need Linux; elsewhere their constructors return errors that match
// errors.ErrUnsupported.
// Package multiprocessing/connection connects programs that have only a key in common.
//
// Processes crash alone, but they are not a security boundary: a worker has all the
// rights of the program.
package multiprocessing
