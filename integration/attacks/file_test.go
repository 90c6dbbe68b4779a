package attacks_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"opkssh/integration/issuer"
	"opkssh/pkg/pktoken/pktokentest"
)

// stranger is a user ID that is not root's.
const stranger = 12345

// fileFaults are what somebody else could have made of a file of root's. What the file says stays as it was.
var fileFaults = map[string]func(t *testing.T, path string){
	"somebody else's":       func(t *testing.T, path string) { check(t, os.Chown(path, stranger, 0)) },
	"writable by the group": func(t *testing.T, path string) { check(t, os.Chmod(path, 0o664)) },
	"writable by others":    func(t *testing.T, path string) { check(t, os.Chmod(path, 0o646)) },
	"somebody else's link": func(t *testing.T, path string) {
		link(t, path)
		check(t, os.Lchown(path, stranger, 0))
	},
	"link to somebody else's": func(t *testing.T, path string) {
		check(t, os.Chown(link(t, path), stranger, 0))
	},
	"link into somebody else's folder": func(t *testing.T, path string) {
		folder := filepath.Join(openFolder(t), "folder")
		check(t, os.Mkdir(folder, 0o755))
		check(t, os.Rename(path, filepath.Join(folder, "file")))
		check(t, os.Symlink(filepath.Join(folder, "file"), path))
		check(t, os.Chown(folder, stranger, 0))
	},
	"dangling link": func(t *testing.T, path string) { check(t, os.Remove(link(t, path))) },
	"link to itself": func(t *testing.T, path string) {
		check(t, os.Remove(path))
		check(t, os.Symlink(path, path))
	},
	"FIFO": func(t *testing.T, path string) {
		check(t, os.Remove(path))
		check(t, syscall.Mkfifo(path, 0o644))
	},
	"link to a FIFO": func(t *testing.T, path string) {
		to := link(t, path)
		check(t, os.Remove(to))
		check(t, syscall.Mkfifo(to, 0o644))
	},
	"endless device": func(t *testing.T, path string) {
		check(t, os.Remove(path))
		check(t, os.Symlink("/dev/zero", path))
	},
	"folder": func(t *testing.T, path string) {
		check(t, os.Remove(path))
		check(t, os.Mkdir(path, 0o755))
	},
	"1 TB": func(t *testing.T, path string) { check(t, os.Truncate(path, 1<<40)) },
}

// link puts a symbolic link in a file's place, and gives the place where the file is now.
func link(t *testing.T, path string) string {
	t.Helper()
	to := filepath.Join(openFolder(t), "file")
	check(t, os.Rename(path, to))
	check(t, os.Symlink(to, path))
	return to
}

// hostFiles are the files that a login can rest on, and how it ends where one of them is not to be trusted.
var hostFiles = []struct{ name, want string }{
	{"providers", "unknown-issuer"},
	{"providers.d/x.conf", "unknown-issuer"},
	{"auth_id", "rule-untrusted"},
	{"auth_id.d/x.conf", "rule-untrusted"},
	{"config.yml", "configuration"},
	{"policy.d/p.yml", "no-rule"},
	{"programs/p", "no-rule"},
}

// restOn makes the login rest on a file: moves the rows of providers or auth_id there, or has a plugin in the place of auth_id.
func (h *host) restOn(t *testing.T, name string) (path string) {
	t.Helper()
	switch main, _, _ := strings.Cut(name, ".d/"); main {
	case "providers", "auth_id":
		rows, err := os.ReadFile(filepath.Join(h.config, main))
		check(t, err)
		h.write(t, main, "")
		h.write(t, name, string(rows))
	case "policy", "programs/p":
		h.write(t, "auth_id", "")
		h.plugin(t, "p", "allow", "echo allow")
	}
	return filepath.Join(h.config, name)
}

