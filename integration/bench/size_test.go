package bench_test

import (
	"os"
	"testing"

	"opkssh/integration/endtoend"
)

// BenchmarkSize: the programs as a release has them, stripped.
func BenchmarkSize(b *testing.B) {
	for _, program := range []struct {
		name, path string
		budget     *float64
	}{{"verifier", endtoend.Verifier(b), atMost(12)}, {"opkssh", endtoend.Opkssh(b), nil}} {
		info, err := os.Stat(program.path)
		if err != nil {
			b.Fatal(err)
		}
		figure{Name: "`" + program.name + "`, stripped", Value: float64(info.Size()) / 1e6, Unit: "MB", budget: program.budget}.add(b)
	}
}
