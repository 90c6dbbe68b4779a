package userkeys_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"opkssh/internal/userkeys"
)

// hostProgram is an ssh_config whose program writes what it is given into a file, one argument a line.
func hostProgram(t *testing.T, blocks ...userkeys.HostBlock) (config, arguments string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the program is a script of sh")
	}
	folder := t.TempDir()
	arguments = filepath.Join(folder, "arguments")
	program := filepath.Join(folder, "program")
	if err := os.WriteFile(program, []byte("#!/bin/sh\nprintf '%s\\n' \"$@\" >> '"+arguments+"'\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	config = filepath.Join(folder, "config")
	write(t, config, userkeys.HostConfig(program, blocks))
	return config, arguments
}

// askSSH has ssh say what it would do. shell is SHELL.
func askSSH(t *testing.T, shell, config string, args ...string) string {
	t.Helper()
	ssh := exec.Command("ssh", append([]string{"-F", config, "-G"}, args...)...)
	ssh.Dir = filepath.Dir(config)
	ssh.Env = append(os.Environ(), "SHELL="+shell)
	out, err := ssh.Output()
	if err != nil {
		t.Fatalf("ssh -G %q: %v: %s", args, err, err.(*exec.ExitError).Stderr)
	}
	return string(out)
}

func argumentsIn(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	_ = os.Remove(name)
	return string(data)
}

// Every name of a host reaches the program as it is.
func TestHostNamesReachTheProgram(t *testing.T) {
	config, arguments := hostProgram(t, userkeys.HostBlock{Patterns: []string{"*"}, Alias: "work"})
	for _, name := range []string{
		"web1", "web_1.example.com", "WEB1.Example.com", "192.0.2.1", "2001:db8::1", "fe80::1%eth0", "fe80::AB%enp3s0.100",
	} {
		out := askSSH(t, "/bin/sh", config, name)
		if got := argumentsIn(t, arguments); got != "ensure\n"+name+"\n" {
			t.Errorf("%s: expected the arguments ensure and the name, got %q", name, got)
		}
		if !strings.Contains(out, "identityfile ~/.ssh/opkssh/work\n") {
			t.Errorf("%s: no key", name)
		}
	}
}

// A name that a shell would take for more runs nothing: old ssh, and any with a HostName in its configuration, lets it through.
func TestHostNamesAreNoShellCode(t *testing.T) {
	config, arguments := hostProgram(t, userkeys.HostBlock{Patterns: []string{"*.example.com"}, Alias: "work"})
	shells := []string{"/bin/sh"}
	for _, name := range []string{"bash", "dash", "zsh", "fish", "tcsh"} {
		if path, err := exec.LookPath(name); err == nil && !slices.Contains(shells, path) {
			shells = append(shells, path)
		}
	}
	for _, shell := range shells {
		for _, name := range []string{
			"$(touch${IFS}owned).example.com", "`touch${IFS}owned`.example.com", "a;touch${IFS}owned;.example.com", "a|touch${IFS}owned;.example.com",
			"a&touch${IFS}owned&.example.com", "a>owned.example.com", "a\ntouch owned\n.example.com", "a';touch${IFS}owned;'.example.com",
			`a\';touch owned;\'.example.com`, "a --config-path=owned.example.com", "a*.example.com", "{a,b}.example.com", "~.example.com", "$HOME.example.com",
			"%%COMSPEC%%.example.com", "a^b.example.com",
		} {
			quoted := strings.ReplaceAll(strings.ReplaceAll(name, `\`, `\\`), `"`, `\"`)
			askSSH(t, shell, config, "-o", `HostName="`+quoted+`"`, "x")
			got := argumentsIn(t, arguments)
			if got != "" && got != "ensure\n"+name+"\n" {
				t.Errorf("%s: %q: expected nothing or the name as one argument, got %q", shell, name, got)
			}
			left := names(t, filepath.Dir(config))
			if len(left) != 2 {
				t.Fatalf("%s: %q left %q", shell, name, left)
			}
		}
	}
}

// A host of two providers is the first one's, as it is for ensure.
func TestAHostIsOfTheFirstBlock(t *testing.T) {
	config, arguments := hostProgram(t,
		userkeys.HostBlock{Patterns: []string{"*.example.com", "!public.example.com"}, Alias: "first"},
		userkeys.HostBlock{Patterns: []string{"db.*", "public.*"}, Alias: "second", InAgent: true},
		userkeys.HostBlock{Patterns: []string{"*"}, Alias: "third"},
	)
	for host, want := range map[string]string{
		"www.example.com":    "first",
		"db.example.com":     "first",
		"DB.Example.com":     "first",
		"public.example.com": "second",
		"db.example.net":     "second",
		"www.example.net":    "third",
	} {
		out := askSSH(t, "/bin/sh", config, host)
		if got := argumentsIn(t, arguments); strings.Count(got, "\n") != 2 {
			t.Errorf("%s: expected one run, got arguments %q", host, got)
		}
		for _, alias := range []string{"first", "second", "third"} {
			if got := strings.Contains(out, "~/.ssh/opkssh/"+alias); got != (alias == want) {
				t.Errorf("%s: key of %s: expected %t", host, alias, alias == want)
			}
		}
	}
}
