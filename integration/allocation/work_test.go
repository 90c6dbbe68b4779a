//go:build countwork

package allocation

import (
	"encoding/json"
	"testing"
)

// Go counts nothing in files of tests: the work is that of a library.
func TestAllocationCountsWork(t *testing.T) {
	for name, test := range map[string]struct {
		read   func(data []byte)
		failed bool
	}{
		"nothing":   {func([]byte) {}, false},
		"each byte": {func(data []byte) { json.Valid(data) }, false},
		"all bytes for some": {func(data []byte) {
			for range len(data) / 256 {
				json.Valid(data)
			}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			v := &verdict{TB: t}
			work.linear(v, Input{Before: "[", Part: Repeat("1,"), After: "1]"}, test.read)
			if v.failed != test.failed {
				t.Errorf("expected a failure: %v, got %v", test.failed, v.failed)
			}
		})
	}
}
