package bench_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/integration/issuer"
	"opkssh/integration/sshd"
)

// BenchmarkLogin: the certificate is the same.
func BenchmarkLogin(b *testing.B) {
	o := issuer.Start(b)
	id := o.Login(b, alice)
	ours := startHost(b, o)
	fixed := sshd.Start(b, sshd.Config{AuthorizedKeysCommand: sshd.BinDir + "/fixed %u %k %t"})
	fixed.InstallScript(b, "fixed", "#!/bin/sh\necho 'cert-authority,principals=\"opkssh-wildcard\" "+publicKey(id)+"'\n")
	comparison{Name: "ssh login through the verifier", Against: "ssh login through a shell script that prints a fixed line", most: 1.1}.
		measure(b, 100, login(b, ours, id.Key), login(b, fixed, id.Key))
}

// BenchmarkPlainLogin: the same key, without the certificate.
func BenchmarkPlainLogin(b *testing.B) {
	o := issuer.Start(b)
	id := o.Login(b, alice)
	ours, plain := startHost(b, o), sshd.Start(b, sshd.Config{})
	folder := filepath.Join(plain.Home("alice"), ".ssh")
	write(b, filepath.Join(folder, "authorized_keys"), publicKey(id)+"\n")
	for _, path := range []string{folder, filepath.Join(folder, "authorized_keys")} {
		plain.Chown(b, path, "alice")
	}
	private, err := os.ReadFile(id.Key)
	if err != nil {
		b.Fatal(err)
	}
	alone := filepath.Join(b.TempDir(), "id_ecdsa")
	if err := os.WriteFile(alone, private, 0o600); err != nil {
		b.Fatal(err)
	}
	comparison{Name: "ssh login through the verifier", Against: "ssh login with a key in authorized_keys"}.
		measure(b, 100, login(b, ours, id.Key), login(b, plain, alone))
}

func publicKey(id *issuer.Identity) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(id.Certificate.Key)))
}

// login is ssh with a key, and its certificate if one is beside it.
func login(b *testing.B, s *sshd.Server, key string) timed {
	b.Helper()
	client := s.Client(b, key, "")
	return func() time.Duration {
		start := time.Now()
		r := client.SSH(b, "alice", "true")
		took := time.Since(start)
		if r.ExitCode != 0 {
			b.Fatalf("%+v\n%s", r, s.Log())
		}
		return took
	}
}
