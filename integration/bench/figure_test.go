package bench_test

import (
	"fmt"
	"strings"
	"testing"
)

// figure is a row about one number.
type figure struct {
	Name   string
	Value  float64
	Unit   string
	budget *float64 // the most that it may be; nil is no budget
}

// figures are about the programs, functions about the packages.
var figures, functions []figure

func atMost(most float64) *float64 { return &most }

func (f figure) add(b *testing.B) {
	b.Helper()
	figures = append(figures, f)
	b.Logf("%s: %s", f.Name, f.Text())
	b.ReportMetric(0, "ns/op")
}

// Text is the number with its unit.
func (f figure) Text() string { return strings.TrimSpace(fmt.Sprintf("%.3g %s", f.Value, f.Unit)) }

func (f figure) exceeded() bool { return f.budget != nil && f.Value > *f.budget }

// Budget is a cell of the page.
func (f figure) Budget() string {
	if f.budget == nil {
		return ""
	}
	return strings.TrimSpace(fmt.Sprintf("at most %v %s", *f.budget, f.Unit)) + mark(f.exceeded())
}

func (f figure) String() string {
	return fmt.Sprintf("%s: expected at most %v %s, got %.3g", f.Name, *f.budget, f.Unit, f.Value)
}
