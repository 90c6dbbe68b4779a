package soak

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

var page = flag.String("page", "", "put the result into this Markdown `FILE`, too")

// Report prints the result, with notes below it. The page gets it only where nothing has failed.
func (r *Result) Report(t testing.TB, notes string) {
	t.Helper()
	text := r.text(notes)
	fmt.Printf("%s\n\n%s\n", r.name, text)
	if *page == "" || t.Failed() {
		return
	}
	old, err := os.ReadFile(*page)
	if err == nil {
		err = os.WriteFile(*page, []byte(withSection(string(old), r.name, text)), 0o644)
	}
	if err != nil {
		t.Error(err)
	}
}

func (r *Result) text(notes string) string {
	total := 0
	for _, n := range r.Attempts {
		total += n
	}
	seconds := r.took.Seconds()
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "%d clients for %v: %d attempts, %.1f a second.\n\n", clients, r.took.Round(time.Second), total, float64(total)/seconds)
	_, _ = fmt.Fprintf(&b, "%s\n    %-38s %9s %9s\n", r.table, "attempts", "number", "a second")
	for _, name := range slices.Sorted(maps.Keys(r.Attempts)) {
		_, _ = fmt.Fprintf(&b, "    %-38s %9d %9.1f\n", name, r.Attempts[name], float64(r.Attempts[name])/seconds)
	}
	_, _ = fmt.Fprintf(&b, "\n%s\n", notes)
	return b.String()
}

// withSection puts text under the heading called name, where it stands, or at the end.
func withSection(page, name, text string) string {
	heading := "## " + name + "\n"
	before, after, found := strings.Cut(page, heading)
	if !found {
		return strings.TrimRight(page, "\n") + "\n\n" + heading + "\n" + text
	}
	if next := strings.Index(after, "\n## "); next >= 0 {
		return before + heading + "\n" + text + after[next:]
	}
	return before + heading + "\n" + text
}
