package allocation

import (
	"bytes"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// verdict is a test that may fail.
type verdict struct {
	testing.TB
	failed bool
}

func (v *verdict) Errorf(string, ...any) { v.failed = true }

var kept []byte

func TestCheck(t *testing.T) {
	if !counts {
		t.Skip("with -race nothing is counted")
	}
	for _, test := range []struct {
		size, allocate int
		failed         bool
	}{
		{0, 1 << 20, false},
		{0, fixed + 1, true},
		{LongestInput, limit, false},
		{LongestInput, limit + 2*fixed, true},
	} {
		v := &verdict{TB: t}
		Check(v, test.size, func() { kept = make([]byte, test.allocate) })
		if v.failed != test.failed {
			t.Errorf("%d bytes for %d of input: expected a failure: %v, got %v", test.allocate, test.size, test.failed, v.failed)
		}
	}
}

func TestLinear(t *testing.T) {
	for name, test := range map[string]struct {
		cost   func(size int) int
		failed bool
	}{
		"linear":      {func(size int) int { return 100 * size }, false},
		"constant":    {func(int) int { return 1 << 20 }, false},
		"square":      {func(size int) int { return size * size / 1024 }, true},
		"the limit":   {func(size int) int { return 512 * size }, false},
		"beyond":      {func(size int) int { return 600 * size }, true},
		"from a size": {func(size int) int { return size / 100_000 << 20 }, true},
	} {
		t.Run(name, func(t *testing.T) {
			c := memory
			c.measure = func(data []byte, _ func([]byte)) uint64 { return uint64(test.cost(len(data))) }
			v := &verdict{TB: t}
			c.linear(v, Input{Part: Repeat("a")}, nil)
			if v.failed != test.failed {
				t.Errorf("expected a failure: %v, got %v", test.failed, v.failed)
			}
		})
	}
	if got := allocated(make([]byte, 1<<20), func(data []byte) { kept = bytes.Clone(data) }); got < 1<<20 || got > 2<<20 {
		t.Errorf("expected a MiB and little more, got %d", got)
	}
}

// TestMakeCounts: what this package counts, make linear runs without the race detector, under which nothing is counted: seeds, tables of
// memory and tables of work, of all packages.
func TestMakeCounts(t *testing.T) {
	output := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = "../.."
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %v", cmd, err)
		}
		return string(out)
	}
	var seeds, work []string
	for line := range strings.Lines(output("make", "-n", "linear")) {
		switch words := strings.Fields(line); {
		case slices.Contains(words, "-race"):
		case slices.Contains(words, "countwork"):
			work = words
		case slices.Contains(words, "'Allocation|Fuzz'"):
			seeds = words
		}
	}
	const imports = `{{.ImportPath}} {{join .TestImports " "}} {{join .XTestImports " "}}`
	for line := range strings.Lines(output("go", "list", "-f", imports, "./internal/...", "./pkg/...")) {
		words := strings.Fields(line)
		if !slices.Contains(words, "opkssh/integration/allocation") {
			continue
		}
		if !slices.Contains(seeds, words[0]) {
			t.Errorf("%s: make linear does not run it with -run 'Allocation|Fuzz'", words[0])
		}
		folder := "." + strings.TrimPrefix(words[0], "opkssh")
		tables, _ := exec.Command("grep", "-l", "allocation.Linear", "-r", "--include=*_test.go", "../../"+folder).Output()
		if len(tables) > 0 && !slices.Contains(work, folder+"/") {
			t.Errorf("%s: make linear does not count its work", words[0])
		}
	}
	if !slices.Contains(work, "-covermode=atomic") || !slices.Contains(work, "-coverpkg=all") {
		t.Errorf("expected a line of make linear that counts work, got %q", work)
	}
}
