//go:build unix && !darwin

package login

import (
	"os"
	"strings"
)

func (b Browser) systemCommands() [][]string {
	commands := [][]string{{"xdg-open"}, {"x-www-browser"}, {"www-browser"}}
	if isTermux(b.getenv) {
		return append([][]string{{"termux-open-url"}}, commands...)
	}
	if b.isWSL() {
		return append(wslCommands(), commands...)
	}
	return commands
}

// wslCommands start the browser of the Windows around us. None of them goes through cmd.exe, to which & in a URL is the end
// of a command. The full path is for those who keep Windows' folders out of PATH.
func wslCommands() [][]string {
	return [][]string{
		{"wslview"},
		{"rundll32.exe", "url.dll,FileProtocolHandler"},
		{"/mnt/c/Windows/System32/rundll32.exe", "url.dll,FileProtocolHandler"},
	}
}

// isWSL: the kernel of the Windows Subsystem for Linux says so in its release. sudo and ssh drop the variable.
func (b Browser) isWSL() bool {
	if b.getenv("WSL_DISTRO_NAME") != "" {
		return true
	}
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	return err == nil && strings.Contains(strings.ToLower(string(release)), "microsoft")
}
