package userkeys_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"opkssh/internal/userkeys"
	"opkssh/pkg/pktoken/pktokentest"
	"opkssh/pkg/sshcert"
)

// credential is a fresh key and a certificate for it.
func credential(t *testing.T, kind userkeys.KeyType) (crypto.Signer, *ssh.Certificate) {
	t.Helper()
	key, err := userkeys.Generate(kind)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	token := pktokentest.NewIssuer(t, "https://op.example.com", "ES256").Token(t, key, map[string]any{"email": "alice@example.com"})
	cert, err := sshcert.New(rand.Reader, signer, token, sshcert.Template{})
	if err != nil {
		t.Fatal(err)
	}
	return key, cert
}

// login writes a fresh pair.
func login(t *testing.T, pair userkeys.Pair) {
	t.Helper()
	key, cert := credential(t, userkeys.ECDSA)
	if err := pair.Write(key, cert); err != nil {
		t.Fatal(err)
	}
}

// ownKey is a private key file that a person made.
func ownKey(t *testing.T, passphrase string) []byte {
	t.Helper()
	key, err := userkeys.Generate(userkeys.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	return privateKeyFile(t, key, passphrase)
}

func privateKeyFile(t *testing.T, key crypto.Signer, passphrase string) []byte {
	t.Helper()
	var block *pem.Block
	var err error
	if passphrase == "" {
		block, err = ssh.MarshalPrivateKey(key, "alice@laptop")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "alice@laptop", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(block)
}

func publicKeyFile(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return ssh.MarshalAuthorizedKey(public)
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func names(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	list := []string{}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func TestParseKeyType(t *testing.T) {
	for name, ok := range map[string]bool{"ecdsa": true, "ed25519": true, "": false, "rsa": false, "ECDSA": false} {
		if _, err := userkeys.ParseKeyType(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := userkeys.Generate("rsa"); err == nil {
		t.Error("made a key of an unknown type")
	}
}

func TestWriteMakesFilesThatSSHReads(t *testing.T) {
	for _, kind := range []userkeys.KeyType{userkeys.ECDSA, userkeys.Ed25519} {
		t.Run(string(kind), func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), ".ssh")
			pair := userkeys.At(filepath.Join(folder, "id"))
			key, cert := credential(t, kind)
			if err := pair.Write(key, cert); err != nil {
				t.Fatal(err)
			}
			if got, want := names(t, folder), []string{"id", "id-cert.pub"}; !slices.Equal(got, want) {
				t.Errorf("files: expected %q, got %q", want, got)
			}
			if runtime.GOOS != "windows" {
				for name, mode := range map[string]os.FileMode{folder: 0o700, pair.Key: 0o600, pair.Certificate: 0o644} {
					info, err := os.Stat(name)
					if err != nil {
						t.Fatal(err)
					}
					if info.Mode().Perm() != mode {
						t.Errorf("%s: expected mode %v, got %v", name, mode, info.Mode().Perm())
					}
				}
			}
			if line := string(read(t, pair.Certificate)); !strings.HasSuffix(line, " openpubkey\n") {
				t.Errorf("certificate file without its mark: %q", line)
			}
			if !bytes.HasPrefix(read(t, pair.Key), []byte("-----BEGIN OPENSSH PRIVATE KEY-----\n")) {
				t.Error("not the OpenSSH format")
			}
			public, err := exec.Command("ssh-keygen", "-y", "-f", pair.Key).Output()
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.HasPrefix(public, bytes.TrimSpace(publicKeyFile(t, key))) {
				t.Errorf("ssh-keygen reads another key: %s", public)
			}
			if out, err := exec.Command("ssh-keygen", "-L", "-f", pair.Certificate).CombinedOutput(); err != nil {
				t.Errorf("ssh-keygen -L: %v: %s", err, out)
			}
		})
	}
}

func TestWriteRefusesACertificateForAnotherKey(t *testing.T) {
	pair := userkeys.At(filepath.Join(t.TempDir(), "id"))
	key, _ := credential(t, userkeys.ECDSA)
	_, cert := credential(t, userkeys.ECDSA)
	if err := pair.Write(key, cert); err == nil {
		t.Error("wrote a key and another key's certificate")
	}
}

// TestWhose covers every state that the names of a pair can be in, for writing over it and for removing it.
func TestWhose(t *testing.T) {
	foreignMark := func(t *testing.T, p userkeys.Pair, comment string) {
		login(t, p)
		line, _, _ := bytes.Cut(read(t, p.Certificate), []byte(" openpubkey"))
		write(t, p.Certificate, append(append(line, comment...), '\n'))
	}
	cases := map[string]struct {
		prepare func(t *testing.T, p userkeys.Pair)
		foreign string // the file that the refusal names, "" if the pair is ours or nothing is there
		removes int
	}{
		"nothing":              {prepare: func(*testing.T, userkeys.Pair) {}},
		"a pair of ours":       {prepare: login, removes: 2},
		"the longer mark":      {prepare: func(t *testing.T, p userkeys.Pair) { foreignMark(t, p, "  openpubkey: alice") }, removes: 2},
		"another mark":         {prepare: func(t *testing.T, p userkeys.Pair) { foreignMark(t, p, " alice@laptop") }, foreign: "id-cert.pub"},
		"no mark":              {prepare: func(t *testing.T, p userkeys.Pair) { foreignMark(t, p, "") }, foreign: "id-cert.pub"},
		"nearly the mark":      {prepare: func(t *testing.T, p userkeys.Pair) { foreignMark(t, p, " openpubkeys") }, foreign: "id-cert.pub"},
		"somebody's own key":   {prepare: func(t *testing.T, p userkeys.Pair) { write(t, p.Key, ownKey(t, "")) }, foreign: "id"},
		"an own key, in place": {prepare: func(t *testing.T, p userkeys.Pair) { login(t, p); write(t, p.Key, ownKey(t, "")) }, foreign: "id"},
		"an own key with passphrase, in place": {
			prepare: func(t *testing.T, p userkeys.Pair) { login(t, p); write(t, p.Key, ownKey(t, "secret")) }, foreign: "id",
		},
		"our key, given a passphrase": {
			prepare: func(t *testing.T, p userkeys.Pair) {
				key, cert := credential(t, userkeys.ECDSA)
				if err := p.Write(key, cert); err != nil {
					t.Fatal(err)
				}
				write(t, p.Key, privateKeyFile(t, key, "secret"))
			},
			removes: 2,
		},
		"garbage in place of the key": {prepare: func(t *testing.T, p userkeys.Pair) { login(t, p); write(t, p.Key, []byte("?")) }, foreign: "id"},
		"garbage in place of the certificate": {
			prepare: func(t *testing.T, p userkeys.Pair) { login(t, p); write(t, p.Certificate, []byte("?")) }, foreign: "id-cert.pub",
		},
		"two lines in the certificate file": {
			prepare: func(t *testing.T, p userkeys.Pair) {
				login(t, p)
				line := read(t, p.Certificate)
				write(t, p.Certificate, append(line, line...))
			},
			foreign: "id-cert.pub",
		},
		"a certificate from a CA": {
			prepare: func(t *testing.T, p userkeys.Pair) {
				key, cert := credential(t, userkeys.ECDSA)
				if err := p.Write(key, cert); err != nil {
					t.Fatal(err)
				}
				delete(cert.Extensions, sshcert.ExtensionPKToken)
				signer, err := ssh.NewSignerFromKey(key)
				if err != nil {
					t.Fatal(err)
				}
				if err := cert.SignCert(rand.Reader, signer); err != nil {
					t.Fatal(err)
				}
				write(t, p.Certificate, sshcert.MarshalLine(cert, sshcert.Comment))
			},
			foreign: "id-cert.pub",
		},
		"our certificate alone, as after a crash": {
			prepare: func(t *testing.T, p userkeys.Pair) {
				login(t, p)
				if err := os.Remove(p.Key); err != nil {
					t.Fatal(err)
				}
			},
			removes: 1,
		},
		"what a crash leaves beside a pair": {
			prepare: func(t *testing.T, p userkeys.Pair) {
				login(t, p)
				write(t, p.Key+".opkssh-new", []byte("half"))
				write(t, p.Certificate+".opkssh-new", []byte("half"))
			},
			removes: 4,
		},
		"a public key alone": {
			prepare: func(t *testing.T, p userkeys.Pair) {
				key, _ := credential(t, userkeys.ECDSA)
				write(t, p.Key+".pub", publicKeyFile(t, key))
			},
			foreign: "id.pub",
		},
		"a public key beside our certificate alone": {
			prepare: func(t *testing.T, p userkeys.Pair) {
				login(t, p)
				key, _ := credential(t, userkeys.ECDSA)
				write(t, p.Key+".pub", publicKeyFile(t, key))
				if err := os.Remove(p.Key); err != nil {
					t.Fatal(err)
				}
			},
			foreign: "id.pub",
		},
		"our public key beside our pair": {
			prepare: func(t *testing.T, p userkeys.Pair) {
				key, cert := credential(t, userkeys.ECDSA)
				if err := p.Write(key, cert); err != nil {
					t.Fatal(err)
				}
				write(t, p.Key+".pub", publicKeyFile(t, key))
			},
			removes: 2,
		},
		"a folder in place of the key": {
			prepare: func(t *testing.T, p userkeys.Pair) {
				if err := os.Mkdir(p.Key, 0o700); err != nil {
					t.Fatal(err)
				}
			},
			foreign: "id",
		},
		"a very large certificate file": {
			prepare: func(t *testing.T, p userkeys.Pair) {
				login(t, p)
				write(t, p.Certificate, append(read(t, p.Certificate), bytes.Repeat([]byte("\n"), 1<<20)...))
			},
			foreign: "id-cert.pub",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			pair := userkeys.At(filepath.Join(folder, "id"))
			c.prepare(t, pair)
			before := contents(t, folder)

			err := pair.Available()
			checkForeign(t, "Available", err, c.foreign)
			key, cert := credential(t, userkeys.ECDSA)
			if c.foreign != "" {
				checkForeign(t, "Write", pair.Write(key, cert), c.foreign)
			}
			removed, err := pair.Remove()
			checkForeign(t, "Remove", err, c.foreign)
			if len(removed) != c.removes {
				t.Errorf("Remove: expected %d files, got %q", c.removes, removed)
			}
			if c.foreign != "" {
				if after := contents(t, folder); after != before {
					t.Errorf("a refusal changed files:\n%s\nto\n%s", before, after)
				}
				return
			}
			c2 := userkeys.At(filepath.Join(t.TempDir(), "id"))
			c.prepare(t, c2)
			if err := c2.Write(key, cert); err != nil {
				t.Fatalf("Write: %v", err)
			}
			if left, _ := filepath.Glob(filepath.Join(filepath.Dir(c2.Key), "*.opkssh-new")); len(left) > 0 {
				t.Errorf("Write left %q", left)
			}
			if err := c2.Available(); err != nil {
				t.Errorf("not recognised after Write: %v", err)
			}
			if line := read(t, c2.Certificate); !bytes.Equal(line, sshcert.MarshalLine(cert, sshcert.Comment)) {
				t.Error("Write left another certificate")
			}
		})
	}
}

func checkForeign(t *testing.T, what string, err error, file string) {
	t.Helper()
	var foreign *userkeys.ForeignError
	switch {
	case file == "" && err != nil:
		t.Errorf("%s: %v", what, err)
	case file != "" && (!errors.As(err, &foreign) || filepath.Base(foreign.File) != file):
		t.Errorf("%s: expected a ForeignError for %s, got %v", what, file, err)
	}
}

// contents is a folder as text, to see whether anything changed.
func contents(t *testing.T, folder string) string {
	t.Helper()
	var b strings.Builder
	for _, name := range names(t, folder) {
		info, err := os.Lstat(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(name + " " + info.Mode().String())
		if info.Mode().IsRegular() {
			b.Write(read(t, filepath.Join(folder, name)))
		}
	}
	return b.String()
}

func TestSymbolicLinksAreLeftAlone(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // links need a privilege there
	}
	for _, linked := range []string{"id", "id-cert.pub"} {
		t.Run(linked, func(t *testing.T) {
			folder, elsewhere := t.TempDir(), t.TempDir()
			pair := userkeys.At(filepath.Join(folder, "id"))
			login(t, pair)
			target := filepath.Join(elsewhere, linked)
			if err := os.Rename(filepath.Join(folder, linked), target); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(target, filepath.Join(folder, linked)); err != nil {
				t.Fatal(err)
			}
			before := read(t, target)
			key, cert := credential(t, userkeys.ECDSA)
			checkForeign(t, "Write", pair.Write(key, cert), linked)
			_, err := pair.Remove()
			checkForeign(t, "Remove", err, linked)
			if !bytes.Equal(read(t, target), before) {
				t.Error("changed a file through a link")
			}
		})
	}
}

func TestAFolderThatIsALinkIsUsed(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // links need a privilege there
	}
	folder := filepath.Join(t.TempDir(), ".ssh")
	if err := os.Symlink(t.TempDir(), folder); err != nil {
		t.Fatal(err)
	}
	login(t, userkeys.At(filepath.Join(folder, "id")))
}

func TestWriteMakesOneFolderOnly(t *testing.T) {
	pair := userkeys.At(filepath.Join(t.TempDir(), "mistyped", "folder", "id"))
	key, cert := credential(t, userkeys.ECDSA)
	if err := pair.Write(key, cert); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("expected that a folder is missing, got %v", err)
	}
}

