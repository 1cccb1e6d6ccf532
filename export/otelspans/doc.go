// Package otelspans tells OpenTelemetry of calls: while they run, with the [Listener] of
// an engine, or afterwards, from the record of a run, with [Export]. It is the one package
// of braid that needs OpenTelemetry, and of that only the API: which spans are kept and
// where they are sent is the business of the [trace.TracerProvider] that it is given.
//
// # Spans
//
// Each attempt at a call is a span. Its name is the task's, or the engine's for a closure
// without a name; its kind is internal. An attempt that follows another one has a link to
// it. A failure is the status of the span, and an event "exception" as the conventions of
// OpenTelemetry have it. Calls that never ran have no span.
//
//	attribute             type    of
//	braid.task            string  the task's name
//	braid.engine          string  the engine's name
//	braid.engine.kind     string  threads, processes, async, serial, goroutines, exec (Export)
//	braid.worker          int     the worker, from 1
//	braid.call            int     the number of the call
//	braid.index           int     the number of the input, from 0
//	braid.attempt         int     which attempt, from 1
//	braid.state           string  ok, error, panic, crash, timeout, cancelled; refused, if it was
//	                              given to a worker and did not come to run
//	braid.wait            double  seconds from when it was submitted to its start
//	braid.parked          double  seconds that its body waited
//	braid.input           string  the text of the input (Export, with Config.Inputs)
//	braid.cpu             double  seconds of processor time (Export)
//	braid.memory          int     the largest memory, in bytes (Export)
//	braid.fingerprint     string  what equal failures have in common (Export)
//	process.pid           int     the process, if it is another than that of the run
//	process.exit.code     int     its exit code (Export)
//	braid.signal          string  the signal that ended it (Export)
//	braid.run.*           string  of the run's span: id, parent, verdict (Export)
//
// What is not known is left out.
//
// The events are "braid.retry", with the attribute braid.delay in seconds, when another
// attempt follows, and, if they are wanted, "braid.parked", with braid.operation, and
// "braid.resumed", when the body waits and goes on.
package otelspans
