package hostcli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"opkssh/internal/hostprogram"
	"opkssh/pkg/policy"
)

// hostProgramTimeout is how long a command waits for a program of the system that it asks.
const hostProgramTimeout = 20 * time.Second

const (
	// maxRecentLog is how much of a log's end is looked through, in bytes.
	maxRecentLog = 4 << 20
	// maxJournalLines is as much of the journal.
	maxJournalLines = "4000"
)

// syslogFiles are where syslog daemons write the facility authpriv: Debian's, and Red Hat's.
var syslogFiles = []string{"/var/log/auth.log", "/var/log/secure"}

// recentDecisions are the last decisions in the log, the latest first: for one user, or for all if user is "". Where says where they were
// looked for. The journal knows who wrote a line: if writers is not nil, those of other user IDs do not count.
func recentDecisions(
	ctx context.Context, file, user string, writers []uint32, config *policy.Config,
) (decisions []loggedDecision, where string, err error) {
	if file == "" && filepath.IsAbs(config.Log.To) {
		file = config.Log.To
	}
	program := hostprogram.FirstFile(journalctl...)
	if file == "" && program == "" {
		if file = hostprogram.FirstFile(syslogFiles...); file == "" {
			return nil, "", errors.New("this host has no journalctl, and config.yml names no file for the log")
		}
	}
	var data []byte
	if file != "" {
		where = file
		data, err = readEnd(file)
	} else {
		where = "the journal (journalctl -t " + syslogTag + ")"
		var stdout string
		args := []string{"--no-pager", "--quiet", "--output=cat", "--identifier=" + syslogTag, "--lines=" + maxJournalLines}
		for _, uid := range writers {
			args = append(args, fmt.Sprintf("_UID=%d", uid))
		}
		stdout, _, err = hostprogram.Run(ctx, hostProgramTimeout, program, args...)
		if data = []byte(stdout); err != nil {
			err = fmt.Errorf("%s: %w", program, err)
		}
	}
	if err != nil {
		return nil, where, err
	}
	return decisionsIn(data, user), where, nil
}

// decisionsIn are the decisions in a log's text, the latest first: for one user, or for all.
func decisionsIn(data []byte, user string) (decisions []loggedDecision) {
	for line := range bytes.Lines(data) {
		if d := parseLogged(line); d != nil && (user == "" || d.User == user) {
			decisions = append(decisions, *d)
		}
	}
	slices.Reverse(decisions)
	return decisions
}

// readEnd reads the end of a file that may be somebody else's: it does not wait for one that is none.
func readEnd(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|openNoFollow, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: expected a regular file", path)
	}
	if info.Size() > maxRecentLog {
		if _, err := file.Seek(-maxRecentLog, io.SeekEnd); err != nil {
			return nil, err
		}
	}
	return io.ReadAll(io.LimitReader(file, maxRecentLog))
}

// denialAdvice says what to do about a refusal, by its reason. docs/reasons.md has more.
var denialAdvice = map[string]string{
	"no-rule":                "verifier explain --log %s says which rule came close; verifier add lets the person in",
	"email-not-verified":     "the person verifies the email at the provider, or the rule names the sub",
	"rule-expired":           "extend the rule's expiry-time, or remove the rule",
	"rule-untrusted":         "the record's detail names the file, and what mends it: look through the file first, others may have written it",
	"denied-user":            "verifier locks shows the entry; verifier unlock --user takes it back",
	"denied-email":           "verifier locks shows the entry; verifier unlock takes it back",
	"denied-subject":         "verifier locks shows the entry; verifier unlock --sub takes it back",
	"denied-claim":           "verifier locks shows the entry; verifier unlock --claim takes it back",
	"denied-key":             "verifier locks shows the entry; verifier unlock --key takes it back",
	"revoked":                "the person runs opkssh login again",
	"plugin-required":        "look at what the plugin printed: the lines of the log with the same id %s",
	"expired":                "the person runs opkssh login again",
	"unknown-issuer":         "add a row to providers for the token's issuer, or the person logs in with another provider",
	"audience":               "add a row to providers for the client ID in the record's got",
	"authorized-party":       "the token was made for another program: the person runs opkssh login",
	"required-claim":         "the person logs in in the way that require=, acr= or max-auth-age= of the row in providers wants",
	"not-yet-valid":          "set the clocks of the host and of the provider: timedatectl status",
	"keys-unavailable":       "let the host reach the provider (network, proxy, certificate authority), then: verifier keys refresh --all",
	"no-provider-key":        "the provider has changed its keys: verifier keys refresh --all",
	"timeout":                "look at the lines of the log with the same id %s: a slow disk, directory service or provider",
	"configuration":          "mend config.yml: the record's detail has file and line",
	"certificate-time":       "the person runs opkssh login again",
	"certificate-principals": "the certificate is for other users: the person runs opkssh login without --principal, or with this one",
}

func adviceFor(d loggedDecision) string {
	advice, ok := denialAdvice[d.Reason]
	switch {
	case !ok:
		return "docs/reasons.md explains " + d.Reason
	case strings.Contains(advice, "%s"):
		return fmt.Sprintf(advice, d.ID)
	}
	return advice
}
