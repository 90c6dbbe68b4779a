// Report says what of the sandbox this machine cannot test: make test's last words, since go test prints nothing about tests that
// were skipped.
package main

import (
	"fmt"
	"os"

	"opkssh/internal/sandbox"
)

func main() {
	for _, wanting := range sandbox.Missing() {
		fmt.Fprintln(os.Stderr, "make test: not tested, since this machine lacks it:", wanting)
	}
}
