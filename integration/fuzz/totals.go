package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// total is how much a target has run.
type total struct {
	took       time.Duration // of a processor
	executions int
}

func (t total) String() string {
	return fmt.Sprintf("%s, %d executions", t.took.Round(time.Second), t.executions)
}

// totals are by the names of targets. They are kept as a table of a Markdown page.
type totals struct {
	page string // no file if it is empty

	mutex sync.Mutex
	sums  map[string]total
}

const tableHead = "| package | target | processor time | executions |\n|---|---|--:|--:|\n"

var tableRow = regexp.MustCompile("(?m)^\\| `([^`\n]+)` \\| `([^`\n]+)` \\| ([^| \n]+) \\| (\\d+) \\|\n")

// readTotals gives none for a page that is not there, or has no name.
func readTotals(page string) (*totals, error) {
	t := &totals{page: page, sums: map[string]total{}}
	if page == "" {
		return t, nil
	}
	text, err := os.ReadFile(page)
	if errors.Is(err, fs.ErrNotExist) {
		return t, nil
	}
	for _, row := range tableRow.FindAllStringSubmatch(string(text), -1) {
		took, badTime := time.ParseDuration(row[3])
		executions, badNumber := strconv.Atoi(row[4])
		err = errors.Join(err, badTime, badNumber)
		t.sums[row[1]+" "+row[2]] = total{took, executions}
	}
	return t, err
}

func (t *totals) of(name target) total {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.sums[name.String()]
}

// add writes the page anew, too, with all its other lines as they are. What was over before the first execution adds nothing.
func (t *totals) add(name target, r result) error {
	if r.executions == 0 {
		return nil
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	sum := t.sums[name.String()]
	sum.took += r.took
	sum.executions += r.executions
	t.sums[name.String()] = sum
	if t.page == "" {
		return nil
	}
	text, err := os.ReadFile(t.page)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	before, after, found := strings.Cut(tableRow.ReplaceAllString(string(text), ""), tableHead)
	if !found && before != "" {
		before = strings.TrimRight(before, "\n") + "\n\n"
	}
	temporary := t.page + ".new"
	if err := os.WriteFile(temporary, []byte(before+t.table()+after), 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, t.page)
}

func (t *totals) table() string {
	table := tableHead
	for _, name := range slices.Sorted(maps.Keys(t.sums)) {
		importPath, function, _ := strings.Cut(name, " ")
		table += fmt.Sprintf("| `%s` | `%s` | %s | %d |\n", importPath, function, t.sums[name].took.Round(time.Second), t.sums[name].executions)
	}
	return table
}
