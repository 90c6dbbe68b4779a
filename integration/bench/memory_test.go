package bench_test

import (
	"strconv"
	"strings"
	"testing"

	"opkssh/integration/issuer"
)

// BenchmarkMemory: the most that is resident at once.
func BenchmarkMemory(b *testing.B) {
	o := issuer.Start(b)
	id := o.Login(b, alice)
	few, many := newHost(b, o, 10), newHost(b, o, 100_000)
	many.question(id.Certificate).run(b, grantedLine) // has the keys then
	resident := helper(b, "resident")
	for _, row := range []struct {
		name string
		command
		most *float64
	}{
		{"`verifier verify`, nothing cached", few.question(id.Certificate), nil},
		{"`verifier verify`, keys cached", few.question(id.Certificate), atMost(24)},
		{"`verifier verify`, 100000 rules", many.question(id.Certificate), atMost(24)},
		{"`opkssh ensure`", ensure(b, o, id), nil},
	} {
		out, _ := command{append([]string{resident}, row.args...), row.environment, row.unprivileged}.run(b, "resident ")
		kib, err := strconv.Atoi(strings.Fields(out)[1])
		if err != nil {
			b.Fatal(err)
		}
		figure{Name: row.name + ": memory", Value: float64(kib) / 1024, Unit: "MiB", budget: row.most}.add(b)
	}
}