func TestRemoveWithoutAFolder(t *testing.T) {
	removed, err := userkeys.At(filepath.Join(t.TempDir(), "none", "id")).Remove()
	if err != nil || len(removed) > 0 {
		t.Errorf("got %q, %v", removed, err)
	}
}

func TestWritersAtTheSameTimeLeaveAWholePair(t *testing.T) {
	pair := userkeys.At(filepath.Join(t.TempDir(), "id"))
	var group sync.WaitGroup
	for range 8 {
		key, cert := credential(t, userkeys.Ed25519)
		group.Go(func() {
			if err := pair.Write(key, cert); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if removed, err := pair.Remove(); err != nil || len(removed) != 2 {
		t.Errorf("got %q, %v", removed, err)
	}
}

func TestChoose(t *testing.T) {
	cases := map[string]struct {
		own, ours []string
		kind      userkeys.KeyType
		want      string // "" means taken
	}{
		"empty":                 {kind: userkeys.ECDSA, want: "id_ecdsa"},
		"empty, ed25519":        {kind: userkeys.Ed25519, want: "id_ed25519"},
		"ours":                  {kind: userkeys.ECDSA, ours: []string{"id_ecdsa"}, want: "id_ecdsa"},
		"own":                   {kind: userkeys.ECDSA, own: []string{"id_ecdsa"}, want: "id_ecdsa_sk"},
		"own, ed25519":          {kind: userkeys.Ed25519, own: []string{"id_ed25519"}, want: "id_ed25519_sk"},
		"own of the other type": {kind: userkeys.ECDSA, own: []string{"id_ed25519"}, want: "id_ecdsa"},
		"own, then ours":        {kind: userkeys.ECDSA, own: []string{"id_ecdsa"}, ours: []string{"id_ecdsa_sk"}, want: "id_ecdsa_sk"},
		"own, twice":            {kind: userkeys.ECDSA, own: []string{"id_ecdsa", "id_ecdsa_sk"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			for _, name := range c.own {
				write(t, filepath.Join(folder, name), ownKey(t, ""))
			}
			for _, name := range c.ours {
				login(t, userkeys.At(filepath.Join(folder, name)))
			}
			pair, err := userkeys.Choose(folder, c.kind)
			if c.want == "" {
				var taken *userkeys.TakenError
				if !errors.As(err, &taken) || len(taken.Foreign) != 2 {
					t.Fatalf("expected a TakenError with two files, got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if filepath.Base(pair.Key) != c.want {
				t.Errorf("expected %s, got %s", c.want, pair.Key)
			}
		})
	}
}

func TestFind(t *testing.T) {
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "opkssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	ours := []string{"id_ecdsa_sk", "id_ed25519", "opkssh/op.example.com-opkssh"}
	for _, name := range ours {
		login(t, userkeys.At(filepath.Join(folder, name)))
	}
	login(t, userkeys.At(filepath.Join(folder, "special"))) // written with -i: not searched for
	write(t, filepath.Join(folder, "id_ecdsa"), ownKey(t, ""))
	write(t, filepath.Join(folder, "opkssh", "other-cert.pub"), []byte("?"))
	found, err := userkeys.Find(folder)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{}
	for _, pair := range found {
		name, err := filepath.Rel(folder, pair.Key)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, filepath.ToSlash(name))
	}
	if !slices.Equal(got, ours) {
		t.Errorf("expected %q, got %q", ours, got)
	}
	if found, err := userkeys.Find(filepath.Join(folder, "none")); err != nil || len(found) > 0 {
		t.Errorf("without a folder: %v, %v", found, err)
	}
	if err := os.RemoveAll(filepath.Join(folder, "opkssh")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(folder, "opkssh"), nil)
	if found, err := userkeys.Find(folder); err == nil || len(found) != 2 {
		t.Errorf("expected the two in %s and an error about the other folder, got %v, %v", folder, found, err)
	}
}
