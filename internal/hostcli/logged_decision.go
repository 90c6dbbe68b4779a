package hostcli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"time"

	"opkssh/internal/hostprogram"
	"opkssh/pkg/policy"
)

const (
	// maxLog is how much of a log is looked through, in bytes from its end.
	maxLog = 512 << 20
	// maxLogLine is longer than any record.
	maxLogLine = 256 << 10
	// journalTimeout ends a journal that hangs.
	journalTimeout = 60 * time.Second
)

// recordIDSize is that of the ID of a record, in bytes.
const recordIDSize = 8

// journalctl is asked by absolute path: PATH is somebody else's.
var journalctl = []string{"/usr/bin/journalctl", "/bin/journalctl", "/run/current-system/sw/bin/journalctl"}

// loggedDecision is a record of the audit log: see docs/audit-log.md.
type loggedDecision struct {
	Message                string    `json:"msg"`
	ID                     string    `json:"id"`
	Time                   time.Time `json:"time"`
	Decision               string    `json:"decision"`
	Reason                 string    `json:"reason"`
	Detail                 string    `json:"detail"`
	User                   string    `json:"user"`
	Issuer                 string    `json:"issuer"`
	Subject                string    `json:"sub"`
	Email                  string    `json:"email"`
	UnverifiedIssuer       string    `json:"unverified_issuer"`
	ProviderRow            string    `json:"provider_row"`
	KeyFingerprint         string    `json:"key_fingerprint"`
	CertificateFingerprint string    `json:"certificate_fingerprint"`
	IssuedAt               time.Time `json:"iat"`
	ExpiresAt              time.Time `json:"exp"`
	Cut                    []string  `json:"cut"`

	claims map[string]any // given beside the record, which has no others than those above
}

// syslogHeader is what a syslog daemon writes in front of a record: the time (RFC 3164 or RFC 3339), the host, and our tag. What another
// program logs is none, though it may hold a record that somebody has made up: sshd logs each name that a client gives itself.
var syslogHeader = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(
		`^(?:[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8}|[0-9-]{10}T[0-9:.,+Z-]+) \S+ (?:[a-z0-9]+\.[a-z]+ )?` + syslogTag + `(?:\[[0-9]+\])?: *$`)
})

