package soak

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Column is something that must not grow.
type Column struct {
	Name string

	// What the last third of the samples may have more than the first: a part of it, and a number. Both zero: nothing.
	Part, Number float64
	// Free: it is shown and may do what it likes.
	Free bool
}

// Table has a row for each time at which was looked.
type Table struct {
	Columns []Column
	rows    [][]float64
}

// Add adds a row.
func (t *Table) Add(row []float64) { t.rows = append(t.rows, row) }

// warmUp is the part of the rows in which programs find their size.
const warmUp = 10

// Grown names the columns whose largest value in the last third is more than that in the first, which begins after a warm-up.
func (t *Table) Grown() (grown []string) {
	rows := t.rows[len(t.rows)/warmUp:]
	third := len(rows) / 3
	if third == 0 {
		return []string{fmt.Sprintf("expected samples to compare, got %d", len(t.rows))}
	}
	for i, c := range t.Columns {
		before, after := slices.Max(column(rows[:third], i)), slices.Max(column(rows[len(rows)-third:], i))
		allowed := before*(1+c.Part) + c.Number
		if !c.Free && (math.IsNaN(after) || math.IsNaN(before) || after > allowed) {
			grown = append(grown, fmt.Sprintf("%s grows: expected at most %.0f in the last third after %.0f in the first, got %.0f", c.Name, allowed, before, after))
		}
	}
	return grown
}

func column(rows [][]float64, i int) (values []float64) {
	for _, row := range rows {
		values = append(values, row[i])
	}
	return values
}

// String has a line for each column.
func (t *Table) String() string {
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "    %-38s %9s %9s %9s %9s\n", fmt.Sprintf("%d samples", len(t.rows)), "first", "median", "last", "max")
	for i, c := range t.Columns {
		if len(t.rows) == 0 {
			break
		}
		values := column(t.rows, i)
		sorted := slices.Sorted(slices.Values(values))
		_, _ = fmt.Fprintf(&b, "    %-38s %9.0f %9.0f %9.0f %9.0f\n",
			c.Name, values[0], sorted[len(sorted)/2], values[len(values)-1], sorted[len(sorted)-1])
	}
	return b.String()
}
