package cli

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/go-braid/braid/internal/input"
)

// A converter makes arguments of type t from input records.
type converter struct {
	t      reflect.Type
	set    map[string]json.RawMessage // fields with fixed values, by JSON name
	target string                     // the field that plain text goes to
}

// newConverter checks that text can become a t at all, and that the fields of
// set, given as name=value, exist.
func newConverter(t reflect.Type, set []string) (*converter, error) {
	c := &converter{t: t}
	fields := jsonFields(t)
	if len(fields) > 0 {
		c.target = fields[0].name
	}
	for _, s := range set {
		name, value, ok := strings.Cut(s, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--set %q: it is NAME=VALUE", s)
		}
		field, err := c.field(fields, name)
		if err != nil {
			return nil, err
		}
		text, err := fieldJSON(field.t, value)
		if err != nil {
			return nil, fmt.Errorf("--set %s: %w", name, err)
		}
		if c.set == nil {
			c.set = make(map[string]json.RawMessage)
		}
		c.set[name] = text
	}
	return c, nil
}

func (c *converter) field(fields []jsonField, name string) (jsonField, error) {
	var names []string
	for _, f := range fields {
		if f.name == name {
			return f, nil
		}
		names = append(names, f.name)
	}
	if len(names) == 0 {
		return jsonField{}, fmt.Errorf("--set %s: the task's argument is of type %v and has no fields", name, c.t)
	}
	return jsonField{}, fmt.Errorf("--set %s: the task's argument has no such field%s: it has %s",
		name, didYouMean(name, names), strings.Join(names, ", "))
}

// convert makes an argument from a record.
func (c *converter) convert(it input.Item) (any, error) {
	if text, plain := plainText(it); plain && c.target == "" {
		v := reflect.New(c.t)
		ok, err := setText(v.Elem(), text)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
		if ok {
			return v.Elem().Interface(), nil
		}
	}
	text, err := c.json(it)
	if err != nil {
		return nil, err
	}
	v := reflect.New(c.t)
	if err := json.Unmarshal(text, v.Interface()); err != nil {
		return nil, fmt.Errorf("the input does not fit the task's argument of type %v: %w", c.t, err)
	}
	return v.Elem().Interface(), nil
}

// plainText returns the text of a record that is a single value: a line, a CSV
// record of one column, or a JSON string or number.
func plainText(it input.Item) (string, bool) {
	switch {
	case it.Format == input.Lines:
		return it.Text, true
	case it.Format == input.NDJSON && it.Names == nil && strings.HasPrefix(it.Text, "["):
		return "", false
	case len(it.Fields) == 1 && (it.Format == input.CSV || it.Names == nil):
		return it.Fields[0], true
	}
	return "", false
}

// json writes the record as JSON for the argument, with the fixed fields.
func (c *converter) json(it input.Item) (json.RawMessage, error) {
	var text json.RawMessage
	var err error
	plain, isPlain := plainText(it)
	switch {
	case isPlain && it.Format != input.CSV && c.target != "" && !strings.HasPrefix(strings.TrimSpace(plain), "{"):
		fields := jsonFields(c.t)
		var value json.RawMessage
		if value, err = fieldJSON(fields[0].t, plain); err == nil {
			text, err = json.Marshal(map[string]json.RawMessage{c.target: value})
		}
	case it.Format != input.Lines:
		text, err = it.JSON()
	default:
		text = json.RawMessage(it.Text)
		if !json.Valid(text) {
			err = fmt.Errorf("%q: the task's argument is of type %v: give it as JSON", it.Text, c.t)
		}
	}
	if err != nil || len(c.set) == 0 {
		return text, err
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil {
		return nil, fmt.Errorf("--set needs inputs that are objects: %w", err)
	}
	for name, value := range c.set {
		object[name] = value
	}
	return json.Marshal(object)
}

// setText sets v from plain text, if v is of a kind that has a plain text.
func setText(v reflect.Value, text string) (bool, error) {
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return true, u.UnmarshalText([]byte(text))
	}
	if d, ok := v.Addr().Interface().(*time.Duration); ok {
		var err error
		*d, err = parseDuration(text)
		return true, err
	}
	bits := func() int { return v.Type().Bits() }
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Slice:
		if v.Type().Elem().Kind() != reflect.Uint8 {
			return false, nil
		}
		v.SetBytes([]byte(text))
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return true, fmt.Errorf("it is not true or false")
		}
		v.SetBool(b)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(text, 0, bits())
		if err != nil {
			return true, fmt.Errorf("it is not a whole number that fits %v", v.Type())
		}
		v.SetInt(n)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, err := strconv.ParseUint(text, 0, bits())
		if err != nil {
			return true, fmt.Errorf("it is not a whole number from 0 that fits %v", v.Type())
		}
		v.SetUint(n)
	case reflect.Float32, reflect.Float64:
		f, err := strconv.ParseFloat(text, bits())
		if err != nil {
			return true, fmt.Errorf("it is not a number that fits %v", v.Type())
		}
		v.SetFloat(f)
	case reflect.Interface:
		if v.NumMethod() > 0 {
			return false, nil
		}
		v.Set(reflect.ValueOf(text))
	default:
		return false, nil
	}
	return true, nil
}

// parseDuration reads a duration as Go writes it, or a plain number of seconds,
// as sleep(1) takes it.
func parseDuration(s string) (time.Duration, error) {
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		s = strconv.FormatFloat(f, 'f', -1, 64) + "s"
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf(`it is not a duration: write it as "250ms", "1.5s", "2m" or a number of seconds`)
	}
	return d, nil
}

type jsonField struct {
	name string
	t    reflect.Type
}

// jsonFields returns the fields that encoding/json sees in a struct with no text
// of its own, in their order.
func jsonFields(t reflect.Type) []jsonField {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return nil
	}
	var fields []jsonField
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		fields = append(fields, jsonField{name: name, t: f.Type})
	}
	return fields
}

// fieldJSON writes text as the JSON value of a field of type t.
func fieldJSON(t reflect.Type, text string) (json.RawMessage, error) {
	v := reflect.New(t)
	ok, err := setText(v.Elem(), text)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", text, err)
	}
	if !ok {
		raw := bytes.TrimSpace([]byte(text))
		if !json.Valid(raw) {
			return nil, fmt.Errorf("%q: the field is of type %v: give it as JSON", text, t)
		}
		return raw, nil
	}
	return json.Marshal(v.Interface())
}
