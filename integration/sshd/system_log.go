package sshd

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"opkssh/integration/process"
)

// SystemLog is what listens on the host's /dev/log.
type SystemLog struct {
	socket *net.UnixConn
	path   string
}

// SystemLog listens on the host's /dev/log, as journald and rsyslogd do, until the test ends. Without it nobody does.
func (s *Server) SystemLog(t testing.TB) *SystemLog {
	t.Helper()
	// A socket's address has at most 107 bytes, which LogDir may exceed.
	folder, err := os.MkdirTemp("", "log")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	short := filepath.Join(folder, "log")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: short, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	if err := os.Chmod(short, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(short, filepath.Join(s.LogDir, "dev-log")); err != nil {
		t.Fatal(err)
	}
	return &SystemLog{socket, short}
}

// Next waits for the next message, of at most 64 KiB.
func (l *SystemLog) Next(t testing.TB) string {
	t.Helper()
	message, ok := l.read(t, process.Patience)
	if !ok {
		t.Fatalf("expected a message in the system log within %v", process.Patience)
	}
	return message
}

// Rest is what has been sent until now and not been read.
func (l *SystemLog) Rest(t testing.TB) (messages []string) {
	t.Helper()
	// A datagram is in the socket's queue when send(2) returns: what is not there now was not sent.
	for {
		message, ok := l.read(t, time.Second)
		if !ok {
			return messages
		}
		messages = append(messages, message)
	}
}

// Fill sends messages until no more fit, as into the socket of a daemon that hangs.
func (l *SystemLog) Fill(t testing.TB) {
	t.Helper()
	flood, err := net.Dial("unixgram", l.path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = flood.Close() }()
	for {
		if err := flood.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := flood.Write([]byte("<86>flood")); errors.Is(err, os.ErrDeadlineExceeded) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func (l *SystemLog) read(t testing.TB, patience time.Duration) (message string, ok bool) {
	t.Helper()
	if err := l.socket.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 64<<10)
	n, err := l.socket.Read(buffer)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return "", false
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(buffer[:n]), true
}
