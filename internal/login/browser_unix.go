//go:build unix

package login

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
)

func (b Browser) open(url string) error {
	var failures []error
	for _, command := range append(commandsOf(b.getenv("BROWSER")), b.systemCommands()...) {
		err := start(withURL(command, url))
		if err == nil {
			return nil
		}
		failures = append(failures, err)
	}
	if len(failures) == 0 {
		return errors.New("no browser is known on this system")
	}
	return joined(failures)
}

func (b Browser) getenv(name string) string {
	if b.Getenv == nil {
		return ""
	}
	return b.Getenv(name)
}

// commandsOf reads BROWSER: commands separated by colons, tried in turn. Words are separated by blanks; no shell is involved.
func commandsOf(variable string) [][]string {
	var commands [][]string
	for command := range strings.SplitSeq(variable, ":") {
		if words := strings.Fields(command); len(words) > 0 {
			commands = append(commands, words)
		}
	}
	return commands
}

// withURL puts the URL in the place of %s, or at the end. %% is a percent sign.
func withURL(command []string, url string) []string {
	words := []string{command[0]}
	replaced := false
	for _, word := range command[1:] {
		replaced = replaced || strings.Contains(strings.ReplaceAll(word, "%%", ""), "%s")
		words = append(words, strings.NewReplacer("%%", "%", "%s", url).Replace(word))
	}
	if !replaced {
		words = append(words, url)
	}
	return words
}

// start runs a program apart from the terminal, so that Ctrl-C here does not end the browser, and its words do not mix with
// ours.
func start(command []string) error {
	c := exec.Command(command[0], command[1:]...)
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.Start(); err != nil {
		if missing := (*exec.Error)(nil); errors.As(err, &missing) {
			err = missing.Err
		}
		return fmt.Errorf("%s: %w", command[0], err)
	}
	go func() { _ = c.Wait() }() // no zombie; how it ends does not matter
	return nil
}
