//go:build linux

package plugin

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"opkssh/internal/hostfiles"
	"opkssh/pkg/policy"
)

// TestEachPluginGetsItsOwnFile: byte for byte, and no other's, whatever the login's variables say.
func TestEachPluginGetsItsOwnFile(t *testing.T) {
	f := newFolder(t)
	for _, name := range []string{"one", "two"} {
		f.add(t, name, "require", fmt.Sprintf(`printf %%s "$OPKSSH_PLUGIN_CONFIG" >%s/%s; echo allow`, f.dir, name))
		f.files[len(f.files)-1].Data = append([]byte("\uFEFF# of "+name+"\r\n"), f.files[len(f.files)-1].Data...)
	}
	wantOwn := func(when string) {
		t.Helper()
		for i, name := range []string{"one", "two"} {
			got, err := os.ReadFile(filepath.Join(f.dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if want := base64.StdEncoding.EncodeToString(f.files[i].Data); string(got) != want {
				t.Errorf("%s: %s: expected %q, got %q", when, name, want, got)
			}
		}
	}
	if _, err := f.judge(t.Context(), alice(t), request, byRule, nil, f.files, nil); err != nil {
		t.Fatal(err)
	}
	wantOwn("a login")
	plugins := parsePlugins(t, f.files)
	outcomes := f.programs.Run(t.Context(), plugins, []string{"OPKSSH_PLUGIN_CONFIG=eA==", "OPKSSH_PLUGIN_U=alice", "OPKSSH_PLUGIN_CONFIG="}, false)
	if len(outcomes) != len(plugins) {
		t.Fatalf("expected that both run, got %+v", outcomes)
	}
	wantOwn("variables of somebody's choice")
}

// TestVariablesOfALoginAlone: who chooses the variables chooses none that a program goes by.
func TestVariablesOfALoginAlone(t *testing.T) {
	f := newFolder(t)
	f.programs.Config = policy.DefaultConfig()
	f.programs.Config.EnvVars = map[string]string{"HTTPS_PROXY": "http://proxy:3128"}
	f.add(t, "p", "allow", "env >"+f.dir+"/environment; echo allow")
	chosen := []string{
		"OPKSSH_PLUGIN_U=alice", "LD_PRELOAD=/x.so", "PATH=/x", "HTTPS_PROXY=http://x", "OPKSSH_PLUGIN_WITHOUT", "=x", "xOPKSSH_PLUGIN_U=bob", "",
	}
	if o := f.programs.Run(t.Context(), parsePlugins(t, f.files), chosen, true); len(o) != 1 || !o[0].Allow {
		t.Fatalf("expected that it runs, got %+v", o)
	}
	data, err := os.ReadFile(filepath.Join(f.dir, "environment"))
	if err != nil {
		t.Fatal(err)
	}
	own := map[string]bool{"PWD": true, "OLDPWD": true, "SHLVL": true, "_": true} // the shell's
	var got []string
	for line := range strings.Lines(string(data)) {
		if name, _, _ := strings.Cut(line, "="); !own[name] {
			got = append(got, strings.TrimSuffix(line, "\n"))
		}
	}
	slices.Sort(got)
	want := []string{
		"HTTPS_PROXY=http://proxy:3128", "OPKSSH_PLUGIN_CONFIG=" + base64.StdEncoding.EncodeToString(f.files[0].Data), "OPKSSH_PLUGIN_U=alice", "PATH=" + searchPath,
	}
	if !slices.Equal(got, want) {
		t.Errorf("expected %q, got %q", want, got)
	}
}

func parsePlugins(t *testing.T, files []hostfiles.File) (plugins []*policy.Plugin) {
	t.Helper()
	for _, file := range files {
		plugin, err := policy.ParsePlugin(file.Path, file.Data)
		if err != nil {
			t.Fatal(err)
		}
		plugins = append(plugins, plugin)
	}
	return plugins
}
