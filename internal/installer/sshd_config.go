//go:build linux

package installer

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"opkssh/pkg/policy"
)

const (
	sshFolder    = "/etc/ssh"
	sshdConfig   = sshFolder + "/sshd_config"
	dropInFolder = sshFolder + "/sshd_config.d"
	dropIn       = dropInFolder + "/10-opkssh.conf"

	maxIncludes = 16 // as in sshd

	// Keywords in lower case, as sshd -T prints them.
	keysCommand           = "authorizedkeyscommand"
	keysCommandUser       = "authorizedkeyscommanduser"
	principalsCommand     = "authorizedprincipalscommand"
	principalsCommandUser = "authorizedprincipalscommanduser"
)

// sshdConfig is the file that sshd reads first, or "".
func (h *host) sshdConfig() string { return h.firstOf(sshdConfig, "/usr/etc/ssh/sshd_config") }

// sshdSetting is a line of sshd_config that says which command sshd asks for keys or principals, or as which user.
type sshdSetting struct {
	file    string
	line    int
	keyword string // in lower case
	value   string
	block   int // which Match block it is in, or 0
}

func (s sshdSetting) inMatch() bool { return s.block != 0 }

func (s sshdSetting) place() string { return fmt.Sprintf("%s:%d", s.file, s.line) }

// find gives the first line of a keyword in a Match block, or outside of them (0).
func find(settings []sshdSetting, keyword string, block int) (sshdSetting, bool) {
	i := slices.IndexFunc(settings, func(s sshdSetting) bool { return s.keyword == keyword && s.block == block })
	if i < 0 {
		return sshdSetting{}, false
	}
	return settings[i], true
}

// effective is find for a login that a block is about: what the block does not say is said outside.
func effective(settings []sshdSetting, keyword string, block int) (sshdSetting, bool) {
	if s, found := find(settings, keyword, block); found {
		return s, true
	}
	return find(settings, keyword, 0)
}

// sshdReader reads sshd_config and what it includes, in sshd's order: of a keyword the first value counts, and one in a Match block
// before it.
type sshdReader struct {
	host *host
	// planned is what files would hold. One that would be gone holds nothing.
	planned  map[string]string
	settings []sshdSetting
	blocks   int // how many Match blocks there were so far
	// unread are patterns of Include that mean something to glob(3), and nothing here.
	unread []string
}

// readSSHD reads what sshd would with files as they are planned.
func (p *Plan) readSSHD(main string, planned map[string]string) ([]sshdSetting, error) {
	reader := &sshdReader{host: p.host, planned: planned}
	if err := reader.read(main, 0, 0); err != nil {
		return nil, err
	}
	for _, place := range reader.unread {
		// On a running system sshd says itself what it asks.
		remark := place + ": the pattern is not understood here, and what it includes was not looked at"
		if p.host.image() && !slices.Contains(p.Remarks, remark) {
			p.remark("%s", remark)
		}
	}
	return reader.settings, nil
}

func (r *sshdReader) read(file string, block, depth int) error {
	text, ok := r.planned[file]
	if !ok {
		data, err := r.host.readFile(file)
		if err != nil {
			return err
		}
		text = string(data)
	}
	number := 0
	for line := range strings.Lines(text) {
		number++
		keyword, value := splitSetting(line)
		switch keyword {
		case "match":
			r.blocks++
			block = r.blocks
		case keysCommand, keysCommandUser, principalsCommand, principalsCommandUser:
			r.settings = append(r.settings, sshdSetting{file: file, line: number, keyword: keyword, value: value, block: block})
		case "include":
			if depth == maxIncludes {
				return &Refusal{Path: fmt.Sprintf("%s:%d", file, number), Detail: "too many levels of Include"}
			}
			patterns, err := policy.SplitCommand(value)
			if err != nil {
				return &Refusal{Path: fmt.Sprintf("%s:%d", file, number), Detail: err.Error()}
			}
			for _, pattern := range patterns {
				files, err := r.glob(pattern)
				if err != nil {
					r.unread = append(r.unread, fmt.Sprintf("%s:%d: Include %s", file, number, pattern))
				}
				for _, included := range files {
					if err := r.read(included, block, depth+1); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// splitSetting splits a line of sshd_config into keyword and value.
func splitSetting(line string) (keyword, value string) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' {
		return "", ""
	}
	end := strings.IndexAny(line, " \t=")
	if end < 0 {
		return strings.ToLower(line), ""
	}
	value = strings.TrimSpace(line[end:])
	if rest, ok := strings.CutPrefix(value, "="); ok {
		value = strings.TrimSpace(rest)
	}
	return strings.ToLower(strings.Trim(line[:end], `"`)), value
}

// isNone is whether a value stands for no command.
func isNone(value string) bool {
	return strings.EqualFold(strings.Trim(value, `"`), "none") || value == ""
}

// user is the user of a line that names one, or "" for none: sshd takes quotes and a comment away.
func (s sshdSetting) user() string {
	words, err := policy.SplitCommand(s.value)
	if err != nil || isNone(words[0]) {
		return ""
	}
	return words[0]
}

// asksVerifier is whether an AuthorizedKeysCommand is the verifier's, by either of its names.
func asksVerifier(value string) bool {
	return sshdSetting{keyword: keysCommand, value: value}.askedVerifier() != ""
}

// askedVerifier is the path of the verifier, by either of its names, that sshd asks by this line, or "".
func (s sshdSetting) askedVerifier() string {
	words := strings.Fields(strings.Trim(s.value, `"`))
	if s.keyword != keysCommand || len(words) < 2 || words[1] != "verify" {
		return ""
	}
	if name := path.Base(words[0]); name != "verifier" && name != "opkssh" {
		return ""
	}
	return words[0]
}
