package verifier_test

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

const schemaFile = "../../docs/audit-log.schema.json"

var recordSchema = sync.OnceValues(func() (*jsonschema.Schema, error) {
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	return c.Compile(schemaFile)
})

// holdToSchema checks a line of the log, which must be printable ASCII, and gives it as an object.
func holdToSchema(t *testing.T, line string) map[string]any {
	t.Helper()
	schema, err := recordSchema()
	check(t, err)
	if strings.ContainsFunc(strings.TrimSuffix(line, "\n"), func(r rune) bool { return r < ' ' || r > '~' }) {
		t.Errorf("not printable ASCII: %q", line)
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
	check(t, err)
	if err := schema.Validate(value); err != nil {
		t.Errorf("%s\n%v", line, err)
	}
	var record map[string]any
	check(t, json.Unmarshal([]byte(line), &record))
	return record
}

// schemaFields are the names of the fields that each kind of line may have, by its msg.
func schemaFields(t *testing.T) map[string][]string {
	t.Helper()
	var schema struct {
		Defs map[string]struct {
			Properties map[string]struct {
				Const any
			}
		} `json:"$defs"`
	}
	data, err := os.ReadFile(schemaFile)
	check(t, err)
	check(t, json.Unmarshal(data, &schema))
	fields := map[string][]string{}
	for _, def := range schema.Defs {
		if msg, ok := def.Properties["msg"].Const.(string); ok {
			fields[msg] = slices.Sorted(maps.Keys(def.Properties))
		}
	}
	if len(fields) < 10 {
		t.Fatalf("found %d kinds of lines: does this test still look at the right place?", len(fields))
	}
	return fields
}

// TestSchemaRefuses: the schema is strict enough to notice.
func TestSchemaRefuses(t *testing.T) {
	h := newHost(t)
	id := h.issuer.Login(t, alice)
	allow := h.verify(t, "alice", id.Certificate).decision(t)
	deny := h.verify(t, "bob", id.Certificate).decision(t)
	schema, err := recordSchema()
	check(t, err)
	for _, test := range []struct {
		name   string
		record map[string]any
		change func(r map[string]any)
	}{
		{"another field", allow, func(r map[string]any) { r["more"] = "x" }},
		{"allow without its rule", allow, func(r map[string]any) { delete(r, "rule_line") }},
		{"allow with a reason", allow, func(r map[string]any) { r["reason"] = "no-rule" }},
		{"allow without its person", allow, func(r map[string]any) { delete(r, "sub") }},
		{"allow as a warning", allow, func(r map[string]any) { r["level"] = "WARN" }},
		{"repeated as information", allow, func(r map[string]any) { r["repeated"] = true }},
		{"address without port", allow, func(r map[string]any) { r["source_address"] = "192.0.2.7" }},
		{"deny without a reason", deny, func(r map[string]any) { delete(r, "reason") }},
		{"deny as information", deny, func(r map[string]any) { r["level"] = "INFO" }},
		{"a time elsewhere", deny, func(r map[string]any) { r["time"] = "2026-11-20T06:00:00+01:00" }},
		{"another schema", deny, func(r map[string]any) { r["schema"] = 2.0 }},
		{"another message", deny, func(r map[string]any) { r["msg"] = "logout" }},
	} {
		record := maps.Clone(test.record)
		test.change(record)
		if schema.Validate(record) == nil {
			t.Errorf("%s: expected a refusal of %v", test.name, record)
		}
	}
}

// TestExamplesInTheDocs: they are lines that could have been printed.
func TestExamplesInTheDocs(t *testing.T) {
	page, err := os.ReadFile("../../docs/audit-log.md")
	check(t, err)
	examples := 0
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, `{"time":`) {
			examples++
			holdToSchema(t, line)
		}
	}
	if examples == 0 {
		t.Error("found no example")
	}
}
