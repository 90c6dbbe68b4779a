package hostcli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"

	"opkssh/internal/printable"
)

// findings collects what a login would log beside its decision: files and rows that were left out, keys that are old. Each is kept
// once.
type findings struct {
	mu  sync.Mutex
	all []finding
}

// logger is for the parts of a login.
func (f *findings) logger() *slog.Logger { return slog.New(findingsHandler{to: f}) }

// finding is one line of the log. Message and members are those of docs/audit-log.md.
type finding struct {
	Message string `json:"msg"`
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Detail  string `json:"detail,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

// findingsHandler implements [slog.Handler].
type findingsHandler struct {
	to    *findings
	attrs []slog.Attr
}

func (h findingsHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn
}

func (h findingsHandler) Handle(_ context.Context, r slog.Record) error {
	n := finding{Message: r.Message}
	for _, a := range h.attrs {
		n.add(a)
	}
	r.Attrs(func(a slog.Attr) bool {
		n.add(a)
		return true
	})
	h.to.mu.Lock()
	defer h.to.mu.Unlock()
	if !slices.Contains(h.to.all, n) {
		h.to.all = append(h.to.all, n)
	}
	return nil
}

func (h findingsHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return findingsHandler{h.to, append(slices.Clip(h.attrs), attrs...)}
}

func (h findingsHandler) WithGroup(string) slog.Handler { return h }

func (n *finding) add(a slog.Attr) {
	switch a.Key {
	case "file", "path", "folder":
		n.File = a.Value.String()
	case "line":
		n.Line = int(a.Value.Int64())
	case "column":
		n.Column = int(a.Value.Int64())
	case "number":
		n.Detail = a.Value.String()
	case "detail", "error", "text":
		n.Detail = a.Value.String()
	case "hint":
		n.Hint = a.Value.String()
	}
}

func (n finding) String() string {
	text := n.Message
	if n.File != "" {
		text += ": " + place(n.File, n.Line, n.Column)
	}
	if n.Detail != "" {
		text += ": " + n.Detail
	}
	return text
}

// incomplete says which files and rows were left out. Whoever reads a list must know that others may be missing.
func incomplete(leftOut []finding, stderr io.Writer) error {
	if len(leftOut) == 0 {
		return nil
	}
	for _, n := range leftOut {
		_, _ = fmt.Fprintln(stderr, printable.Text(n.String()))
		if n.Hint != "" {
			_, _ = fmt.Fprintln(stderr, printable.Text("hint: "+n.Hint))
		}
	}
	return errRefused
}

// place is file:line:column, as far as they are known.
func place(file string, line, column int) string {
	switch {
	case line == 0:
		return file
	case column == 0:
		return fmt.Sprintf("%s:%d", file, line)
	}
	return fmt.Sprintf("%s:%d:%d", file, line, column)
}
