package hostcli

import (
	"bytes"
	"io"

	"opkssh/internal/printable"
)

// printableWriter passes on lines with everything in them made printable, for what a less privileged process prints.
type printableWriter struct {
	to   io.Writer
	line []byte
}

func (w *printableWriter) Write(data []byte) (int, error) {
	w.line = append(w.line, data...)
	for {
		end := bytes.IndexByte(w.line, '\n')
		if end < 0 {
			return len(data), nil
		}
		if _, err := io.WriteString(w.to, printable.Text(string(w.line[:end]))+"\n"); err != nil {
			return 0, err
		}
		w.line = w.line[end+1:]
	}
}

// flush passes on a last line without an end.
func (w *printableWriter) flush() error {
	_, err := io.WriteString(w.to, printable.Text(string(w.line)))
	w.line = nil
	return err
}
