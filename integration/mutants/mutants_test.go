package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const source = `package p

func InRange(n int) bool {
	if n < 0 || n > 9 {
		return false
	}
	return true
}

func Even(n int) bool { return n%2 == 0 }
`

const tests = `package p

import "testing"

func TestInRange(t *testing.T) {
	for n, want := range map[int]bool{-1: false, 0: true, 8: true, 10: false} {
		if InRange(n) != want {
			t.Error(n)
		}
	}
}

func TestEven(t *testing.T) {
	if !Even(2) || Even(1) {
		t.Error("even")
	}
}
`

// The tests above know nothing of 9. A package behind them does.
const behind = `package q

import (
	"testing"

	"example.com/p"
)

func TestNine(t *testing.T) {
	if !p.InRange(9) {
		t.Error(9)
	}
}
`

func TestMutants(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module example.com/p\n", "p.go": source, "p_test.go": tests, "q/q_test.go": behind} {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(folder)
	t.Setenv("GOFLAGS", "-mod=mod")
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"-jobs", "2", "."}, 1, filepath.Join(folder, "p.go") + ":4: 9  →  (9) - 1\n8 changes: 7 missed, 1 not missed, 0 did not compile\n"},
		{[]string{"-tests", "./q", "."}, 0, "8 changes: 8 missed, 0 not missed, 0 did not compile\n"},
		{[]string{"-match", `p\.go:4: n < 0  `, "."}, 0, "1 changes: 1 missed, 0 not missed, 0 did not compile\n"},
		{[]string{"-match", "nothing", "."}, 1, "0 changes: 0 missed, 0 not missed, 0 did not compile\n"},
	} {
		var stdout, stderr strings.Builder
		if code := run(t.Context(), c.args, &stdout, &stderr); code != c.code || stdout.String() != c.want || stderr.Len() > 0 {
			t.Errorf("%q: expected %d, %q, got %d, %q, %s", c.args, c.code, c.want, code, stdout.String(), stderr.String())
		}
	}
	if text, err := os.ReadFile("p.go"); err != nil || string(text) != source {
		t.Errorf("the file is %q, %v", text, err)
	}
}

func TestMutantsOf(t *testing.T) {
	const text = `package p

func f(a, b int, s []int) bool {
	defer g()
	switch a {
	case 1:
		g()
	}
	for a >= b && len(s) > 0 {
		g()
	}
	return a == b
}
`
	got, err := mutantsOf("p.go", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, m := range got {
		lines = append(lines, m.String())
	}
	want := []string{
		"p.go:7: g()  →  if false { g() }",
		"p.go:7: g()  →  if false { g() }",
		"p.go:9: a >= b  →  ((a >= b) || true)",
		"p.go:9: len(s) > 0  →  ((len(s) > 0) || true)",
		"p.go:9: b  →  (b) + 1",
		"p.go:9: 0  →  (0) - 1",
		"p.go:10: g()  →  if false { g() }",
		"p.go:12: a == b  →  (a == b) || true",
		"p.go:12: a == b  →  (a == b) && false",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("expected\n%s\ngot\n%s", strings.Join(want, "\n"), strings.Join(lines, "\n"))
	}
	if _, err := mutantsOf("p.go", []byte("package")); err == nil {
		t.Error("a file that does not parse")
	}
}
