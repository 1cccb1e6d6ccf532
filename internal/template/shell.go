package template

import (
	"errors"
	"strings"
)

// A quoting makes a value safe at the place of a script where it stands.
type quoting uint8

const (
	asIs     quoting = iota
	asWord           // outside quotes
	inDouble         // between " and "
	inSingle         // between ' and '
)

var (
	singleEscaper = strings.NewReplacer(`'`, `'\''`)
	doubleEscaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "`", "\\`")
)

func (q quoting) apply(value string) string {
	switch q {
	case asWord:
		return "'" + singleEscaper.Replace(value) + "'"
	case inDouble:
		return doubleEscaper.Replace(value)
	case inSingle:
		return singleEscaper.Replace(value)
	}
	return value
}

// parseScript cuts a script into parts and finds out how each value in it has to
// be quoted.
func parseScript(script string, opts Options) ([]part, error) {
	parts, state, err := lexScript(nil, newLexer(), script, opts)
	if err == nil && !opts.Filled && len(parts) == 1 && parts[0].kind == literal {
		parts, state, err = lexScript(parts, state, " {}", opts)
	}
	if err == nil {
		err = state.end()
	}
	if err != nil {
		return nil, err
	}
	return parts, nil
}

// lexScript appends the parts of a piece of a script, which starts in the given
// state of the lexer.
func lexScript(parts []part, lx *lexer, script string, opts Options) ([]part, *lexer, error) {
	text := make([]byte, 0, len(script))
	for i := 0; i < len(script); {
		if script[i] != '{' {
			lx.next(script[i])
			text = append(text, script[i])
			i++
			continue
		}
		p, n, err := scan(script[i:], opts)
		if lx.dollar && p.kind == whole {
			return nil, nil, p.fail(errors.New(`it stands right after a $, which would make it a variable of the shell: write \$ for a dollar sign`))
		}
		if lx.dollar && p.kind != literal {
			p, n, err = part{text: "{"}, 1, nil // ${2} and ${name} are the shell's own
		}
		if err != nil {
			return nil, nil, err
		}
		if p.kind == literal {
			lx.next('{')
			text = append(text, '{')
			i += n
			continue
		}
		if p.kind == sequence || p.kind == slot {
			lx.filled() // digits are safe anywhere
		} else if p.quote, err = lx.value(); err != nil {
			return nil, nil, p.fail(err)
		}
		parts = append(appendLiteral(parts, text), p)
		text = text[:0]
		i += n
	}
	return appendLiteral(parts, text), lx, nil
}
