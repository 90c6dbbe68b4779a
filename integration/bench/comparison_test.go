package bench_test

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// comparison is a row about two things that were measured in turn.
type comparison struct {
	Name, Against string
	most          float64 // times; 0 is no budget

	Ours, Theirs float64 // ms
}

var comparisons []comparison

// timed does something once and says how long that took, without what it had to prepare.
type timed func() time.Duration

// measure keeps the medians. The first time of each does not count.
func (c comparison) measure(b *testing.B, rounds int, ours, theirs timed) {
	b.Helper()
	_, _ = ours(), theirs()
	var a, z []time.Duration
	for range rounds {
		a, z = append(a, ours()), append(z, theirs())
	}
	c.Ours, c.Theirs = median(a), median(z)
	c.add(b)
}

func (c comparison) add(b *testing.B) {
	comparisons = append(comparisons, c)
	b.ReportMetric(c.Ratio(), "ratio")
	b.ReportMetric(c.Ours, "ms")
	b.ReportMetric(0, "ns/op")
}

func median(d []time.Duration) (ms float64) {
	slices.Sort(d)
	return float64(d[len(d)/2].Microseconds()) / 1000
}

// Ratio is how many times as long ours takes.
func (c comparison) Ratio() float64 { return c.Ours / c.Theirs }

func (c comparison) exceeded() bool { return c.most > 0 && c.Ratio() > c.most }

// Budget is a cell of the page.
func (c comparison) Budget() string {
	if c.most == 0 {
		return ""
	}
	return fmt.Sprintf("at most %v", c.most) + mark(c.exceeded())
}

func (c comparison) String() string {
	return fmt.Sprintf("%s: expected at most %v times %s, got %.2f times", c.Name, c.most, c.Against, c.Ratio())
}

// mark makes a broken budget stand out in the page.
func mark(exceeded bool) string {
	if exceeded {
		return ", **exceeded**"
	}
	return ""
}
