// Package allocation holds what reads outside input to its budget, for tests: what grows with its input has to grow no faster than
// the input. Two things are counted, neither of which depends on the speed of a machine:
//
//   - memory: the bytes that are allocated, also those that are free again. 128 KiB, the longest argument of a program on Linux, must
//     not cost more than 64 MiB;
//   - work: how often blocks of code run, those of the libraries and of Go's own packages, too. Go's coverage counts them, in tests
//     that are built for that: see [Linear].
package allocation

import (
	"bytes"
	"runtime"
	"runtime/metrics"
	"testing"
)

const (
	// LongestInput is the input for which there is a limit, in bytes.
	LongestInput = 128 << 10
	limit        = 64 << 20
	perByte      = limit / LongestInput

	// fixed is what a parser may allocate whatever its input, with what the runtime has not counted yet.
	fixed = 2 << 20
)

// Check is for fuzz targets: it runs what reads size bytes of input, and fails where that allocates more than its share. With the
// race detector it just runs it: make linear tries the seeds without, too.
func Check(t testing.TB, size int, read func()) {
	t.Helper()
	counter := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(counter)
	before := counter[0].Value.Uint64()
	read()
	metrics.Read(counter)
	if got := counter[0].Value.Uint64() - before; counts && got > fixed+perByte*uint64(size) {
		t.Errorf("%d bytes of input: expected at most %d bytes allocated, got %d", size, fixed+perByte*size, got)
	}
}

// Input is text of any length: Part, given its number, again and again between Before and After, or what Whole makes.
type Input struct {
	Before string
	Part   func(i int) string
	After  string

	Whole func(size int) []byte // of about so many bytes
}

// Repeat is a Part that is always the same.
func Repeat(text string) func(int) string { return func(int) string { return text } }

func (in Input) text(size int) []byte {
	if in.Whole != nil {
		return in.Whole(size)
	}
	var b bytes.Buffer
	b.WriteString(in.Before)
	for i := 0; b.Len()+len(in.After) < size; i++ {
		b.WriteString(in.Part(i))
	}
	b.WriteString(in.After)
	return b.Bytes()
}

// cost is what reading takes of something.
type cost struct {
	unit    string
	size    int // of the longer input, in bytes
	limit   uint64
	most    float64 // for twice the input
	slack   uint64  // of what does not grow
	measure func(data []byte, read func([]byte)) uint64
}

// Not 2: slices grow in steps.
var memory = cost{unit: "bytes allocated", size: LongestInput, limit: limit, most: 2.5, slack: 64 << 10, measure: allocated}

// Linear is a test that read takes no more for twice the input than about twice as much, and keeps to the limit: of memory, or of work
// where the test is built with
//
//	go test -run Allocation -tags countwork -covermode=atomic -coverpkg=all
func Linear(t *testing.T, inputs map[string]Input, read func(data []byte)) {
	t.Helper()
	if !counts && !countsWork {
		t.Skip("with -race nothing can be counted: go test -run Allocation, as make linear does")
	}
	c := memory
	if countsWork {
		c = work
	}
	for name, in := range inputs {
		t.Run(name, func(t *testing.T) { c.linear(t, in, read) })
	}
}

func (c cost) linear(t testing.TB, in Input, read func(data []byte)) {
	t.Helper()
	first, second := in.text(c.size/2), in.text(c.size)
	half, whole := c.measure(first, read), c.measure(second, read)
	linear := func() bool { return float64(whole) <= c.most*float64(half)+float64(c.slack) }
	if whole > c.limit || !linear() {
		// This time with caches that are filled.
		half, whole = c.measure(first, read), c.measure(second, read)
	}
	t.Logf("%d %s for %d, %d for %d", half, c.unit, len(first), whole, len(second))
	if whole > c.limit {
		t.Errorf("expected at most %d %s, got %d", c.limit, c.unit, whole)
	}
	if !linear() {
		t.Errorf("expected about twice as much for twice the input, got %d %s, then %d", half, c.unit, whole)
	}
}

// allocated counts the bytes that are allocated while data is read.
func allocated(data []byte, read func([]byte)) uint64 {
	input := bytes.Clone(data)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	read(input)
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