// TestFiles.
//
// Power: an account of the host, and a file that was left open to it.
// Move: makes a file of the configuration the attacker's own, or one that takes for ever to read.
// Expected: as if the file were not there: unknown-issuer, no-rule; rule-untrusted for rules, of which one behind may not take the
// first one's place (TestRuleThatComesFirst), but for a folder, which holds none; configuration for config.yml, which may hold a deny list.
func TestFiles(t *testing.T) {
	t.Parallel()
	op := issuer.Start(t)
	providers, rules := op.URL+" "+pktokentest.ClientID+" 24h\n", "alice alice@example.com "+op.URL+"\n"
	for _, test := range hostFiles {
		// make gives a host on which the login rests on this file.
		make := func(t *testing.T) (h *host, path string) {
			h = newHost(t, providers, rules)
			return h, h.restOn(t, test.name)
		}
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := forge(t, op.Issuer).offer()
			h, _ := make(t)
			h.attack(t, o, allowed)
			for name, spoil := range fileFaults {
				t.Run(name, func(t *testing.T) {
					h, path := make(t)
					spoil(t, path)
					want := test.want
					if want == "rule-untrusted" && name == "folder" {
						want = "no-rule"
					}
					h.attack(t, o, want, "-v")
				})
			}
			if folder := filepath.Dir(test.name); folder != "." {
				t.Run("in a folder that others can write to", func(t *testing.T) {
					h, path := make(t)
					check(t, os.Chmod(filepath.Dir(path), 0o777))
					h.attack(t, o, test.want)
				})
				t.Run("in somebody else's folder", func(t *testing.T) {
					h, path := make(t)
					check(t, os.Chown(filepath.Dir(path), stranger, 0))
					h.attack(t, o, test.want)
				})
			}
		})
	}
	t.Run("the folder of all", func(t *testing.T) {
		for name, spoil := range map[string]func(path string) error{
			"somebody else's":    func(path string) error { return os.Chown(path, stranger, 0) },
			"writable by others": func(path string) error { return os.Chmod(path, 0o777) },
			"somebody else's link": func(path string) error {
				check(t, os.Rename(path, path+"-2"))
				check(t, os.Symlink(path+"-2", path))
				return os.Lchown(path, stranger, 0)
			},
		} {
			t.Run(name, func(t *testing.T) {
				h := newHost(t, providers, rules)
				check(t, spoil(h.config))
				h.attack(t, forge(t, op.Issuer).offer(), "configuration", "-v")
			})
		}
	})
}

// poison puts the stranger's key into the place of the provider's in the file of its held keys.
func (h *host) poison(t *testing.T, op *issuer.Issuer) (file string) {
	t.Helper()
	file = h.heldKeys(t)
	data, err := os.ReadFile(file)
	check(t, err)
	honest, _ := op.JWK(t)["n"].(string)
	forged, _ := pktokentest.PublicJWK(t, strangerKey().Public())["n"].(string)
	changed := bytes.ReplaceAll(data, []byte(honest), []byte(forged))
	if bytes.Equal(changed, data) {
		t.Fatal("expected the provider's key in the cache")
	}
	check(t, os.WriteFile(file, changed, 0o600))
	return file
}

// forgeWithOwnKey is a login that the stranger has signed in the provider's place.
func forgeWithOwnKey(t *testing.T, op *pktokentest.Issuer) *offer {
	t.Helper()
	f := forge(t, op)
	f.opSignature = func(signed string) []byte { return pktokentest.Signature(t, strangerKey(), "RS256", []byte(signed)) }
	return f.offer()
}

// TestCache.
//
// Power: an account of the host, and a cache that was left open to it.
// Move: puts a key of the attacker's into the provider's held keys, and signs with it; or stops every login by a file that blocks.
// Expected: provider-signature, for the keys come from the provider then; and the honest login gets in.
func TestCache(t *testing.T) {
	t.Parallel()
	poison := func(t *testing.T) (h *host, op *issuer.Issuer, file string) {
		h, op = newIssuerHost(t)
		h.attack(t, forge(t, op.Issuer).offer(), allowed)
		return h, op, h.poison(t, op)
	}
	t.Run("the command user's own", func(t *testing.T) {
		// Who can write here can let anybody in: the other rows are about those who must not.
		h, op, _ := poison(t)
		h.attack(t, forgeWithOwnKey(t, op.Issuer), allowed)
	})
	faults := map[string]func(t *testing.T, folder, file string){
		"folder of somebody else":   func(t *testing.T, folder, _ string) { check(t, os.Chown(folder, stranger, 0)) },
		"folder writable by others": func(t *testing.T, folder, _ string) { check(t, os.Chmod(folder, 0o777)) },
		"folder a link of somebody else": func(t *testing.T, folder, _ string) {
			check(t, os.Rename(folder, folder+"-2"))
			check(t, os.Symlink(folder+"-2", folder))
			check(t, os.Lchown(folder, stranger, 0))
		},
		"folder a FIFO": func(t *testing.T, folder, _ string) {
			check(t, os.RemoveAll(folder))
			check(t, syscall.Mkfifo(folder, 0o600))
		},
		"half written": func(t *testing.T, _, file string) { check(t, os.Truncate(file, 100)) },
	}
	for name, spoil := range fileFaults {
		faults[name] = func(t *testing.T, _, file string) { spoil(t, file) }
	}
	for name, spoil := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, op, file := poison(t)
			spoil(t, h.cache, file)
			h.attack(t, forgeWithOwnKey(t, op.Issuer), "provider-signature")
			h.attack(t, forge(t, op.Issuer).offer(), allowed)
		})
	}
	t.Run("locks", func(t *testing.T) {
		h, op, file := poison(t)
		entries, err := os.ReadDir(h.cache)
		check(t, err)
		for _, e := range entries {
			path := filepath.Join(h.cache, e.Name())
			check(t, os.Remove(path))
			if path != file {
				check(t, syscall.Mkfifo(path, 0o600))
				check(t, os.Chown(path, commandUser, commandUser))
			}
		}
		h.attack(t, forgeWithOwnKey(t, op.Issuer), "provider-signature")
		h.attack(t, forge(t, op.Issuer).offer(), allowed)
	})
}
