// Package cli is the braid command. Any program that defines tasks gets the same
// command for its own tasks by calling [Main]:
//
//	package main
//
//	import (
//		"github.com/go-braid/braid"
//		"github.com/go-braid/braid/cli"
//	)
//
//	var thumbnail = braid.Define("thumbnail", makeThumbnail, braid.Doc("image → thumbnail"))
//
//	func main() { cli.Main() }
//
// and then, at the shell:
//
//	mytool run thumbnail --glob 'photos/**/*.jpg'
//	mytool compare thumbnail --glob 'photos/**/*.jpg'
//
// With a blank import of package tasks it has the built-in tasks as well.
//
// # From text to arguments and back
//
// A task's argument is made from one input record. A string or []byte takes the
// text as it is; numbers, booleans and time.Duration are parsed; so is whatever
// implements encoding.TextUnmarshaler. Any other argument is read as JSON: from
// an NDJSON record, from a CSV record by its column names, or, for a struct, from
// plain text that goes to its first exported field. The flag --set sets further
// fields by their JSON names.
//
// A result is printed as a line of text: what its String method returns, or the
// string itself, or else JSON. With --json each result is a JSON object.
package cli
