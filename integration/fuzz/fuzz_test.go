package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Three targets, of which the second breaks on what it starts with.
const targets = `package p

import "testing"

func FuzzA(f *testing.F) { f.Add("a"); f.Fuzz(func(*testing.T, string) {}) }

func FuzzB(f *testing.F) {
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 3 {
			t.Errorf("%q is too long", s)
		}
	})
}

func FuzzC(f *testing.F) { f.Fuzz(func(*testing.T, []byte) {}) }
`

func TestFuzz(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module example.com/p\n", "p.go": "package p\n", "p_test.go": targets} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(folder)
	t.Setenv("GOFLAGS", "-mod=mod")
	fuzz := func(args ...string) (int, string) {
		var stdout, stderr strings.Builder
		code := run(t.Context(), append(args, "-parallel", "1", "-totals", "totals.json", "./..."), &stdout, &stderr)
		if stderr.Len() > 0 {
			t.Fatal(stderr.String())
		}
		return code, stdout.String()
	}

	code, said := fuzz("-time", "1000x", "-rounds", "2", "-match", "A|C")
	if code != 0 || strings.Count(said, "FuzzA: ") != 3 || strings.Count(said, "FuzzC: ") != 3 || strings.Contains(said, "FuzzB") {
		t.Errorf("two rounds: got %d\n%s", code, said)
	}
	sums, err := readTotals("totals.json")
	if err != nil || len(sums) != 2 || sums["example.com/p FuzzA"].Executions < 2000 || sums["example.com/p FuzzC"].Seconds == 0 {
		t.Errorf("expected two targets with 2000 executions, got %v, %v", sums, err)
	}

	// A finding ends its target alone.
	for _, name := range []string{"new", "known"} {
		code, said = fuzz("-time", "20000x", "-rounds", "2")
		inputs, err := filepath.Glob(filepath.Join(folder, "testdata", "fuzz", "FuzzB", "*"))
		if err != nil || len(inputs) != 1 {
			t.Fatalf("%s: expected one input, got %v, %v\n%s", name, inputs, err, said)
		}
		if code != 1 || strings.Count(said, "FuzzC: ") != 3 || strings.Count(said, "is too long") == 0 || !strings.HasSuffix(said, "FAIL example.com/p FuzzB: "+inputs[0]+"\n") {
			t.Errorf("%s: got %d\n%s", name, code, said)
		}
	}
	if after, err := readTotals("totals.json"); err != nil || after["example.com/p FuzzA"].Executions < sums["example.com/p FuzzA"].Executions+80000 {
		t.Errorf("expected the sums to grow, got %v, %v", after, err)
	}
}
