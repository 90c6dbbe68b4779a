package sshdsettings

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"strconv"

	"opkssh/internal/hostprogram"
)

// Version is OpenSSH's.
type Version struct{ Major, Minor int }

// ReadVersion asks program, or the system's sshd if that is "".
func ReadVersion(ctx context.Context, program string) (Version, bool) {
	program = cmp.Or(program, Program())
	if program == "" {
		return Version{}, false
	}
	// Old versions end with an error.
	stdout, stderr, _ := hostprogram.Run(ctx, timeout, program, "-V")
	return parseVersion(stdout + stderr)
}

// parseVersion finds the version in what `sshd -V` prints. Versions that do not know -V print it with their complaint.
func parseVersion(text string) (v Version, ok bool) {
	match := regexp.MustCompile(`OpenSSH_(\d{1,4})\.(\d{1,4})`).FindStringSubmatch(text)
	if match == nil {
		return v, false
	}
	// The pattern lets through nothing else than small numbers.
	v.Major, _ = strconv.Atoi(match[1])
	v.Minor, _ = strconv.Atoi(match[2])
	return v, true
}

// Before compares with another version.
func (v Version) Before(major, minor int) bool {
	return v.Major < major || v.Major == major && v.Minor < minor
}

func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }
