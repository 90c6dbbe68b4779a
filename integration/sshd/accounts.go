package sshd

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Accounts can log in, have an empty home folder and a group of the same name. They cannot log in with a password, as root cannot.
var Accounts = []string{"alice", "bob", "deploy"}

// firstID is the user and group ID of the first account. Accounts of real machines do not reach it.
const firstID = 60_001

// accountID is the user and group ID of one of Accounts, or of CommandUser.
func accountID(t testing.TB, name string) int {
	t.Helper()
	i := slices.Index(append(slices.Clone(Accounts), CommandUser), name)
	if i < 0 {
		t.Fatalf("expected an account of the host, got %q", name)
	}
	return firstID + i
}

// IsAccount is whether a user ID is that of one of Accounts, or of CommandUser, on any host.
func IsAccount(uid int) bool { return uid >= firstID && uid <= firstID+len(Accounts) }

// writeAccounts writes passwd, group and shadow into dir: those of this machine, without its passwords, and the accounts of the host.
func writeAccounts(t testing.TB, dir string) {
	t.Helper()
	ours := append(slices.Clone(Accounts), CommandUser)
	passwd := otherEntries(t, "/etc/passwd", ours)
	group := otherEntries(t, "/etc/group", ours)
	for _, name := range ours {
		id := accountID(t, name)
		home, shell := "/home/"+name, "/bin/sh"
		if name == CommandUser {
			home, shell = "/nonexistent", "/usr/sbin/nologin"
		}
		passwd = append(passwd, fmt.Sprintf("%s:x:%d:%d::%s:%s", name, id, id, home, shell))
		group = append(group, fmt.Sprintf("%s:x:%d:", name, id))
	}
	var shadow []string
	for _, entry := range passwd {
		name, _, _ := strings.Cut(entry, ":")
		// No password fits "*". sshd would take "!" for a locked account.
		shadow = append(shadow, name+":*:20000:0:99999:7:::")
	}
	for file, content := range map[string][]string{"passwd": passwd, "group": group, "shadow": shadow} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(strings.Join(content, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// otherEntries reads the entries of passwd or group that do not bear one of names.
func otherEntries(t testing.TB, file string, names []string) []string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var entries []string
	for entry := range strings.Lines(string(content)) {
		entry = strings.TrimSuffix(entry, "\n")
		if name, _, _ := strings.Cut(entry, ":"); entry != "" && !slices.Contains(names, name) {
			entries = append(entries, entry)
		}
	}
	return entries
}
