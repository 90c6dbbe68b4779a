package sshd_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"opkssh/integration/sshd"
)

// startForAlice runs a host whose AuthorizedKeysCommand lets the identity in as alice and as nobody else.
func startForAlice(t *testing.T, lines ...string) (*sshd.Server, sshd.Identity, *sshd.Client) {
	t.Helper()
	s := sshd.Start(t, sshd.Config{AuthorizedKeysCommand: "/usr/local/bin/keys %u %k %t", Lines: lines})
	identity := sshd.NewIdentity(t)
	s.InstallScript(t, "keys", fmt.Sprintf("#!/bin/sh\nif [ \"$1\" = alice ]; then echo '%s'; fi\n", identity.AuthorizedKey))
	return s, identity, s.Client(t, identity.File, "")
}

func TestLogin(t *testing.T) {
	t.Parallel()
	s, _, client := startForAlice(t)

	got := client.SSH(t, "alice", "id -un; pwd; exit 7")
	if got.Stdout != "alice\n/home/alice\n" || got.ExitCode != 7 {
		t.Errorf("expected a session of alice, got %+v", got)
	}
	s.WaitLog(t, "Accepted publickey for alice")

	got = client.SSH(t, "bob", "true")
	if got.ExitCode != 255 || !strings.Contains(got.Stderr, "Permission denied (publickey)") {
		t.Errorf("expected no session of bob, got %+v", got)
	}
	if strings.Contains(s.Log(), "Accepted publickey for bob") {
		t.Errorf("expected no login of bob, got:\n%s", s.Log())
	}
}

func TestAnotherKey(t *testing.T) {
	t.Parallel()
	s, _, _ := startForAlice(t)
	stranger := s.Client(t, sshd.NewIdentity(t).File, "")
	if got := stranger.SSH(t, "alice", "true"); got.ExitCode != 255 {
		t.Errorf("expected no session, got %+v", got)
	}
}

func TestAnotherHostKey(t *testing.T) {
	t.Parallel()
	s, identity, _ := startForAlice(t)
	other := sshd.Start(t, sshd.Config{})
	client := other.Client(t, identity.File, "", fmt.Sprintf("Port %d", s.Port))
	if got := client.SSH(t, "alice", "true"); got.ExitCode != 255 || !strings.Contains(got.Stderr, "Host key verification failed") {
		t.Errorf("expected a refused host key, got %+v", got)
	}
}

func TestCertificate(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Config{AuthorizedKeysCommand: "/usr/local/bin/keys %u %k %t"})
	identity := sshd.NewIdentity(t)
	// It trusts the certificate's signer, which is the identity itself, and no plain key.
	s.InstallScript(t, "keys", fmt.Sprintf("#!/bin/sh\necho 'cert-authority,principals=\"opkssh-wildcard\" %s'\n", identity.AuthorizedKey))
	certificate := selfSigned(t, identity)

	client := s.Client(t, identity.File, certificate)
	if got := client.SSH(t, "bob", "id -un"); got.Stdout != "bob\n" {
		t.Errorf("expected a session of bob, got %+v", got)
	}
	s.WaitLog(t, "Accepted publickey for bob from 127.0.0.1")
	if !strings.Contains(s.Log(), "ED25519-CERT") {
		t.Errorf("expected a login with the certificate, got:\n%s", s.Log())
	}
	if got := s.Client(t, identity.File, "").SSH(t, "bob", "true"); got.ExitCode != 255 {
		t.Errorf("expected no session with the plain key, got %+v", got)
	}
}

// selfSigned writes a user certificate for identity, signed by identity, and returns its path.
func selfSigned(t *testing.T, identity sshd.Identity) string {
	t.Helper()
	private, err := os.ReadFile(identity.File)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certificate := &ssh.Certificate{
		Key:             signer.PublicKey(),
		CertType:        ssh.UserCert,
		KeyId:           "alice@example.com",
		ValidPrincipals: []string{"opkssh-wildcard"},
		ValidBefore:     ssh.CertTimeInfinity,
	}
	if err := certificate.SignCert(rand.Reader, signer); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "certificate.pub")
	if err := os.WriteFile(file, ssh.MarshalAuthorizedKey(certificate), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestCopyFiles(t *testing.T) {
	t.Parallel()
	s, _, client := startForAlice(t)
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	if err := os.WriteFile(filepath.Join(client.Home, "file"), content, 0o600); err != nil {
		t.Fatal(err)
	}

	if got := client.SCP(t, "file", "alice@host:copied"); got.ExitCode != 0 {
		t.Fatalf("scp: %+v", got)
	}
	if got := client.SFTP(t, "alice", "rename copied renamed\nget renamed back\n"); got.ExitCode != 0 {
		t.Fatalf("sftp: %+v", got)
	}

	for _, file := range []string{filepath.Join(s.Home("alice"), "renamed"), filepath.Join(client.Home, "back")} {
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, content) {
			t.Errorf("%s: expected the file's %d bytes, got %d", file, len(content), len(got))
		}
	}
	if got := client.SFTP(t, "bob", "ls\n"); got.ExitCode == 0 {
		t.Errorf("expected no sftp session of bob, got %+v", got)
	}
}

