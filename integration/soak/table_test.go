package soak_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"opkssh/integration/soak"
)

// TestGrown: what is compared is the first third after the warm-up with the last.
func TestGrown(t *testing.T) {
	const samples = 30 // 3 to warm up, then 9 a third
	each := func(value func(n int) float64) *soak.Table {
		table := &soak.Table{Columns: []soak.Column{{Name: "exact"}, {Name: "tolerant", Part: 0.5, Number: 1}, {Name: "free", Free: true}}}
		for n := range samples {
			v := value(n)
			table.Add([]float64{v, v, v})
		}
		return table
	}
	for name, test := range map[string]struct {
		value func(n int) float64
		want  []string
	}{
		"flat":             {func(int) float64 { return 7 }, nil},
		"falls":            {func(n int) float64 { return float64(samples - n) }, nil},
		"warms up":         {func(n int) float64 { return float64(min(n, 3)) }, nil},
		"one more":         {func(n int) float64 { return 7 + float64(n/29) }, []string{"exact"}},
		"always more":      {func(n int) float64 { return float64(n) }, []string{"exact", "tolerant"}},
		"within tolerance": {func(n int) float64 { return 8 + 5*float64(n/29) }, []string{"exact"}},
		"beyond tolerance": {func(n int) float64 { return 8 + 6*float64(n/29) }, []string{"exact", "tolerant"}},
		"only at first":    {func(n int) float64 { return 100 * float64(1-min(n, 1)) }, nil},
		"never measured":   {func(int) float64 { return math.NaN() }, []string{"exact", "tolerant"}},
	} {
		var got []string
		for _, text := range each(test.value).Grown() {
			column, _, _ := strings.Cut(text, " grows")
			got = append(got, column)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: expected %q, got %q", name, test.want, got)
		}
	}
	if got := (&soak.Table{}).Grown(); len(got) != 1 {
		t.Errorf("no samples: got %q", got)
	}
}
