package input

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// parseJSON parses a record that is one JSON value.
func parseJSON(text string) (Item, error) {
	b := []byte(text)
	if !utf8.Valid(b) {
		return Item{}, &recordError{errors.New("not valid JSON: the text is not UTF-8"), "convert it first, for example: iconv -f LATIN1 -t UTF-8"}
	}
	var raw json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		at := ""
		if bad, ok := errors.AsType[*json.SyntaxError](err); ok {
			at = fmt.Sprintf(" at byte %d", bad.Offset)
		}
		return Item{}, &recordError{fmt.Errorf("not valid JSON%s: %w", at, err), "each record must be one complete JSON value on one line; jq -c . FILE writes such lines"}
	}

	it := Item{Text: text, Format: NDJSON}
	var err error
	switch b = bytes.TrimLeft(b, " \t\r\n"); b[0] {
	case '{':
		it.Names, it.Fields, err = members(b)
	case '[':
		it.Fields, err = elements(b)
	default:
		var value string
		value, err = valueText(raw)
		it.Fields = []string{value}
	}
	return it, err
}

// members returns the keys and values of an object that is known to be valid. It
// reads tokens, because a map would forget the order and the double keys.
func members(object []byte) (names, values []string, err error) {
	names, values = []string{}, []string{}
	dec := json.NewDecoder(bytes.NewReader(object))
	if _, err := dec.Token(); err != nil {
		return nil, nil, err
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, nil, err
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, nil, err
		}
		value, err := valueText(raw)
		if err != nil {
			return nil, nil, err
		}
		names = append(names, key.(string))
		values = append(values, value)
	}
	return names, values, nil
}

func elements(array []byte) ([]string, error) {
	var raws []json.RawMessage
	if err := json.Unmarshal(array, &raws); err != nil {
		return nil, err
	}
	values := make([]string, len(raws))
	for i, raw := range raws {
		value, err := valueText(raw)
		if err != nil {
			return nil, err
		}
		values[i] = value
	}
	return values, nil
}

// valueText returns a string as its value and any other JSON value compactly.
func valueText(raw json.RawMessage) (string, error) {
	if len(raw) > 0 && raw[0] == '"' {
		var s string
		err := json.Unmarshal(raw, &s)
		return s, err
	}
	var b bytes.Buffer
	err := json.Compact(&b, raw)
	return b.String(), err
}
