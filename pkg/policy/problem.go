package policy

import "fmt"

// Problem is a row that was skipped, and why. Detail quotes what the file holds with Go's escapes, on one line.
type Problem struct {
	File   string
	Line   int // from 1
	Column int // in bytes from 1, of the word that is at fault
	Detail string
}

// String gives file:line:column: detail.
func (p Problem) String() string {
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Detail)
}

// fault is a problem in one row.
type fault struct {
	column int
	detail string
}

func faultAt(column int, format string, args ...any) *fault {
	return &fault{column, fmt.Sprintf(format, args...)}
}

func (f *fault) problem(file string, line int) Problem {
	return Problem{File: file, Line: line, Column: f.column, Detail: f.detail}
}
