//go:build unix

package hostfiles

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOwnedProgram(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(t *testing.T, dir string) (path string)
		owners  owners
		want    string // the detail of a Fault, "" for dir/p
	}{
		{"a program", func(t *testing.T, dir string) string { return write(t, dir+"/p", "x", 0o755) }, me(), ""},
		{"not readable", func(t *testing.T, dir string) string { return write(t, dir+"/p", "x", 0o111) }, me(), ""},
		{"a link", func(t *testing.T, dir string) string { return symlink(t, write(t, dir+"/p", "x", 0o755), dir+"/l") }, me(), ""},
		{"a link to a folder above", func(t *testing.T, dir string) string {
			write(t, dir+"/p", "x", 0o755)
			return symlink(t, dir, dir+"/l") + "/p"
		}, me(), ""},
		{"not executable", func(t *testing.T, dir string) string { return write(t, dir+"/p", "x", 0o644) }, me(), "mode"},
		{"writable by the group", func(t *testing.T, dir string) string { return write(t, dir+"/p", "x", 0o775) }, me(), "mode"},
		{"writable by others", func(t *testing.T, dir string) string { return write(t, dir+"/p", "x", 0o757) }, me(), "mode"},
		{"folder writable by others", func(t *testing.T, dir string) string {
			path := write(t, dir+"/d/p", "x", 0o755)
			chmod(t, dir+"/d", 0o757)
			return path
		}, me(), "mode"},
		{"directly in a sticky folder", func(t *testing.T, dir string) string {
			path := write(t, dir+"/d/p", "x", 0o755)
			chmod(t, dir+"/d", 0o777|os.ModeSticky)
			return path
		}, me(), "mode"},
		{"a link into a loose folder", func(t *testing.T, dir string) string {
			path := write(t, dir+"/d/p", "x", 0o755)
			chmod(t, dir+"/d", 0o777)
			return symlink(t, path, dir+"/l")
		}, me(), "mode"},
		{"somebody else's", func(t *testing.T, dir string) string {
			path := write(t, dir+"/p", "x", 0o755)
			strangers(t, path)
			return path
		}, nil, "owner"},
		{"somebody else's link", func(t *testing.T, dir string) string {
			write(t, dir+"/p", "x", 0o755)
			link := symlink(t, "p", dir+"/l")
			strangers(t, link)
			return link
		}, nil, "owner"},
		{"a folder", func(t *testing.T, dir string) string { write(t, dir+"/d/p", "x", 0o755); return dir + "/d" }, me(), "kind of file"},
		{"a FIFO", func(t *testing.T, dir string) string {
			if err := unix.Mkfifo(dir+"/f", 0o700); err != nil {
				t.Fatal(err)
			}
			return dir + "/f"
		}, me(), "kind of file"},
		{"a relative path", func(*testing.T, string) string { return "p" }, me(), "path"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := folder(t)
			got, err := ownedProgram("", test.prepare(t, dir), test.owners)
			var fault *Fault
			switch {
			case test.want == "" && (err != nil || got != dir+"/p"):
				t.Fatalf("expected %s, got %q, %v", dir+"/p", got, err)
			case test.want != "" && (got != "" || !errors.As(err, &fault) || fault.Detail != test.want):
				t.Fatalf("expected a fault in %s, got %q, %v", test.want, got, err)
			}
		})
	}
	if _, err := ownedProgram("", folder(t)+"/p", me()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("expected that it does not exist, got %v", err)
	}
	// verifier permissions fix, which the hint for a file of the host names, does not mend a program.
	var fault *Fault
	if _, err := ownedProgram("", write(t, folder(t)+"/p", "x", 0o775), me()); !errors.As(err, &fault) || fault.Hint != copyHint {
		t.Errorf("expected the hint %q, got %+v", copyHint, err)
	}
}

func TestSystemProgram(t *testing.T) {
	path := write(t, folder(t)+"/p", "x", 0o755)
	strangers(t, path)
	var fault *Fault
	if _, err := SystemProgram(path); !errors.As(err, &fault) || fault.Detail != "owner" {
		t.Errorf("expected a fault in owner, got %v", err)
	}
}

// TestSystemProgramIn: in an image, links lead where they will lead when it runs, and what is above the image does not matter.
func TestSystemProgramIn(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("expected to run as root: this is about owners")
	}
	above := folder(t)
	image := above + "/image"
	write(t, image+"/opt/bin/p", "x", 0o755)
	if err := os.MkdirAll(image+"/usr/local", 0o755); err != nil {
		t.Fatal(err)
	}
	symlink(t, "/opt/bin", image+"/usr/local/bin")
	strangers(t, above)
	if got, err := SystemProgramIn(image, "/usr/local/bin/p"); err != nil || got != "/opt/bin/p" {
		t.Errorf("expected /opt/bin/p, got %q, %v", got, err)
	}
	for _, test := range []struct {
		name  string
		spoil func(path string)
		path  string // of the Fault
	}{
		{"a folder", func(path string) { chmod(t, path, 0o775) }, "/opt/bin"},
		{"the image", func(path string) { strangers(t, path) }, "/"},
		{"the program", func(path string) { strangers(t, path) }, "/opt/bin/p"},
	} {
		path := image + test.path
		test.spoil(path)
		var fault *Fault
		if _, err := SystemProgramIn(image, "/usr/local/bin/p"); !errors.As(err, &fault) || fault.Path != test.path {
			t.Errorf("%s: expected a fault of %s, got %v", test.name, test.path, err)
		}
		if err := CheckSystemIn(image, test.path); !errors.As(err, &fault) || fault.Path != test.path {
			t.Errorf("%s alone: expected a fault of %s, got %v", test.name, test.path, err)
		}
		if err := os.Chown(path, 0, 0); err != nil {
			t.Fatal(err)
		}
		chmod(t, path, 0o755)
	}
	for root, path := range map[string]string{image: "/opt/missing", "/": folder(t) + "/missing"} {
		var missing *fs.PathError
		err := CheckSystemIn(root, path)
		if !errors.Is(err, fs.ErrNotExist) || !errors.As(err, &missing) || missing.Path != strings.TrimSuffix(root, "/")+path {
			t.Errorf("%s in %s: expected that it does not exist, got %v", path, root, err)
		}
	}
}