func TestFoldersOfTheHost(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Config{})
	if err := os.WriteFile(filepath.Join(s.ConfigDir, "auth_id"), []byte("rules\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	if got := s.Exec(t, "root", "cat", "/etc/opk/auth_id"); got.Stdout != "rules\n" {
		t.Errorf("expected the file, got %+v", got)
	}
	if got := s.Exec(t, sshd.CommandUser, "cat", "/etc/opk/auth_id"); got.ExitCode == 0 {
		t.Errorf("expected a file for root alone, got %+v", got)
	}
	if got := s.Exec(t, sshd.CommandUser, "sh", "-c", "id -un && echo keys > /var/cache/opkssh/keys"); got.Stdout != "opksshuser\n" {
		t.Errorf("expected a folder that the command can write, got %+v", got)
	}
	if got, err := os.ReadFile(filepath.Join(s.CacheDir, "keys")); err != nil || string(got) != "keys\n" {
		t.Errorf("expected what the command wrote, got %q %v", got, err)
	}
	if got := s.Exec(t, "root", "stat", "-c", "%U %a", "/etc/opk", "/var/cache/opkssh", "/usr/local/bin", "/home/alice"); got.Stdout !=
		"root 755\nopksshuser 700\nroot 755\nalice 700\n" {
		t.Errorf("unexpected owners or modes: %+v", got)
	}
	if got := s.Exec(t, "root", "sh", "-c", "echo changed > /etc/changed && cat /etc/changed"); got.Stdout != "changed\n" {
		t.Errorf("expected a host that can be changed, got %+v", got)
	}
	if _, err := os.Stat("/etc/changed"); err == nil {
		t.Error("expected the real machine to be left alone, found /etc/changed")
	}
}

func TestTrustCA(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Config{})
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, []byte("a certificate of this test\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.TrustCA(t, file)
	got := s.Exec(t, sshd.CommandUser, "cat", "/etc/ssl/certs/ca-certificates.crt")
	if !strings.HasSuffix(got.Stdout, "a certificate of this test\n") {
		t.Errorf("expected the certificate among those that the host trusts, got %d bytes, %q", len(got.Stdout), got.Stderr)
	}
	if ours, err := os.ReadFile("/etc/ssl/certs/ca-certificates.crt"); err == nil && bytes.Contains(ours, []byte("of this test")) {
		t.Error("expected the real machine to be left alone")
	}
}

func TestManyHosts(t *testing.T) {
	t.Parallel()
	for i := range 8 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			_, _, client := startForAlice(t)
			if got := client.SSH(t, "alice", "echo", strconv.Itoa(i)); got.Stdout != strconv.Itoa(i)+"\n" {
				t.Errorf("expected %d, got %+v", i, got)
			}
		})
	}
}

func TestLinesAndReload(t *testing.T) {
	t.Parallel()
	s, _, client := startForAlice(t, "DenyUsers alice", "Match User alice", "ForceCommand echo forced")
	if got := client.SSH(t, "alice", "echo free"); got.ExitCode != 255 {
		t.Errorf("expected no session, got %+v", got)
	}
	if got := s.Exec(t, "root", "sed", "-i", "/^DenyUsers/d", "/etc/ssh/sshd_config"); got.ExitCode != 0 {
		t.Fatalf("sed: %+v", got)
	}
	s.Reload(t)
	if got := client.SSH(t, "alice", "echo free"); got.Stdout != "forced\n" {
		t.Errorf("expected the forced command, got %+v", got)
	}
}

func TestCommandThatOthersCanWrite(t *testing.T) {
	t.Parallel()
	s, _, client := startForAlice(t)
	if got := s.Exec(t, "root", "chmod", "0777", "/usr/local/bin/keys"); got.ExitCode != 0 {
		t.Fatalf("chmod: %+v", got)
	}
	if got := client.SSH(t, "alice", "true"); got.ExitCode != 255 {
		t.Errorf("expected no session, got %+v", got)
	}
	s.WaitLog(t, "Unsafe AuthorizedKeysCommand")
}
