package bench_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"opkssh/integration/issuer"
)

// BenchmarkColdCrowd: the host has never asked the provider.
func BenchmarkColdCrowd(b *testing.B) {
	o := issuer.Start(b)
	id := o.Login(b, alice)
	client := startHost(b, o).Client(b, id.Key, "")
	const crowd = 200
	start := time.Now()
	out, _ := client.Crowd(b, crowd, "alice", "echo in")
	took := time.Since(start)
	name := fmt.Sprintf("%d ssh logins at once, nothing cached: ", crowd)
	figure{Name: name + "refused", Value: float64(crowd - countLines(out, "in")), budget: atMost(0)}.add(b)
	figure{Name: name + "discovery requests", Value: float64(o.Discovery.Load()), budget: atMost(1)}.add(b)
	figure{Name: name + "JWKS requests", Value: float64(o.JWKS.Load()), budget: atMost(1)}.add(b)
	figure{Name: name + "all together", Value: took.Seconds(), Unit: "s"}.add(b)
}

// countLines counts the lines that begin so.
func countLines(text, begin string) (n int) {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, begin) {
			n++
		}
	}
	return n
}
