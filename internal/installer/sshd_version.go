package installer

import (
	"fmt"
	"regexp"
	"strconv"
)

// SSHDVersion is OpenSSH's.
type SSHDVersion struct{ Major, Minor int }

// ParseSSHDVersion finds the version in what `sshd -V` prints. Versions that do not know -V print it with their complaint.
func ParseSSHDVersion(text string) (v SSHDVersion, ok bool) {
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
func (v SSHDVersion) Before(major, minor int) bool {
	return v.Major < major || v.Major == major && v.Minor < minor
}

func (v SSHDVersion) String() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }
