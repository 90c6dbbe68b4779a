package hostfiles

import (
	"bytes"
	"errors"
	"io"
)

// rowsBuffer is how much of a file is in memory while its lines are sorted out.
const rowsBuffer = 256 << 10

// readRows reads size bytes, the size that was seen: what is appended meanwhile counts for the next login. Lines that keep does not
// want come back empty, but for small files, where that saves nothing.
func readRows(r io.Reader, size int64, keep func(line []byte) bool) ([]byte, error) {
	r = io.LimitReader(r, size)
	if keep == nil || size <= rowsBuffer {
		data := make([]byte, size)
		n, err := io.ReadFull(r, data)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
			return nil, err
		}
		return data[:n], nil
	}
	var rows []byte
	buffer := make([]byte, rowsBuffer)
	held := 0 // bytes of a line whose end is not read yet
	for {
		if held == len(buffer) {
			buffer = append(buffer, make([]byte, len(buffer))...)
		}
		n, err := r.Read(buffer[held:])
		data := buffer[:held+n]
		for {
			end := bytes.IndexByte(data, '\n')
			if end < 0 {
				break
			}
			if keep(data[:end]) {
				rows = append(rows, data[:end]...)
			}
			rows = append(rows, '\n')
			data = data[end+1:]
		}
		held = copy(buffer, data)
		switch {
		case errors.Is(err, io.EOF):
			return append(rows, buffer[:held]...), nil
		case err != nil:
			return nil, err
		}
	}
}
