package plugin

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// longestString is Linux's MAX_ARG_STRLEN, see execve(2): an argument, or NAME=value, and the NUL behind it, in bytes.
var longestString = 32 * os.Getpagesize()

// checkLengths looks for a string that no program can be given: the kernel says that there is one, and not which.
func checkLengths(cmd *exec.Cmd) error {
	for i, argument := range cmd.Args {
		if size := len(argument) + 1; size > longestString {
			return fmt.Errorf("argument %d of the command: expected at most %d bytes with its end, which is what Linux passes to a program, got %d",
				i, longestString, size)
		}
	}
	for _, variable := range cmd.Env {
		if size := len(variable) + 1; size > longestString {
			return fmt.Errorf("%s: expected at most %d bytes with its name and its end, which is what Linux passes to a program, got %d",
				variableName(variable), longestString, size)
		}
	}
	return nil
}

// tooLong says why the kernel does not start a program with strings each of which is short enough.
func tooLong(cmd *exec.Cmd) error {
	total, longest := 0, ""
	for _, argument := range cmd.Args {
		total += len(argument) + 1
	}
	for _, variable := range cmd.Env {
		total += len(variable) + 1
		if len(variable) > len(longest) {
			longest = variable
		}
	}
	return fmt.Errorf("expected no more arguments and variables than Linux passes to a program, got %d bytes of them; the longest variable is %s with %d",
		total, variableName(longest), len(longest)+1)
}

func variableName(variable string) string {
	name, _, _ := strings.Cut(variable, "=")
	return name
}
