package bench_test

import (
	"os/exec"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// BenchmarkFunctions runs the packages' own benchmarks, on one core.
func BenchmarkFunctions(b *testing.B) {
	cmd := exec.Command("go", "test", "-run", "^$", "-bench", ".", "-skip", "BigInt$", "-cpu", "1",
		"opkssh/pkg/pktoken", "opkssh/pkg/pktoken/gq", "opkssh/pkg/sshcert", "opkssh/pkg/policy")
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	budgets := map[string]float64{"gq.Prove": 8, "gq.Verify": 1} // ms
	packageName := ""
	for line := range strings.Lines(string(out)) {
		if _, importPath, found := strings.Cut(line, "pkg: "); found {
			packageName = path.Base(strings.TrimSpace(importPath))
		}
		name, values, found := parseBenchmark(line)
		if !found {
			continue
		}
		name = packageName + "." + name
		if ours, found := strings.CutSuffix(name, "Ratio"); found {
			comparison{Name: "`" + ours + "`", Against: "the same with `math/big`", Ours: values["ms"], Theirs: values["bigint-ms"]}.add(b)
			continue
		}
		f := figure{Name: "`" + name + "`", Value: values["ns/op"] / 1e6, Unit: "ms"}
		if most, found := budgets[name]; found {
			f.budget = &most
		}
		functions = append(functions, f)
	}
	if len(functions) == 0 {
		b.Fatalf("expected results of benchmarks, got\n%s", out)
	}
}

// parseBenchmark reads a line as package testing prints it: a name, how often, and values with their units.
func parseBenchmark(line string) (name string, values map[string]float64, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 4 || len(fields)%2 != 0 || !strings.HasPrefix(fields[0], "Benchmark") {
		return "", nil, false
	}
	values = map[string]float64{}
	for pair := range slices.Chunk(fields[2:], 2) {
		value, err := strconv.ParseFloat(pair[0], 64)
		if err != nil {
			return "", nil, false
		}
		values[pair[1]] = value
	}
	return strings.TrimPrefix(fields[0], "Benchmark"), values, true
}
