package template

import "github.com/go-braid/braid/internal/input"

// A Text is a text with placeholders that is no argument of a command: a variable's
// value, a directory. It does not change, so that any number of goroutines can
// expand it.
type Text struct{ parts []part }

// ParseText reads a text. Nothing is appended if it has no placeholder, and nothing
// is quoted: opts.Shell and opts.Filled do not count.
func ParseText(text string, opts Options) (*Text, error) {
	parts, err := parseArg(text, opts)
	if err != nil {
		return nil, err
	}
	return &Text{parts}, nil
}

// Filled reports whether the text has a placeholder.
func (t *Text) Filled() bool { return len(t.parts) > 1 || t.parts[0].kind != literal }

// Expand returns the text for one input. The error names the placeholder that the
// input has no value for and what there is instead.
func (t *Text) Expand(it input.Item, seq, slot int) (string, error) {
	s := subject{item: it, seq: seq, slot: slot}
	return s.expand(t.parts)
}
