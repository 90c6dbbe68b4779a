package installer_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"opkssh/integration/endtoend"
)

// TestScripts runs testdata: command lines of an administrator who sets up images of systems, which are in the folder img.
func TestScripts(t *testing.T) {
	programs := endtoend.Programs(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", programs+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("PROGRAMS", programs)
			// What every system has. The modes are those of the files, whatever the umask of who runs the tests.
			for _, folder := range []string{"img/var/lib", "img/var/cache", "img/usr/local/bin", "img/etc/ssh"} {
				if err := os.MkdirAll(filepath.Join(env.WorkDir, folder), 0o755); err != nil {
					return err
				}
			}
			return filepath.WalkDir(env.WorkDir, func(path string, d fs.DirEntry, err error) error {
				if err != nil || d.Type()&fs.ModeSymlink != 0 {
					return err
				}
				mode := fs.FileMode(0o644)
				if d.IsDir() {
					mode = 0o755
				}
				return os.Chmod(path, mode)
			})
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"listing": listing},
	})
}

// listing writes what a folder holds, with modes, owners and content, to a file.
func listing(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: listing DIR FILE")
	}
	const script = `cd "$1" && find . -printf '%p %m %U:%G %l\n' | sort && find . -type f | sort | xargs -r sha256sum`
	ts.Check(ts.Exec("sh", "-c", script, "sh", ts.MkAbs(args[0])))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(ts.ReadFile("stdout")), 0o600))
}
