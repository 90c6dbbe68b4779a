package hostfiles

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFixSaysWhatFails: what could not be done is not among what was done, and nothing is made by half.
func TestFixSaysWhatFails(t *testing.T) {
	for _, test := range []struct {
		name  string
		spoil func(t *testing.T, l *Layout)
		keep  []uint // capabilities
		want  []string
		err   error // of each
	}{
		{
			name:  "a file that cannot be opened",
			spoil: func(t *testing.T, l *Layout) { setOwner(t, l.ConfigDir+"/auth_id", 0, commandUID, 0) },
			want:  []string{"!opk/auth_id", "!cache"},
			err:   unix.EACCES,
		},
		{
			name:  "a folder that cannot be opened",
			spoil: func(t *testing.T, l *Layout) { setOwner(t, l.CacheDir, 0, 0, 0o300) },
			want:  []string{"!cache"},
			err:   unix.EACCES,
		},
		{
			name:  "another group",
			spoil: func(t *testing.T, l *Layout) { setOwner(t, l.ConfigDir+"/config.yml", 0, 0, 0o600) },
			keep:  []uint{unix.CAP_DAC_READ_SEARCH},
			want:  []string{"!opk/config.yml", "!opk/config.yml"},
			err:   unix.EPERM,
		},
		{
			name:  "another owner",
			spoil: func(t *testing.T, l *Layout) { setOwner(t, l.ConfigDir+"/policy.d", strangerID, commandUID, 0o775) },
			keep:  []uint{unix.CAP_DAC_READ_SEARCH, unix.CAP_FOWNER},
			want:  []string{"!opk/policy.d?", "!opk/policy.d?"},
			err:   unix.EPERM,
		},
		{
			name:  "a copy",
			spoil: func(t *testing.T, l *Layout) { setOwner(t, l.ConfigDir+"/auth_id", 0, commandUID, 0o666) },
			keep:  []uint{unix.CAP_DAC_READ_SEARCH},
			want:  []string{"!opk/auth_id?"},
			err:   unix.EPERM,
		},
		{
			name: "another owner of the cache",
			spoil: func(t *testing.T, l *Layout) {
				setOwner(t, l.CacheDir, 0, 0, 0o755)
				removeAll(t, l.CacheDir+"/provider-op.example.com-00.json")
			},
			want: []string{"!cache", "!cache"},
			err:  unix.EPERM,
		},
		{
			name:  "another mode of the cache",
			spoil: func(t *testing.T, l *Layout) { setOwner(t, l.CacheDir, commandUID, commandUID, 0o755) },
			want:  []string{"!cache"},
			err:   unix.EPERM,
		},
		{
			name: "a file of the cache, which goes",
			spoil: func(t *testing.T, l *Layout) {
				setOwner(t, l.CacheDir+"/provider-op.example.com-00.json", 0, 0, 0o600)
			},
			keep: []uint{unix.CAP_DAC_READ_SEARCH},
			want: []string{"!cache/provider-op.example.com-00.json"},
			err:  unix.EACCES,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLayout(t)
			test.spoil(t, l)
			wantFixFails(t, l, test.want, test.err, func(fix func()) { withCapabilities(t, fix, test.keep...) })
		})
	}
}

// TestMakeSaysWhatFails: a folder or file that could not be given to who is to have it is open to nobody else.
func TestMakeSaysWhatFails(t *testing.T) {
	for _, keep := range [][]uint{nil, {unix.CAP_CHOWN}} {
		l := newLayout(t)
		dir := filepath.Dir(l.ConfigDir)
		removeAll(t, l.CacheDir)
		withCapabilities(t, func() {
			if got, want := told(l, l.Apply(true)), []string{"!cache"}; !slices.Equal(got, want) {
				t.Errorf("with %v: expected %q, got %q", keep, want, got)
			}
			for name, what := range map[string]want{"folder": {uid: strangerID, folder: true, mode: 0o750}, "file": {uid: strangerID, mode: 0o644}} {
				if file, err := createItem(unix.AT_FDCWD, filepath.Join(dir, name), what, strangerID); !errors.Is(err, unix.EPERM) || file != nil {
					t.Errorf("with %v, a %s: expected EPERM, got %v, %v", keep, name, file, err)
				}
			}
		}, append(keep, unix.CAP_DAC_READ_SEARCH)...)
		for name, mode := range map[string]os.FileMode{"folder": 0o700, "file": 0o600} {
			wantMode(t, filepath.Join(dir, name), mode)
		}
	}
}

// TestFixOnAFailingDisk: nothing is mended that could not be looked at, and no copy takes the place of a file unless it is there for good.
func TestFixOnAFailingDisk(t *testing.T) {
	for name, test := range map[string]struct {
		call uint32
		want []string
	}{
		"looking": {unix.SYS_FSTAT, []string{
			"!opk", "!opk/auth_id", "!opk/ca.pem", "!opk/config.yml", "!opk/policy.d", "!opk/policy.d/a.yml", "!opk/providers", "!opk/providers.d",
			"!opk/providers.d/a.conf", "!cache",
		}},
		"reading":      {unix.SYS_READ, []string{"!opk/auth_id?"}},
		"writing down": {unix.SYS_FSYNC, []string{"!opk/auth_id?"}},
		"renaming":     {unix.SYS_RENAMEAT, []string{"!opk/auth_id?"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLayout(t)
			setOwner(t, l.ConfigDir+"/auth_id", 0, commandUID, 0o666)
			wantFixFails(t, l, test.want, unix.EIO, func(fix func()) { withFailing(t, test.call, unix.EIO, fix) })
		})
	}
}

// wantFixFails: where failing lets it run, a fix fails for each of want with err, and nothing is changed.
func wantFixFails(t *testing.T, l *Layout, want []string, err error, failing func(fix func())) {
	t.Helper()
	dir := filepath.Dir(l.ConfigDir)
	before := state(t, dir)
	var changes []Change
	failing(func() { changes = l.Apply(false) })
	if got := told(l, changes); !slices.Equal(got, want) {
		t.Errorf("expected %q, got %q", want, got)
	}
	for _, c := range changes {
		if !strings.HasSuffix(c.Problem, err.Error()) {
			t.Errorf("%s: expected %v, got %s", c.Path, err, c.Problem)
		}
	}
	if now := state(t, dir); fmt.Sprint(now) != fmt.Sprint(before) {
		t.Errorf("something was changed: %v, then %v", before, now)
	}
}
