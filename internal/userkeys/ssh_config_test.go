package userkeys_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"opkssh/internal/userkeys"
)

const include = "Include ~/.ssh/opkssh/config\n"

func TestConfigureKeepsThePersonsConfig(t *testing.T) {
	cases := map[string]struct{ before, after string }{
		"none":                     {"", include},
		"somebody's own":           {"# mine\nHost a\n\tUser alice\n", include + "# mine\nHost a\n\tUser alice\n"},
		"no line end":              {"Host a", include + "Host a"},
		"Windows line ends":        {"Host a\r\nUser b\r\n", "Include ~/.ssh/opkssh/config\r\nHost a\r\nUser b\r\n"},
		"bytes that are no text":   {"# \xff\x00\nHost a\n", include + "# \xff\x00\nHost a\n"},
		"there":                    {include + "Host a\n", include + "Host a\n"},
		"there, not on top":        {"# mine\nUser a\n" + include + "Host a\n", "# mine\nUser a\n" + include + "Host a\n"},
		"there, written otherwise": {"  include=\"opkssh/config\" other\n", "  include=\"opkssh/config\" other\n"},
		"there for one host":       {"Host a\n  " + include, include + "Host a\n  " + include},
		"there for a match":        {"match user b\n" + include, include + "match user b\n" + include},
		"commented out":            {"#" + include, include + "#" + include},
		"another file":             {"Include ~/.ssh/opkssh/config2\n", include + "Include ~/.ssh/opkssh/config2\n"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), ".ssh")
			config := filepath.Join(folder, "config")
			mode := fs.FileMode(0o600)
			if c.before != "" {
				mode = 0o644
				if err := os.Mkdir(folder, 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(config, []byte(c.before), mode); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				if _, err := userkeys.Configure(folder, time.Now()); err != nil {
					t.Fatal(err)
				}
				if got := string(read(t, config)); got != c.after {
					t.Fatalf("expected %q, got %q", c.after, got)
				}
			}
			if !userkeys.Configured(folder) {
				t.Error("not configured")
			}
			if changed, err := userkeys.Configure(folder, time.Now()); err != nil || len(changed) > 0 {
				t.Errorf("the third time changed %q, %v", changed, err)
			}
			if runtime.GOOS == "windows" {
				return
			}
			for file, want := range map[string]fs.FileMode{config: mode, filepath.Join(folder, "opkssh"): 0o700, filepath.Join(folder, "opkssh", "config"): 0o600} {
				if info, err := os.Stat(file); err != nil || info.Mode().Perm() != want {
					t.Errorf("%s: expected mode %o, got %v, %v", file, want, info.Mode().Perm(), err)
				}
			}
			if left := names(t, folder); len(left) != 2 {
				t.Errorf("left %q", left)
			}
		})
	}
}

func TestConfiguredWantsBoth(t *testing.T) {
	folder := t.TempDir()
	if _, err := userkeys.Configure(folder, time.Now()); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(folder, "config"), []byte("Host a\n"+include))
	if userkeys.Configured(folder) {
		t.Error("configured with an Include for one host")
	}
	write(t, filepath.Join(folder, "config"), []byte(include))
	if err := os.Remove(filepath.Join(folder, "opkssh", "config")); err != nil {
		t.Fatal(err)
	}
	if userkeys.Configured(folder) {
		t.Error("configured without the folder's config")
	}
}

// TestConfigBehindALink is a config that is kept elsewhere, as with other dotfiles: the file there changes, and the link stays.
func TestConfigBehindALink(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // links need a privilege there
	}
	folder, dotfiles := t.TempDir(), t.TempDir()
	target, link := filepath.Join(dotfiles, "ssh_config"), filepath.Join(folder, "config")
	write(t, target, []byte("Host a\n"))
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	if _, err := userkeys.Configure(folder, time.Now()); err != nil {
		t.Fatal(err)
	}
	if got := string(read(t, target)); got != include+"Host a\n" {
		t.Errorf("got %q", got)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v, %v", info, err)
	}
	if err := os.Remove(target); err != nil {
		t.Fatal(err)
	}
	if _, err := userkeys.Configure(folder, time.Now()); err == nil {
		t.Error("a link that leads nowhere was followed")
	}
}

// TestFolderConfig lists the keys that live, keeps other lines, and gives ssh its default names back.
func TestFolderConfig(t *testing.T) {
	folder := t.TempDir()
	now := time.Now()
	if _, err := userkeys.Configure(folder, now); err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(folder, "opkssh")
	config := filepath.Join(own, "config")
	// What another client wrote, and what a person did.
	write(t, config, []byte("IdentityFile "+filepath.Join(own, "op.example.com-opkssh")+"\nIdentityFile ~/.ssh/mine\n# mine\n"))
	for _, pair := range []struct {
		name string
		end  time.Time
	}{{"living", now.Add(time.Hour)}, {"dead", now}, {"odd name", time.Time{}}, {"endless", time.Time{}}} {
		who := alice
		who.end = pair.end
		key, cert := who.login(t, userkeys.ECDSA)
		mark := userkeys.Mark{InAgent: pair.name == "endless"}
		if err := userkeys.At(filepath.Join(own, pair.name)).WriteMarked(key, cert, mark); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(own, "somebody"), ownKey(t, ""))
	write(t, filepath.Join(folder, "id_ed25519"), ownKey(t, ""))
	who := alice
	who.end = now
	key, cert := who.login(t, userkeys.ECDSA)
	if err := userkeys.At(filepath.Join(folder, "id_ecdsa")).Write(key, cert); err != nil {
		t.Fatal(err)
	}
	var first []byte
	for range 2 {
		if _, err := userkeys.UpdateFolderConfig(folder, now); err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = read(t, config)
		}
	}
	if !bytes.Equal(first, read(t, config)) {
		t.Error("the second update changed the file again")
	}
	var got []string
	for line := range strings.Lines(string(first)) {
		if !strings.HasPrefix(line, "# Keys") && !strings.HasPrefix(line, "# End") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	want := "IdentityFile ~/.ssh/id_ed25519|IdentityFile ~/.ssh/opkssh/endless|IdentityFile ~/.ssh/opkssh/living|IdentityFile ~/.ssh/mine|# mine"
	if joined := strings.Join(got, "|"); joined != want {
		t.Errorf("expected\n%s\ngot\n%s", want, joined)
	}
	// A block without its end swallows nothing.
	end := bytes.Index(first, []byte("# End"))
	broken := append(bytes.Clone(first[:end]), "# mine too\n"...)
	write(t, config, broken)
	if _, err := userkeys.UpdateFolderConfig(folder, now); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(read(t, config), []byte("# mine too\n")) {
		t.Error("a line below a block without an end is gone")
	}
	// ssh reads it.
	if out, err := exec.Command("ssh", "-G", "-F", config, "host").CombinedOutput(); err != nil {
		t.Errorf("ssh -G: %v: %s", err, out)
	}
}
