package verifier_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"opkssh/integration/endtoend"
)

// TestScripts runs testdata: command lines of an administrator, each file about one thing. $ETC stands for /etc/opk.
func TestScripts(t *testing.T) {
	programs := endtoend.Programs(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", programs+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("ETC", filepath.Join(env.WorkDir, "etc"))
			// Whatever the umask of who runs the tests.
			return filepath.WalkDir(env.WorkDir, func(path string, _ fs.DirEntry, err error) error {
				if err != nil {
					return err
				}
				info, err := os.Stat(path)
				if err != nil {
					return err
				}
				return os.Chmod(path, info.Mode()&^0o022)
			})
		},
	})
}

// TestLocksAtOnce: none of the programs that edit config.yml at the same time loses what another one wrote.
func TestLocksAtOnce(t *testing.T) {
	h := newHost(t)
	h.write(t, "config.yml", "# ours\nlog: {to: stderr}\n")
	people := []string{"a@example.com", "b@example.com", "c@example.com", "d@example.com", "e@example.com", "f@example.com"}
	program := endtoend.Verifier(t)
	var wg sync.WaitGroup
	for _, person := range people {
		wg.Go(func() {
			if out, err := exec.Command(program, "lock", "--config-dir", h.config, person).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", person, err, out)
			}
		})
	}
	wg.Wait()
	for _, person := range people {
		id := h.issuer.Login(t, map[string]any{"email": person})
		wantReason(t, h.verify(t, "alice", id.Certificate), "denied-email")
	}
}
