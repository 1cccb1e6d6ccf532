// Package export writes the record of a run (package record) in the formats of other
// tools: a trace for Perfetto and its kin ([Chrome]), a summary for people and programs
// that read ([Markdown]), and a table ([CSV]). Spans for OpenTelemetry are in package
// export/otelspans, which alone depends on that.
//
// Each function reads a record once, from its beginning to its end, in memory that does
// not grow with the number of attempts, so a record of any length can be exported, and a
// [record.Reader] of any source will do.
package export
