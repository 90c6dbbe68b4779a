// Package allocation holds what reads outside input to its budget of memory, for tests: what grows with its input has to grow no
// faster than the input, and 128 KiB, the longest argument of a program on Linux, must not cost more than 64 MiB. It counts the
// bytes that are allocated, also those that are free again, which do not depend on the speed of a machine.
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
// race detector it just runs it.
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

// Linear is a test that read takes no more memory for twice the input than about twice as much, and keeps to the limit.
func Linear(t *testing.T, inputs map[string]Input, read func(data []byte)) {
	t.Helper()
	if !counts {
		t.Skip("with -race nothing can be counted: go test -run Allocation, as make unit does")
	}
	for name, in := range inputs {
		t.Run(name, func(t *testing.T) {
			first, second := in.text(LongestInput/2), in.text(LongestInput)
			half, whole := measure(first, read), measure(second, read)
			// Not 2: slices grow in steps.
			const most, slack = 2.5, 64 << 10
			linear := func() bool { return float64(whole) <= most*float64(half)+slack }
			if whole > limit || !linear() {
				// This time with caches that are filled.
				half, whole = measure(first, read), measure(second, read)
			}
			t.Logf("%d bytes allocated for %d, %d for %d", half, len(first), whole, len(second))
			if whole > limit {
				t.Errorf("expected at most %d bytes allocated, got %d", limit, whole)
			}
			if !linear() {
				t.Errorf("expected about twice the memory for twice the input, got %d bytes allocated, then %d", half, whole)
			}
		})
	}
}

// measure counts the bytes that are allocated while data is read.
func measure(data []byte, read func([]byte)) uint64 {
	input := bytes.Clone(data)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	read(input)
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
