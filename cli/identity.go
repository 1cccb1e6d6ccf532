package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-braid/braid/internal/input"
	"github.com/go-braid/braid/internal/template"
)

// An identity is what a run does with an input, whichever that is: two runs of one
// identity do the same with the same input. How they do it, such as how many at once and
// on which engine, is no part of it.
type identity []trait

// A trait is a part of an identity: what it is called, and what it is.
type trait struct{ name, value string }

// identity returns what p does.
func (f *batchFlags) identity(p *plan) identity {
	if p.task != "" {
		set := slices.Clone(f.set)
		if f.out != "" {
			set = append(set, "out="+f.out)
		}
		for i, s := range set {
			set[i] = "--set " + template.Quote(s)
		}
		return identity{{"task", p.task}, {"parameters", strings.Join(set, " ")}}
	}
	how := "command"
	if f.shell {
		how = "shell command"
	}
	id := identity{{how, template.Join(p.args)}}
	if f.maxArgs > 1 {
		id = append(id, trait{"inputs for a command", strconv.Itoa(f.maxArgs)})
	}
	return id
}

// identity returns what p does, with what is around a command.
func (f *runFlags) identity(p *plan) identity {
	id := f.batchFlags.identity(p)
	if p.task != "" {
		return id
	}
	env := slices.Clone(f.env)
	for i, v := range env {
		env[i] = template.Quote(v)
	}
	return append(id, trait{"working directory", f.workdir}, trait{"environment", strings.Join(env, " ")}, trait{"standard input", f.stdin})
}

// hash returns a name of the identity that is the same in each run.
func (id identity) hash() string {
	var list []string
	for _, t := range id {
		list = append(list, t.name, t.value)
	}
	text, _ := json.Marshal(list) // strings can always be written
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// differs says in what id differs from that of a recorded run; empty if in nothing.
func (id identity) differs(recorded identity) string {
	if id[0] != recorded[0] {
		return fmt.Sprintf("it ran the %s, and this is the %s", recorded[0], id[0])
	}
	for _, t := range append(id[1:len(id):len(id)], recorded[1:]...) {
		switch now, then := id.value(t.name), recorded.value(t.name); {
		case now == then:
		case then == "":
			return fmt.Sprintf("it had no %s, and this has %s", t.name, now)
		case now == "":
			return fmt.Sprintf("it had the %s %s, and this has none", t.name, shorten(then, 200))
		default:
			return fmt.Sprintf("it had the %s %s, and this has %s", t.name, shorten(then, 200), now)
		}
	}
	return ""
}

// value returns what a trait is, or nothing.
func (id identity) value(name string) string {
	for _, t := range id {
		if t.name == name {
			return t.value
		}
	}
	return ""
}

func (t trait) String() string { return t.name + " " + shorten(t.value, 200) }

// recordOf returns what an input is known by, whatever place it comes from: what a
// command or a task can see of it.
func recordOf(it input.Item) []byte {
	if group := it.Group(); group != nil {
		return []byte(strings.Join(group, "\x00")) // no argument has a NUL
	}
	b := []byte(it.Text)
	if it.Format == input.CSV { // where the text alone does not tell which column is which
		for _, name := range it.Names {
			b = append(append(b, 0), name...)
		}
	}
	return b
}
