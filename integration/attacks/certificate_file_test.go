package attacks_test

import (
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestCertificateFiles.
//
// Power: an account of the host, and a file of certificates of config.yml's env_vars that was left open to it.
// Move: makes it the attacker's own, who then answers for the provider; or one that takes for ever to read, to stop every login.
// Expected: keys-unavailable, and the honest login gets in as long as keys are held. What root has linked counts: system folders of
// certificates are full of links.
func TestCertificateFiles(t *testing.T) {
	t.Parallel()
	// make gives a host that reaches its provider by a certificate in path alone.
	make := func(t *testing.T, variable string) (h *host, p *hostileProvider, path string) {
		p = startHostile(t, true)
		h = p.host(t)
		folder := filepath.Join(h.config, "certificates")
		path = h.write(t, "certificates/ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.server.Certificate().Raw})))
		value := path
		if variable == "SSL_CERT_DIR" {
			value = folder
			h.write(t, "certificates/README", "our own authority")
			check(t, os.Mkdir(filepath.Join(folder, "old"), 0o755))
			check(t, os.Symlink("nowhere", filepath.Join(folder, "dangling.pem")))
		}
		h.write(t, "config.yml", logToStderr+fmt.Sprintf("key_cache: {max_stale: 720h}\nenv_vars: {%s: %q}\n", variable, value))
		return h, p, path
	}
	for _, variable := range []string{"SSL_CERT_FILE", "SSL_CERT_DIR"} {
		faults := map[string]func(t *testing.T, path string){
			"folder writable by others":     func(t *testing.T, path string) { check(t, os.Chmod(filepath.Dir(path), 0o777)) },
			"folder that cannot be entered": func(t *testing.T, path string) { check(t, os.Chmod(filepath.Dir(path), 0o744)) },
			"folder of somebody else":       func(t *testing.T, path string) { check(t, os.Chown(filepath.Dir(path), stranger, 0)) },
			"closed":                        func(t *testing.T, path string) { check(t, os.Chmod(path, 0o600)) },
			"behind a closed folder": func(t *testing.T, path string) {
				folder := filepath.Join(openFolder(t), "closed")
				check(t, os.Mkdir(folder, 0o700))
				check(t, os.Rename(path, folder+"/ca.pem"))
				check(t, os.Symlink(folder+"/ca.pem", path))
			},
			"missing":        func(t *testing.T, path string) { check(t, os.Remove(path)) },
			"no certificate": func(t *testing.T, path string) { check(t, os.WriteFile(path, []byte("none"), 0o644)) },
			"5 MiB": func(t *testing.T, path string) {
				data, err := os.ReadFile(path)
				check(t, err)
				check(t, os.WriteFile(path, append(data, strings.Repeat(strings.Repeat("#", 63)+"\n", 5<<20/64)...), 0o644))
			},
		}
		for name, spoil := range fileFaults {
			faults[name] = spoil
		}
		// Of these, what is left out of a folder is told of, with what to do.
		told := map[string]bool{"writable by others": true, "somebody else's": true, "closed": true, "behind a closed folder": true}
		t.Run(variable, func(t *testing.T) {
			for name, spoil := range map[string]func(t *testing.T, path string){
				"as made": func(*testing.T, string) {},
				"beside a file that is closed": func(t *testing.T, path string) {
					closed := filepath.Join(filepath.Dir(path), "closed.pem")
					check(t, os.WriteFile(closed, []byte("closed"), 0o600))
				},
				"a link":        func(t *testing.T, path string) { link(t, path) },
				"links of root": func(t *testing.T, path string) { link(t, path); link(t, path); link(t, path) },
			} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					h, p, path := make(t, variable)
					spoil(t, path)
					h.attack(t, forge(t, p.Issuer).offer(), allowed)
				})
			}
			for name, spoil := range faults {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					h, p, path := make(t, variable)
					o := forge(t, p.Issuer).offer()
					spoil(t, path)
					a := h.attack(t, o, "keys-unavailable")
					if said := a.log["file left out"]; variable == "SSL_CERT_DIR" && told[name] && (len(said) != 1 || said[0]["hint"] == nil) {
						t.Errorf("expected that the log names the file and says what to do, got\n%s", a.stderr)
					}
					// With keys that are held, and old.
					held, p, path := make(t, variable)
					o = forge(t, p.Issuer).offer()
					held.attack(t, o, allowed)
					held.age(t, 2*time.Hour)
					spoil(t, path)
					before := p.requests.Load()
					a = held.attack(t, o, allowed)
					if n := len(a.log["provider keys not refreshed, the held ones serve"]); n != 1 || p.requests.Load() != before {
						t.Errorf("expected that nobody is asked and that the log says so, got %d requests and\n%s", p.requests.Load()-before, a.stderr)
					}
				})
			}
		})
	}
	t.Run("many that are closed", func(t *testing.T) {
		t.Parallel()
		h, p, path := make(t, "SSL_CERT_DIR")
		for i := range 30 {
			check(t, os.WriteFile(fmt.Sprintf("%s.%d", path, i), []byte("closed"), 0o600))
		}
		a := h.attack(t, forge(t, p.Issuer).offer(), allowed)
		for _, more := range a.log["more files left out"] {
			if more["number"] != 10.0 || more["file"] != filepath.Dir(path) {
				t.Errorf("expected ten more in the folder, got %v", more)
			}
		}
		if lines, ends := len(a.log["file left out"]), len(a.log["more files left out"]); ends == 0 || lines != 20*ends {
			t.Errorf("expected 20 lines and one about the others, got %d and %d", lines, ends)
		}
	})
}
