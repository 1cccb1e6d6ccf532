package export

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"
)

// fields are members of a JSON object, while they are written.
type fields struct{ b []byte }

// key begins a member.
func (f *fields) key(name string) {
	if n := len(f.b); n > 0 && f.b[n-1] != '{' {
		f.b = append(f.b, ',')
	}
	f.b = append(f.b, '"')
	f.b = append(f.b, name...)
	f.b = append(f.b, '"', ':')
}

// text adds a string, unless it is empty.
func (f *fields) text(name, s string) *fields {
	if s != "" {
		f.key(name)
		f.b = appendString(f.b, s)
	}
	return f
}

// number adds a number, unless it is 0.
func (f *fields) number(name string, n int64) *fields {
	if n != 0 {
		f.integer(name, n)
	}
	return f
}

// integer adds a number, which may be 0.
func (f *fields) integer(name string, n int64) *fields {
	f.key(name)
	f.b = strconv.AppendInt(f.b, n, 10)
	return f
}

// yes adds true.
func (f *fields) yes(name string) *fields {
	f.key(name)
	f.b = append(f.b, "true"...)
	return f
}

// float adds a number that need not be whole. What JSON cannot say becomes 0.
func (f *fields) float(name string, x float64) *fields {
	f.key(name)
	if b, err := json.Marshal(x); err == nil {
		f.b = append(f.b, b...)
	} else {
		f.b = append(f.b, '0')
	}
	return f
}

// list adds a list of strings.
func (f *fields) list(name string, list []string) *fields {
	f.key(name)
	f.b = append(f.b, '[')
	for i, s := range list {
		if i > 0 {
			f.b = append(f.b, ',')
		}
		f.b = appendString(f.b, s)
	}
	f.b = append(f.b, ']')
	return f
}

// open begins an object, to which further members belong until close.
func (f *fields) open(name string) *fields {
	f.key(name)
	f.b = append(f.b, '{')
	return f
}

func (f *fields) close() *fields {
	f.b = append(f.b, '}')
	return f
}

// appendString adds s in quotes, with what is not UTF-8 replaced.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			q, _ := json.Marshal(s) // a string has no errors
			return append(b, q...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// cut shortens s to about n bytes, with an ellipsis if there is more.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// sortedValues returns the values of m in the order of the keys.
func sortedValues[V any](m map[uint64]V) []V {
	list := make([]V, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		list = append(list, m[k])
	}
	return list
}
