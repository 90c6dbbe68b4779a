// Package sshdsettings asks the system's sshd about itself: its version, and what its configuration comes to. Which files it reads, and
// in which order, sshd knows best.
package sshdsettings

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"time"

	"opkssh/internal/hostprogram"
)

// timeout is for one question.
const timeout = 20 * time.Second

// places are where systems have sshd, which wants to be started by its absolute path. NixOS has the last.
var places = []string{"/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd", "/run/current-system/sw/bin/sshd"}

// Program is the path of the system's sshd, or "".
func Program() string { return hostprogram.FirstFile(places...) }

var (
	// ErrNone: there is nobody to ask.
	ErrNone = errors.New("sshd is in none of its usual places")
	// ErrClosed: sshd -T reads the host keys, which are root's, and perhaps settings that are.
	ErrClosed = errors.New("sshd tells root alone its settings")
)

// Settings is what sshd says of its own configuration (sshd -T): keywords in lower case, the values of each in their order.
type Settings map[string][]string

// Query is what sshd is asked. The zero value asks the system's sshd for logins that no Match block is about.
type Query struct {
	Program string // sshd's path, or "" for that of [Program]
	Config  string // its configuration, or "" for the usual one
	User    string // for the logins of this user, or ""
}

// Read asks sshd for its settings. The error wraps [ErrNone] or [ErrClosed], or holds what sshd said.
func Read(ctx context.Context, q Query) (Settings, error) {
	program := cmp.Or(q.Program, Program())
	if program == "" {
		return nil, ErrNone
	}
	args := []string{"-T"}
	if q.Config != "" {
		args = append(args, "-f", q.Config)
	}
	if q.User != "" {
		// Somewhere outside: the address is one that documentation is written with (RFC 5737).
		args = append(args, "-C", "user="+q.User+",host=client.example.com,addr=192.0.2.1,laddr=192.0.2.2,lport=22")
	}
	stdout, stderr, err := hostprogram.Run(ctx, timeout, program, args...)
	if err != nil {
		said := fmt.Errorf("%s -T: %w", program, err)
		var failed *hostprogram.Error
		var exit *exec.ExitError
		if errors.As(err, &failed) && failed.Said != "" && errors.As(err, &exit) {
			said = fmt.Errorf("%s -T: %s", program, failed.Said) // its exit status says no more
		}
		if os.Geteuid() != 0 && (errors.Is(err, fs.ErrPermission) || strings.Contains(stderr, "no hostkeys available") || strings.Contains(stderr, "Permission denied")) {
			return nil, fmt.Errorf("%w: %w", ErrClosed, said)
		}
		return nil, said
	}
	settings := Parse(stdout)
	if len(settings[command]) == 0 {
		return nil, fmt.Errorf("%s -T: expected its settings, got none of AuthorizedKeysCommand %s", program, strings.Join(strings.Fields(stderr), " "))
	}
	return settings, nil
}

// Parse reads what sshd -T prints.
func Parse(text string) Settings {
	settings := Settings{}
	for line := range strings.Lines(text) {
		keyword, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if keyword != "" {
			keyword = strings.ToLower(keyword)
			settings[keyword] = append(settings[keyword], strings.TrimSpace(value))
		}
	}
	return settings
}

const (
	command     = "authorizedkeyscommand"
	commandUser = "authorizedkeyscommanduser"
)

// Command is the AuthorizedKeysCommand, or "".
func (s Settings) Command() string { return s.First(command) }

// CommandUser is the AuthorizedKeysCommandUser, or "".
func (s Settings) CommandUser() string { return s.First(commandUser) }

// First is the first value of the first of keywords that has one other than "none", or "".
func (s Settings) First(keywords ...string) string {
	for _, keyword := range keywords {
		if values := s[keyword]; len(values) > 0 && values[0] != "none" {
			return values[0]
		}
	}
	return ""
}

// Has is whether a comma separated list holds name. A list that this sshd does not know holds everything.
func (s Settings) Has(name string, keywords ...string) bool {
	list := s.First(keywords...)
	if list == "" {
		return true
	}
	for entry := range strings.SplitSeq(list, ",") {
		if entry == name {
			return true
		}
	}
	return false
}

// Words are all words of a keyword's values: sshd prints one a line.
func (s Settings) Words(keyword string) []string {
	var words []string
	for _, value := range s[keyword] {
		words = append(words, strings.Fields(value)...)
	}
	return words
}
