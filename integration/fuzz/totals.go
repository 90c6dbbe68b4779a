package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// total is how much a target has run.
type total struct {
	Seconds    float64 `json:"seconds"`
	Executions int     `json:"executions"`
}

func (t total) String() string {
	took := time.Duration(t.Seconds * float64(time.Second))
	return fmt.Sprintf("%s, %d executions", took.Round(time.Second), t.Executions)
}

// totals are by the names of targets.
type totals map[string]total

// readTotals gives none for a file that is not there, or has no name.
func readTotals(file string) (totals, error) {
	sums := totals{}
	if file == "" {
		return sums, nil
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return sums, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &sums)
	}
	return sums, err
}

func (s totals) add(t target, r result) {
	sum := s[t.String()]
	sum.Seconds += r.took.Seconds()
	sum.Executions += r.executions
	s[t.String()] = sum
}

func (s totals) write(file string) error {
	if file == "" {
		return nil
	}
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(data, '\n'), 0o644)
}
