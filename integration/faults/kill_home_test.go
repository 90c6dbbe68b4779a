package faults_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"opkssh/integration/endtoend"
)

// rulesAtHome is a user with rules of her own: root, whose home is a folder of this test in a mount namespace, as is /etc.
type rulesAtHome struct{ etc, home string }

func (r *rulesAtHome) file() string { return filepath.Join(r.home, ".opk", "auth_id") }

func (r *rulesAtHome) write(t *testing.T, text string) {
	t.Helper()
	check(t, os.RemoveAll(filepath.Dir(r.file())))
	if text == "" {
		return
	}
	check(t, os.Mkdir(filepath.Dir(r.file()), 0o700))
	check(t, os.WriteFile(r.file(), []byte(text), 0o600))
}

func (r *rulesAtHome) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	const script = `mount --bind "$1" /etc && mount --bind "$2" /root && shift 2 && exec "$@"`
	line := []string{"--mount", "--propagation", "private", "sh", "-c", script, "sh", r.etc, r.home, endtoend.Verifier(t)}
	return exec.Command("unshare", append(line, args...)...)
}

// TestHomeRulesKilled: the rules in a home are those of before or those of after, whole and for their user alone, and the next edit
// goes through.
func TestHomeRulesKilled(t *testing.T) {
	const issuer = "https://op.example.com"
	r := &rulesAtHome{t.TempDir(), t.TempDir()}
	for name, text := range map[string]string{"passwd": "root:x:0:0:root:/root:/bin/sh\n", "opk/providers": issuer + " client 24h\n"} {
		path := filepath.Join(r.etc, name)
		check(t, os.MkdirAll(filepath.Dir(path), 0o755))
		check(t, os.WriteFile(path, []byte(text), 0o644))
	}
	for name, old := range map[string]string{"none": "", "some": "# mine\nroot bob@example.com " + issuer + " no-pty\n"} {
		for _, args := range [][]string{
			{"add", "--home", "root", "alice@example.com", issuer}, {"remove", "--home", "root", "bob@example.com", issuer},
		} {
			if args[0] == "remove" && old == "" {
				continue
			}
			t.Run(args[0]+" where there are "+name, func(t *testing.T) {
				r.write(t, old)
				if a := run(t, r.command(t, args...)); a.code != 0 {
					t.Fatalf("exit code %d\n%s", a.code, a.stderr)
				}
				edited, err := os.ReadFile(r.file())
				check(t, err)
				killAtEachWrite(t, endtoend.Verifier(t), func() *exec.Cmd {
					r.write(t, old)
					return r.command(t, args...)
				}, func(string) {
					now, err := os.ReadFile(r.file())
					if err != nil && (old != "" || !os.IsNotExist(err)) || string(now) != old && string(now) != string(edited) {
						t.Errorf("expected the old rules or the new ones, got %q, %v", now, err)
					}
					if info, err := os.Stat(r.file()); err == nil && info.Mode() != 0o600 {
						t.Errorf("expected mode 0600, got %v", info.Mode())
					}
					if a := run(t, r.command(t, args...)); a.code != 0 && args[0] == "add" {
						t.Errorf("the next edit: exit code %d\n%s", a.code, a.stderr)
					}
					if after, err := os.ReadFile(r.file()); err != nil || string(after) != string(edited) {
						t.Errorf("expected %q, got %q, %v", edited, after, err)
					}
				})
			})
		}
	}
}
