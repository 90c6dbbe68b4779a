package bench_test

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"text/template"
)

//go:embed page.md
var pageText string

// writePage fills page.md with what was measured.
func writePage(file string) error {
	t, err := template.New("page.md").Parse(pageText)
	if err != nil {
		return err
	}
	version, err := exec.Command("ssh", "-V").CombinedOutput()
	if err != nil {
		return err
	}
	// In the order of their names, those about one program are together.
	slices.SortStableFunc(comparisons, func(a, b comparison) int { return strings.Compare(a.Name, b.Name) })
	slices.SortStableFunc(figures, func(a, b figure) int { return strings.Compare(a.Name, b.Name) })
	var text bytes.Buffer
	if err := t.Execute(&text, map[string]any{
		"Machine": fmt.Sprintf("%d cores, %s/%s, %s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), strings.Fields(string(version))[0]),
		"Rows":    comparisons, "Figures": figures, "Functions": functions, "Exceeded": exceeded(),
	}); err != nil {
		return err
	}
	return os.WriteFile(file, text.Bytes(), 0o644)
}

// exceeded names the rows that exceed their budgets.
func exceeded() (rows []string) {
	for _, c := range comparisons {
		if c.exceeded() {
			rows = append(rows, c.String())
		}
	}
	for _, f := range append(slices.Clone(figures), functions...) {
		if f.exceeded() {
			rows = append(rows, f.String())
		}
	}
	return rows
}
