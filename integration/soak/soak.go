// Package soak loads something with logins for as long as one likes, and finds out what grows.
//
// Clients log in as fast as they can for a round, and then rest. What a program keeps shows when it has nothing to do: counts at
// rest do not depend on the machine's speed.
package soak

import (
	"math"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	defaultDuration = 10 * time.Minute
	roundLength     = 5 * time.Second
	leastRounds     = 24 // thirds that say something, and time for a host to find the new key
	clients         = 8
)

// Attempt is one kind of login. It is an error if it does not end as it should.
type Attempt struct {
	Name string
	Do   func(t testing.TB) error
}

// Soak is what to do, and what to look at.
type Soak struct {
	Name    string
	Mix     []Attempt // taken in turn; a name may stand several times
	Columns []Column

	// Rest is called when all clients have been answered. It waits until the server has nothing to do any more, and returns a value
	// for each column, NaN for those of Busy.
	Rest func() []float64
	// Busy is called every now and then while clients are at work, and may be nil. The largest value of each column in a round counts.
	Busy func() []float64
	// Middle is called once at half time, when clients are at work.
	Middle func()
}

// Result is what has been done.
type Result struct {
	Attempts map[string]int // by name

	name  string
	table *Table
	took  time.Duration // without the rests
}

// Run does it for DURATION, 10 minutes without that variable, not counting the rests. What grows, or ends otherwise than it should, fails the test.
func (s *Soak) Run(t *testing.T) *Result {
	t.Helper()
	whole := duration(t)
	if least := leastRounds * roundLength; whole < least {
		t.Fatalf("DURATION: expected at least %v, got %v", least, whole)
	}
	r := &Result{Attempts: map[string]int{}, name: s.Name, table: &Table{Columns: s.Columns}}
	var next atomic.Int64
	middle := s.Middle
	// Where the machine is busy, a round is long, and still there are enough.
	for n := 0; !t.Failed() && (n < leastRounds || r.took < whole); n++ {
		var now func()
		if n >= leastRounds/2 && r.took >= whole/2 {
			now, middle = middle, nil
		}
		started := time.Now()
		peak := s.round(t, &next, now)
		r.took += time.Since(started)
		if !t.Failed() {
			r.table.Add(fill(s.Rest(), peak))
		}
	}
	for i := range int(next.Load()) {
		r.Attempts[s.Mix[i%len(s.Mix)].Name]++
	}
	for _, grown := range r.table.Grown() {
		t.Error(grown)
	}
	return r
}

// round is one spell of work. It returns what Busy has seen at most.
func (s *Soak) round(t *testing.T, next *atomic.Int64, middle func()) (peak []float64) {
	end := time.Now().Add(roundLength)
	var wait sync.WaitGroup
	for range clients {
		wait.Go(func() {
			for time.Now().Before(end) && !t.Failed() {
				attempt := s.Mix[int(next.Add(1)-1)%len(s.Mix)]
				if err := attempt.Do(t); err != nil {
					t.Errorf("%s: %v", attempt.Name, err)
				}
			}
		})
	}
	if middle != nil {
		middle()
	}
	for s.Busy != nil && time.Now().Before(end) {
		now := s.Busy()
		if peak == nil {
			peak = now
		}
		for i := range now {
			peak[i] = max(peak[i], now[i])
		}
		time.Sleep(roundLength / 10)
	}
	wait.Wait()
	return peak
}

// fill puts the peaks where the sample has no number.
func fill(sample, peak []float64) []float64 {
	for i, value := range sample {
		if math.IsNaN(value) && peak != nil {
			sample[i] = peak[i]
		}
	}
	return sample
}

func duration(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("DURATION")
	if text == "" {
		return defaultDuration
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("DURATION: %v", err)
	}
	return d
}
