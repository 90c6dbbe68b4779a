//go:build countwork

package allocation

import (
	"bytes"
	"math"
	"runtime"
	"runtime/debug"
	"unsafe"
)

const countsWork = true

// workInput is short enough that the counters, of 32 bits, hold what runs for each pair of its bytes.
const workInput = 16 << 10

// work is held to less than memory is: nothing in it grows in steps. What is written in assembly, above all the copying and the search of
// bytes, has no blocks to count.
var work = cost{unit: "blocks of code", size: workInput, limit: 4096 * workInput, most: 2.2, slack: 64 << 10, measure: executed}

// blockCounters are where Go counts. runtime/coverage reads them, too, but gives them to nobody in a test.
//
//go:linkname blockCounters internal/coverage/cfile.getCovCounterList
func blockCounters() []struct {
	first *uint32
	size  uint64
}

func countedBlocks() (counters []uint32) {
	for _, c := range blockCounters() {
		counters = append(counters, unsafe.Slice(c.first, c.size)...)
	}
	if len(counters) == 0 {
		panic("nothing is counted: with -tags countwork, go test needs -covermode=atomic -coverpkg=all")
	}
	return counters
}

// backwards is more than one counter loses while an input is read.
const backwards = 1 << 20

// executed counts the blocks of code that run while data is read. The rubbish of before, and its collection, do not count.
func executed(data []byte, read func([]byte)) (blocks uint64) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	input := bytes.Clone(data)
	runtime.GC()
	before := countedBlocks()
	read(input)
	for i, now := range countedBlocks() {
		// A counter may go back a little: the packages of the runtime, which everything else runs in, too, do not count atomically.
		if ran := now - before[i]; ran < math.MaxUint32-backwards {
			blocks += uint64(ran)
		}
	}
	return blocks
}
