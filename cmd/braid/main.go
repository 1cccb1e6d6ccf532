// Braid runs tasks and commands on many inputs, compares engines on them, and
// says which to use. Package cli is the whole of it; this program adds the
// built-in tasks.
package main

import (
	"github.com/go-braid/braid/cli"

	_ "github.com/go-braid/braid/tasks"
)

func main() { cli.Main() }
