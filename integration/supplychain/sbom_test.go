package supplychain_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"opkssh/integration/endtoend"
)

// TestSBOMListsWhatIsLinked: a program's bill of materials has the modules that go list knows it to be made from, and no other.
func TestSBOMListsWhatIsLinked(t *testing.T) {
	schema := cycloneDX(t)
	for _, name := range []string{"opkssh", "verifier"} {
		data, err := os.ReadFile(filepath.Join(endtoend.Programs(t), name))
		if err != nil {
			t.Fatal(err)
		}
		program := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(program, data, 0o755); err != nil {
			t.Fatal(err)
		}
		text := writeBill(t, program)
		if again := writeBill(t, program); !bytes.Equal(text, again) {
			t.Errorf("%s: expected the same text twice, got\n%s\n%s", name, text, again)
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); err != nil {
			t.Errorf("%s: %v", name, err)
		}

		var bill cdx.BOM
		if err := cdx.NewBOMDecoder(bytes.NewReader(text), cdx.BOMFileFormatJSON).Decode(&bill); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"std": strings.TrimPrefix(runtime.Version(), "go")}
		for path, module := range linked(t, name, "linux", runtime.GOARCH) {
			want[path] = module.version
		}
		got := map[string]string{}
		for _, c := range *bill.Components {
			got[c.Name] = c.Version
			if c.PackageURL != fmt.Sprintf("pkg:golang/%s@%s", c.Name, c.Version) || c.Name != "std" && (c.Hashes == nil || len(*c.Hashes) != 1) {
				t.Errorf("%s: expected an address and a checksum, got %+v", name, c)
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s: expected %v, got %v", name, want, got)
		}
		digest := sha256.Sum256(data)
		if hashes := *bill.Metadata.Component.Hashes; bill.Metadata.Component.Name != name || hashes[0].Value != hex.EncodeToString(digest[:]) {
			t.Errorf("%s: expected the program and its hash, got %+v", name, bill.Metadata.Component)
		}
	}
}

// writeBill runs the command that makes a release's bills.
func writeBill(t *testing.T, program string) []byte {
	t.Helper()
	if out, err := exec.Command("go", "run", "./sbom", program).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(program + ".cdx.json")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// cycloneDX is the standard's own schema, which the library brings along for its tests.
func cycloneDX(t *testing.T) *jsonschema.Schema {
	t.Helper()
	library, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	const base = "http://cyclonedx.org/schema/"
	for name, file := range map[string]string{
		"bom-1.6.schema.json":  "bom-1.6.schema.json",
		"spdx.schema.json":     "spdx.schema.json",
		"jsf-0.82.schema.json": "jsf-0.82.schemax.json",
	} {
		text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(library)), "schema", file))
		if err != nil {
			t.Fatal(err)
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AddResource(base+name, value); err != nil {
			t.Fatal(err)
		}
	}
	schema, err := c.Compile(base + "bom-1.6.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// TestSBOMOfSomethingElse: what Go did not build has no bill, rather than an empty one.
func TestSBOMOfSomethingElse(t *testing.T) {
	other := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(other, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "run", "./sbom", other).CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("expected a program that Go has built")) {
		t.Errorf("expected a refusal, got %v\n%s", err, out)
	}
	if left, _ := filepath.Glob(other + "*"); !slices.Equal(left, []string{other}) {
		t.Errorf("expected no bill, got %v", left)
	}
}
