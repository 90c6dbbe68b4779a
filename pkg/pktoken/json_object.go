package pktoken

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth is the deepest nesting of objects and arrays that is read.
const maxDepth = 64

// ParseObject reads exactly one JSON object (RFC 8259) strictly: valid UTF-8, no duplicate member names, at most 64 levels
// deep, nothing after it. Member names keep their case. Values are string, bool, nil, [json.Number] as written,
// []any and map[string]any.
func ParseObject(data []byte) (map[string]any, error) {
	d := jsontext.NewDecoder(strings.NewReader(string(data)))
	if d.PeekKind() != '{' {
		return nil, errors.New("expected a JSON object")
	}
	v, err := parseValue(d)
	if err != nil {
		return nil, err
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("unexpected data after the JSON object")
	}
	return v.(map[string]any), nil
}

func parseValue(d *jsontext.Decoder) (any, error) {
	t, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	if d.StackDepth() > maxDepth {
		return nil, fmt.Errorf("JSON nested deeper than %d levels", maxDepth)
	}
	switch t.Kind() {
	case '{':
		object := map[string]any{}
		for d.PeekKind() != '}' {
			name, err := d.ReadToken()
			if err != nil {
				return nil, err
			}
			// The token's text is only valid until the next read.
			key := name.String()
			if object[key], err = parseValue(d); err != nil {
				return nil, err
			}
		}
		_, err = d.ReadToken()
		return object, err
	case '[':
		array := []any{}
		for d.PeekKind() != ']' {
			v, err := parseValue(d)
			if err != nil {
				return nil, err
			}
			array = append(array, v)
		}
		_, err = d.ReadToken()
		return array, err
	case '"':
		return t.String(), nil
	case '0':
		return json.Number(t.String()), nil
	case 't', 'f':
		return t.Bool(), nil
	default:
		return nil, nil
	}
}

// stringMember tells a missing member from one of another type, which is never taken for a missing one.
func stringMember(object map[string]any, name string) (value string, present bool, err error) {
	v, present := object[name]
	if !present {
		return "", false, nil
	}
	value, ok := v.(string)
	if !ok {
		return "", true, fmt.Errorf("member %q is not a string", name)
	}
	return value, true, nil
}
