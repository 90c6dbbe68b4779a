package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
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

// This one tells that it runs, when go test has heard of some executions: a worker reports ten times a second.
const endless = `package p

import (
	"os"
	"testing"
	"time"
)

func FuzzD(f *testing.F) {
	began := time.Now()
	f.Fuzz(func(t *testing.T, s string) {
		if time.Since(began) < 2*time.Second {
			return
		}
		if err := os.WriteFile("runs", nil, 0o644); err != nil {
			t.Fatal(err)
		}
	})
}
`

// module makes the folder of one the working folder.
func module(t *testing.T, tests string) (folder string) {
	folder = t.TempDir()
	for name, text := range map[string]string{"go.mod": "module example.com/p\n", "p.go": "package p\n", "p_test.go": tests} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(folder)
	t.Setenv("GOFLAGS", "-mod=mod")
	return folder
}

func TestRead(t *testing.T) {
	const printed = `fuzz: elapsed: 0s, gathering baseline coverage: 0/192 completed
fuzz: elapsed: 3s, execs: 12 (4/sec), new interesting: 0 (total: 192)
fuzz: elapsed: 1h2m3s, execs: 325017 (108336/sec), new interesting: 11 (total: 202)
PASS
ok  	example.com/p	12.692s
`
	r := read(printed)
	if r.executions != 325017 {
		t.Errorf("expected 325017 executions, got %v", r)
	}
}

// TestTimeIsOver: of what go test prints at the end of a target, the deadline alone is no failure.
func TestTimeIsOver(t *testing.T) {
	const deadline = "--- FAIL: FuzzA (101.59s)\n    context deadline exceeded\nFAIL\nexit status 1\nFAIL\texample.com/p\t101.902s\n"
	for text, want := range map[string]bool{
		deadline: true,
		"fuzz: elapsed: 3s, execs: 12 (4/sec), new interesting: 0 (total: 192)\n" + deadline:    true,
		strings.Replace(deadline, "    context", "    --- FAIL: FuzzA (0.00s)\n    context", 1): false,
		strings.Replace(deadline, "exceeded\n", "exceeded\n    more\n", 1):                      false,
		"panic: x\n" + deadline: false,
	} {
		if got := timeIsOver.MatchString(read(text).failure); got != want {
			t.Errorf("expected %v, got %v for\n%s", want, got, text)
		}
	}
}

func TestFuzz(t *testing.T) {
	folder := module(t, targets)
	fuzz := func(args ...string) (int, string) {
		var stdout, stderr strings.Builder
		code := run(t.Context(), append(args, "-parallel", "1", "-jobs", "2", "-page", "page.md", "./..."), &stdout, &stderr)
		if stderr.Len() > 0 {
			t.Fatal(stderr.String())
		}
		return code, stdout.String()
	}

	code, said := fuzz("-time", "1000x", "-rounds", "2", "-match", "A|C")
	if code != 0 || strings.Count(said, "FuzzA: ") != 3 || strings.Count(said, "FuzzC: ") != 3 || strings.Contains(said, "FuzzB") {
		t.Errorf("two rounds: got %d\n%s", code, said)
	}
	first, err := readTotals("page.md")
	if err != nil || len(first.sums) != 2 || first.sums["example.com/p FuzzA"].executions < 2000 || first.sums["example.com/p FuzzC"].took == 0 {
		t.Errorf("expected two targets with 2000 executions, got %v, %v", first, err)
	}
	text, err := os.ReadFile("page.md")
	if err == nil {
		err = os.WriteFile("page.md", []byte("# Fuzzing\n\n"+string(text)+"\n# Found\n"), 0o644)
	}
	if err != nil {
		t.Fatal(err)
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
	after, err := readTotals("page.md")
	// FuzzB came to no execution.
	if err != nil || len(after.sums) != 2 || after.sums["example.com/p FuzzA"].executions < first.sums["example.com/p FuzzA"].executions+80000 {
		t.Errorf("expected the sums to grow, got %v, %v", after, err)
	}
	if text, err := os.ReadFile("page.md"); err != nil || string(text) != "# Fuzzing\n\n"+after.table()+"\n# Found\n" {
		t.Errorf("expected the table with what is around it, got %v\n%s", err, text)
	}
}

// With -total, what has had enough does not run, and all others until they have, the least first.
func TestTotal(t *testing.T) {
	module(t, targets)
	page := "| package | target | processor time | executions |\n|---|---|--:|--:|\n" +
		"| `example.com/p` | `FuzzA` | 59m59s | 7 |\n| `example.com/p` | `FuzzC` | 1h0m0s | 8 |\n"
	if err := os.WriteFile("page.md", []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
	fuzz := func(total, match string) string {
		var stdout, stderr strings.Builder
		args := []string{"-time", "1000x", "-parallel", "1", "-total", total, "-match", match, "-page", "page.md", "./..."}
		if code := run(t.Context(), args, &stdout, &stderr); code != 0 || stderr.Len() > 0 {
			t.Fatalf("got %d\n%s%s", code, &stdout, &stderr)
		}
		runs, _, _ := strings.Cut(stdout.String(), "\nin all:\n")
		return runs
	}

	if said := fuzz("1h", "A|C"); !strings.Contains(said, "FuzzA: ") || strings.Contains(said, "FuzzC: ") {
		t.Errorf("an hour: expected FuzzA alone, got\n%s", said)
	}
	if sums, err := readTotals("page.md"); err != nil || sums.sums["example.com/p FuzzA"].took < time.Hour || sums.sums["example.com/p FuzzC"] != (total{time.Hour, 8}) {
		t.Errorf("expected an hour each, got %v, %v", sums, err)
	}

	page = strings.Replace(page, "59m59s", "1h0m1s", 1)
	if err := os.WriteFile("page.md", []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
	if said := fuzz("3601500ms", "A|C"); strings.Index(said, "FuzzC: ") > strings.Index(said, "FuzzA: ") || !strings.Contains(said, "FuzzC: ") {
		t.Errorf("expected FuzzC first, got\n%s", said)
	}
}

// Ctrl-C ends the workers, and what they did until then counts.
func TestInterrupt(t *testing.T) {
	folder := module(t, endless)
	ctx, interrupt := context.WithCancel(t.Context())
	var stdout, stderr strings.Builder
	done := make(chan int)
	go func() {
		done <- run(ctx, []string{"-time", "1h", "-parallel", "1", "-page", "page.md", "./..."}, &stdout, &stderr)
	}()
	for {
		if _, err := os.Stat(filepath.Join(folder, "runs")); err == nil {
			break
		}
		select {
		case code := <-done:
			t.Fatalf("ended with %d\n%s%s", code, &stdout, &stderr)
		case <-time.After(50 * time.Millisecond):
		}
	}
	interrupt()
	if code := <-done; code != 1 || stderr.Len() > 0 || strings.Contains(stdout.String(), "FAIL") {
		t.Errorf("got %d\n%s%s", code, &stdout, &stderr)
	}
	if sums, err := readTotals("page.md"); err != nil || len(sums.sums) != 1 {
		t.Errorf("expected one target, got %v, %v", sums, err)
	}
}
