package hostcli

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf16"
)

const (
	syslogSocket = "/dev/log"
	syslogTag    = "opkssh"
	// A full socket or a stuck daemon must not hold up a login.
	syslogTimeout = 200 * time.Millisecond
)

// openLog opens what log.to of config.yml names: syslog, stderr, a file by its absolute path, or auto, which is syslog where
// there is one and else standard error. Where the destination is gone it falls back to standard error and says so once.
func openLog(to string, stderr io.Writer) io.Writer {
	switch to {
	case "", "auto":
		if _, err := os.Stat(syslogSocket); err != nil {
			return stderr
		}
		return &fallbackWriter{to: &syslogWriter{}, fallback: stderr, name: syslogSocket}
	case "syslog":
		return &fallbackWriter{to: &syslogWriter{}, fallback: stderr, name: syslogSocket}
	case "stderr":
		return stderr
	}
	return &fallbackWriter{to: &fileWriter{path: to}, fallback: stderr, name: to}
}

// asciiWriter takes JSON, in which only strings can hold other characters than ASCII, and writes these as \u escapes: a log is
// read in terminals, where some of them change how the line looks.
type asciiWriter struct{ to io.Writer }

func (w asciiWriter) Write(line []byte) (int, error) {
	escaped := make([]byte, 0, len(line))
	for _, r := range string(line) {
		switch {
		case r < 0x7f:
			escaped = append(escaped, byte(r))
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			escaped = fmt.Appendf(escaped, `\u%04x\u%04x`, high, low)
		default:
			escaped = fmt.Appendf(escaped, `\u%04x`, r)
		}
	}
	if _, err := w.to.Write(escaped); err != nil {
		return 0, err
	}
	return len(line), nil
}

// fallbackWriter goes over to another writer for good when the first one fails.
type fallbackWriter struct {
	to, fallback io.Writer
	name         string
	failed       bool
}

func (w *fallbackWriter) Write(line []byte) (int, error) {
	if !w.failed {
		n, err := w.to.Write(line)
		if err == nil {
			return n, nil
		}
		w.failed = true
		_, _ = fmt.Fprintf(w.fallback, "log destination %s: %v: logging to standard error\n", w.name, err)
	}
	return w.fallback.Write(line)
}

// syslogWriter sends one datagram a line to the local syslog or journal, facility authpriv (RFC 3164, as syslog(3) writes it).
type syslogWriter struct{ conn net.Conn }

// priority is LOG_AUTHPRIV (10) and LOG_INFO (6): the level of each record stands inside it.
const priority = 10<<3 | 6

func (w *syslogWriter) Write(line []byte) (int, error) {
	if w.conn == nil {
		conn, err := net.DialTimeout("unixgram", syslogSocket, syslogTimeout)
		if err != nil {
			return 0, err
		}
		w.conn = conn
	}
	if err := w.conn.SetWriteDeadline(time.Now().Add(syslogTimeout)); err != nil {
		return 0, err
	}
	message := fmt.Sprintf("<%d>%s %s[%d]: %s", priority, time.Now().Format(time.Stamp), syslogTag, os.Getpid(), strings.TrimRight(string(line), "\n"))
	if _, err := w.conn.Write([]byte(message)); err != nil {
		return 0, err
	}
	return len(line), nil
}

// fileWriter appends lines to a file. Each is one write, so that lines of several processes do not mix.
type fileWriter struct {
	path string
	file *os.File
}

func (w *fileWriter) Write(line []byte) (int, error) {
	if w.file == nil {
		if !filepath.IsAbs(w.path) {
			return 0, fmt.Errorf("expected an absolute path, got %q", w.path)
		}
		file, err := os.OpenFile(w.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|openNoFollow, 0o600)
		if err != nil {
			return 0, err
		}
		if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
			_ = file.Close()
			return 0, fmt.Errorf("expected a regular file, got %v", info)
		}
		w.file = file
	}
	return w.file.Write(line)
}
