package hostcli

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"os"
	"unicode/utf16"

	"opkssh/pkg/policy"
)

// recordSchema is the version of docs/audit-log.schema.json. It grows when a field goes or changes its meaning, not when
// one is added.
const recordSchema = 1

// newLogger opens the log that config.yml asks for. With verbose everything is in it, and it goes to standard error, but not if
// sshd, which throws that away, started us. Each line is a JSON object with the same id as the others of this run.
func newLogger(config policy.Log, verbose bool, stderr io.Writer) *slog.Logger {
	level := slog.LevelInfo
	if config.Level != "" {
		// ParseConfig let only known levels through.
		_ = level.UnmarshalText([]byte(config.Level))
	}
	handler := &recordHandler{least: level, json: func(w io.Writer) slog.Handler {
		return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug})
	}}
	to := config.To
	if verbose {
		handler.least = slog.LevelDebug
		if _, bySSHD := findSSHDSession(); !bySSHD {
			to = "stderr"
		}
	}
	handler.to = openLog(to, stderr)
	id := make([]byte, 8)
	_, _ = rand.Read(id)
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return slog.New(handler).With("schema", recordSchema, "id", hex.EncodeToString(id), "host", host)
}

// recordHandler hands each record to the sink as one line of JSON, with its level: [slog.JSONHandler] knows only writers.
type recordHandler struct {
	least slog.Level
	json  func(io.Writer) slog.Handler
	to    sink
}

func (h *recordHandler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.least }

func (h *recordHandler) Handle(ctx context.Context, r slog.Record) error {
	r.Time = r.Time.UTC()
	var line bytes.Buffer
	if err := h.json(&line).Handle(ctx, r); err != nil {
		return err
	}
	return h.to.write(r.Level, ascii(line.Bytes()))
}

func (h *recordHandler) with(more func(slog.Handler) slog.Handler) slog.Handler {
	json := h.json
	return &recordHandler{least: h.least, json: func(w io.Writer) slog.Handler { return more(json(w)) }, to: h.to}
}

func (h *recordHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.with(func(json slog.Handler) slog.Handler { return json.WithAttrs(attrs) })
}

func (h *recordHandler) WithGroup(name string) slog.Handler {
	return h.with(func(json slog.Handler) slog.Handler { return json.WithGroup(name) })
}

// ascii takes JSON, in which only strings can hold other characters than printable ASCII, and writes these as \u escapes: a log
// is read in terminals, where some of them change how the line looks.
func ascii(json []byte) []byte {
	escaped := make([]byte, 0, len(json))
	for _, r := range string(json) {
		switch {
		case r < 0x7f:
			escaped = append(escaped, byte(r)) //nolint:gosec // ASCII, says the case
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			escaped = fmt.Appendf(escaped, `\u%04x\u%04x`, high, low)
		default:
			escaped = fmt.Appendf(escaped, `\u%04x`, r)
		}
	}
	return escaped
}

// cut shortens a value to at most most bytes as they stand in the log, so that no record outgrows what a syslog daemon takes,
// and gives their number.
func cut(s string, most int) (short string, size int) {
	for i, r := range s {
		n := 1
		switch {
		case r > 0xffff:
			n = len(`\ud83d\ude00`)
		case r < ' ' || r >= 0x7f:
			n = len(`\u001b`)
		case r == '"' || r == '\\':
			n = len(`\"`)
		}
		if size+n > most {
			return s[:i], size
		}
		size += n
	}
	return s, size
}