// reasonForm is that of reason codes.
var reasonForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z][a-z-]{0,63}$`) })

// parseLogged reads a line of a log, and is nil for what is no decision. Whoever may write to the log of the system can make one up:
// what has another form than ours is none, so that nothing but text reaches a terminal, and no text the advice.
func parseLogged(line []byte) *loggedDecision {
	start := bytes.IndexByte(line, '{')
	if start < 0 || start > 0 && !syslogHeader().Match(line[:start]) {
		return nil
	}
	var d loggedDecision
	if json.Unmarshal(line[start:], &d) != nil || d.Message != "login" || !isRecordID(d.ID) {
		return nil
	}
	switch {
	case d.Decision != decisionAllow && d.Decision != decisionDeny,
		d.Decision == decisionDeny && !reasonForm().MatchString(d.Reason),
		max(len(d.User), len(d.Issuer), len(d.Subject), len(d.Email), len(d.ProviderRow)) > maxValue,
		len(d.Detail) > maxText:
		return nil
	}
	return &d
}

func isRecordID(text string) bool {
	id, err := hex.DecodeString(text)
	return err == nil && len(id) == recordIDSize
}

// explainable says why a record cannot be explained anew, if so.
func (r *loggedDecision) explainable() error {
	if r.Issuer == "" {
		return &exitError{
			text: "the record has no verified identity: the login was refused before anybody knew who it was",
			hint: "the reason and the detail of the record say all; with the person's certificate: --cert FILE", code: exitRefused,
		}
	}
	for _, name := range []string{"user", "issuer", "sub", "email"} {
		if slices.Contains(r.Cut, name) {
			return &exitError{text: fmt.Sprintf("the record does not hold all of %s", name), hint: "explain it with --cert FILE", code: exitRefused}
		}
	}
	return nil
}

// hypothetical is the person of the record.
func (r *loggedDecision) hypothetical() *hypothetical {
	h := &hypothetical{
		issuer: r.Issuer, subject: r.Subject, email: r.Email, claims: r.claims, origin: r.ProviderRow,
		issuedAt: r.IssuedAt, expiresAt: r.ExpiresAt,
	}
	if h.expiresAt.IsZero() {
		h.expiresAt = r.Time.Add(time.Hour)
	}
	return h
}

// findLogged finds the decision with the ID: in file if it is named, else where config.yml lets the log go.
func findLogged(ctx context.Context, id, file string, config *policy.Config) (*loggedDecision, error) {
	if !isRecordID(id) {
		return nil, usageError(fmt.Errorf("--log: expected an ID of 16 hex digits, as in the log, got %q", id))
	}
	if file == "" && filepath.IsAbs(config.Log.To) {
		file = config.Log.To
	}
	if file != "" {
		return findInFile(id, file)
	}
	return findInJournal(ctx, id)
}

func findInFile(id, path string) (*loggedDecision, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|openNoFollow, 0)
	if err != nil {
		return nil, &exitError{text: err.Error(), hint: "--log-file names another file", code: exitRefused}
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: expected a regular file", path)
	}
	if err == nil && info.Size() > maxLog {
		_, err = file.Seek(-maxLog, io.SeekEnd)
	}
	if err != nil {
		return nil, &exitError{text: err.Error(), code: exitRefused}
	}
	found, err := findInLines(id, io.LimitReader(file, maxLog))
	if err != nil {
		return nil, &exitError{text: fmt.Sprintf("%s: %v", path, err), code: exitRefused}
	}
	if found == nil {
		return nil, notLogged(id, path)
	}
	return found, nil
}

func findInJournal(ctx context.Context, id string) (*loggedDecision, error) {
	program := hostprogram.FirstFile(journalctl...)
	if program == "" {
		if file := hostprogram.FirstFile(syslogFiles...); file != "" {
			return findInFile(id, file)
		}
		return nil, &exitError{
			text: "this host has no journalctl, and config.yml names no file for the log", hint: "--log-file FILE names one", code: exitRefused,
		}
	}
	ctx, cancel := context.WithTimeout(ctx, journalTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "--no-pager", "--quiet", "--reverse", "--output=cat", "--identifier="+syslogTag)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, &exitError{text: fmt.Sprintf("%s: %v", program, err), code: exitRefused}
	}
	found, err := findInLines(id, io.LimitReader(stdout, maxLog))
	// It may have more to say than we want to hear.
	cancel()
	waitErr := cmd.Wait()
	switch {
	case found != nil:
		return found, nil
	case err != nil:
		return nil, &exitError{text: fmt.Sprintf("%s: %v", program, err), code: exitRefused}
	case waitErr != nil && !errors.Is(waitErr, context.Canceled) && ctx.Err() == nil:
		return nil, &exitError{text: fmt.Sprintf("%s: %v", program, waitErr), code: exitRefused}
	}
	return nil, notLogged(id, "the journal (journalctl -t "+syslogTag+")")
}

func notLogged(id, where string) error {
	return &exitError{
		text: fmt.Sprintf("no decision with the ID %s in %s", id, where), hint: "--log-file FILE looks through another file, such as a rotated one",
		code: exitRefused,
	}
}

// findInLines looks for the decision. A line that is too long is no record.
func findInLines(id string, log io.Reader) (*loggedDecision, error) {
	lines := bufio.NewReaderSize(log, maxLogLine)
	wanted := []byte(`"` + id + `"`)
	for {
		line, err := lines.ReadSlice('\n')
		for tooLong := err; errors.Is(tooLong, bufio.ErrBufferFull); {
			line = nil
			_, tooLong = lines.ReadSlice('\n')
			err = tooLong
		}
		if bytes.Contains(line, wanted) {
			if r := parseLogged(line); r != nil && r.ID == id {
				return r, nil
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil, nil
		case err != nil:
			return nil, err
		}
	}
}
