// Package bench_test measures the programs: two things in turn in the same run, so that their ratio depends little on the machine.
// `make bench` runs it, and it writes docs/performance.md. It needs root.
package bench_test

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"opkssh/integration/endtoend"
)

var page = flag.String("page", "", "write what was measured into this `FILE`")

func TestMain(m *testing.M) {
	code := m.Run()
	endtoend.RemovePrograms()
	if code == 0 {
		code = report()
	}
	os.Exit(code)
}

// report writes the page, and fails where a budget is exceeded.
func report() (code int) {
	if *page != "" {
		if err := writePage(*page); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	for _, e := range exceeded() {
		fmt.Fprintln(os.Stderr, "budget exceeded:", e)
		code = 1
	}
	return code
}
