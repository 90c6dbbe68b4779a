package hostcli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"opkssh/internal/filelock"
)

const (
	syslogSocket = "/dev/log"
	syslogTag    = "opkssh"
	// A full socket, a stuck daemon or somebody who keeps the file's lock must not hold up a login.
	logPatience = 200 * time.Millisecond
)

// sink is where the log goes, a whole line at a time.
type sink interface {
	write(level slog.Level, line []byte) error
}

// openLog opens what log.to of config.yml names: syslog, stderr, a file by its absolute path, or auto, which is syslog where
// there is one and else standard error. Where the destination is gone it falls back to standard error and says so once.
func openLog(to string, stderr io.Writer) sink {
	switch to {
	case "", "auto":
		if _, err := os.Stat(syslogSocket); err != nil {
			return stderrSink{stderr}
		}
		return &fallbackSink{to: openSyslogSink(), fallback: stderr, name: syslogSocket}
	case "syslog":
		return &fallbackSink{to: openSyslogSink(), fallback: stderr, name: syslogSocket}
	case "stderr":
		return stderrSink{stderr}
	}
	return &fallbackSink{to: openFileSink(to), fallback: stderr, name: to}
}

type stderrSink struct{ to io.Writer }

func (s stderrSink) write(_ slog.Level, line []byte) error {
	_, err := s.to.Write(line)
	return err
}

// fallbackSink goes over to standard error for good when the first sink fails. It returns the first sink's error all the same:
// sshd without -e throws away what stands on standard error.
type fallbackSink struct {
	to       sink
	fallback io.Writer
	name     string

	mu     sync.Mutex
	failed error
}

func (s *fallbackSink) write(level slog.Level, line []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		if s.failed = s.to.write(level, line); s.failed == nil {
			return nil
		}
		_, _ = fmt.Fprintf(s.fallback, "log destination %s: %v: logging to standard error\n", s.name, s.failed)
	}
	_, _ = s.fallback.Write(line)
	return s.failed
}

// syslogSink sends one datagram a line to the local syslog or journal (RFC 3164, as syslog(3) writes it). It is connected at once:
// in a sandbox it would be too late.
type syslogSink struct {
	conn net.Conn
	err  error // why it is not connected
}

func openSyslogSink() *syslogSink {
	conn, err := net.DialTimeout("unixgram", syslogSocket, logPatience)
	return &syslogSink{conn, err}
}

// authpriv is the facility LOG_AUTHPRIV of syslog(3).
const authpriv = 10 << 3

// severity is the level as syslog(3) counts: LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG.
func severity(level slog.Level) int {
	switch {
	case level >= slog.LevelError:
		return 3
	case level >= slog.LevelWarn:
		return 4
	case level >= slog.LevelInfo:
		return 6
	}
	return 7
}

func (s *syslogSink) write(level slog.Level, line []byte) error {
	if s.err != nil {
		return s.err
	}
	if err := s.conn.SetWriteDeadline(time.Now().Add(logPatience)); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.conn, "<%d>%s %s[%d]: %s", authpriv|severity(level), time.Now().Format(time.Stamp), syslogTag, os.Getpid(),
		strings.TrimRight(string(line), "\n"))
	return err
}

// fileSink appends to a file. It is opened at once: in a sandbox it would be too late.
type fileSink struct {
	file *os.File
	err  error // why it is not open
	late bool  // the lock was waited for, in vain: once is enough
}

func openFileSink(path string) *fileSink {
	if !filepath.IsAbs(path) {
		return &fileSink{err: fmt.Errorf("expected an absolute path, got %q", path)}
	}
	const flags = os.O_APPEND | os.O_CREATE | openNoFollow
	file, err := os.OpenFile(path, os.O_RDWR|flags, 0o600)
	if errors.Is(err, fs.ErrPermission) { // to be written alone
		file, err = os.OpenFile(path, os.O_WRONLY|flags, 0o600)
	}
	if err != nil {
		return &fileSink{err: err}
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		_ = file.Close()
		return &fileSink{err: fmt.Errorf("expected a regular file, got %v", info)}
	}
	return &fileSink{file: file}
}

// write begins a line of its own where the last one has no end: a full disk had no room for the rest of it. While another process
// writes, the file ends in a part of a line as well, so one at a time looks and writes. That is for the lines' shape alone: whoever
// does not get the lock writes all the same, and the system keeps the lines apart. What has not grown meanwhile is not being written.
func (s *fileSink) write(_ slog.Level, line []byte) error {
	if s.err != nil {
		return s.err
	}
	part := sizeWithPart(s.file)
	locked, waited := s.lock()
	if locked {
		defer func() { _ = filelock.Release(s.file) }()
	}
	if now := sizeWithPart(s.file); now > 0 && (locked || waited && now == part) {
		line = append([]byte{'\n'}, line...)
	}
	_, err := s.file.Write(line)
	return err
}

// lock does not get it where somebody else keeps it, or the file system has none.
func (s *fileSink) lock() (locked, waited bool) {
	// Looks are counted, and not the time alone: a machine that let us wait has let the writer wait, too.
	const pause = 5 * time.Millisecond
	for looks := logPatience / pause; ; looks-- {
		locked, err := filelock.Try(s.file)
		if locked || err != nil || s.late {
			return locked, false
		}
		if looks == 0 {
			s.late = true
			return false, true
		}
		time.Sleep(pause)
	}
}

// sizeWithPart is the size of a file whose last line has no end, and otherwise 0. What cannot be read has one.
func sizeWithPart(file *os.File) int64 {
	info, err := file.Stat()
	if err != nil || info.Size() == 0 {
		return 0
	}
	last := make([]byte, 1)
	if _, err := file.ReadAt(last, info.Size()-1); err != nil || last[0] == '\n' {
		return 0
	}
	return info.Size()
}
