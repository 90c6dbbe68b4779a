package installer

import (
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"opkssh/internal/printable"
)

// ProgramVersion is what a program says of itself with --version.
type ProgramVersion struct {
	Text string // the first line, of at most 100 bytes; "" if it says nothing
	Ours bool   // the line has the form of our programs: release, compiler and platform

	release string
}

// Both of our programs say the same behind their names.
var ourVersion = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:opkssh|verifier version) (\S+ \(go\S+, [a-z0-9]+/[a-z0-9]+\))$`)
})

const maxVersionText = 100

// ParseProgramVersion reads what a program prints with --version.
func ParseProgramVersion(output string) ProgramVersion {
	line, _, _ := strings.Cut(strings.TrimSpace(output), "\n")
	line = printable.Text(strings.TrimSpace(line))
	v := ProgramVersion{Text: line[:min(len(line), maxVersionText)]}
	if match := ourVersion().FindStringSubmatch(line); match != nil {
		v.Ours, v.release = true, match[1]
	}
	return v
}

// Is says whether the program is of the release that own names, such as "v1.2.0 (go1.25.0, linux/amd64)". A build between releases
// is never known to be the same.
func (v ProgramVersion) Is(own string) bool {
	return v.Ours && v.release == own && !strings.HasPrefix(own, "(devel)") && !strings.HasPrefix(own, "unknown") && !strings.Contains(own, "+dirty")
}

// Other describes a program that sshd asks instead of ours.
func (v ProgramVersion) Other() string {
	switch {
	case v.Ours:
		return "another version of this program (" + v.Text + ")"
	case v.Text == "":
		return "another program, of unknown version"
	}
	return "another program (" + v.Text + ")"
}

// ReplaceHint says how sshd comes to ask ours instead of the program at path. Nothing is written over a program that has another name.
func ReplaceHint(path string) string {
	switch name := filepath.Base(path); name {
	case "opkssh", "verifier":
		return "put this release's " + name + " into its place, see docs/upgrade.md: install -m 755 " + name + " " + path
	}
	return "let AuthorizedKeysCommand name this release's verifier, see docs/upgrade.md"
}
