//go:build linux

package plugin

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"opkssh/pkg/policy"
)

// script writes a program and returns its path.
func chainScript(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestChain(t *testing.T) {
	tests := []struct {
		name    string
		scripts []string
		args    []string // after each script
		want    string
		log     string // what the log says; "" for nothing
	}{
		{"one", []string{"echo ssh-ed25519 AAAA"}, nil, "ssh-ed25519 AAAA\n", ""},
		{"in their order", []string{"echo a", "printf b", "echo c"}, nil, "a\nb\nc\n", ""},
		{"tokens", []string{`printf '%s|' "$@"`}, []string{"%u", "-t", "%t", "x%u%%u", "%f"}, "al%tice|-t|ssh-rsa|xal%tice%u|SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU|\n", ""},
		{"one fails", []string{"echo a; exit 1", "echo b"}, nil, "b\n", ""},
		{"one is missing", []string{"", "echo b"}, nil, "b\n", "chain: command failed"},
		{"as much as may be", []string{"head -c 1048575 /dev/zero | tr '\\0' a", "true"}, nil, strings.Repeat("a", 1<<20-1) + "\n", ""},
		{"more together", []string{"echo a", "head -c 1048576 /dev/zero", "echo b"}, nil, "a\nb\n", "printed more than"},
		{"one goes on behind its end", []string{"echo a; sleep 1000 &", "echo b"}, nil, "a\nb\n", ""},
		{"one floods", []string{"yes", "echo b"}, nil, "b\n", "printed more than"},
		{"nothing", []string{"true"}, nil, "", ""},
		{"environment", []string{"env | sort | grep -v -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD="}, nil, "HTTPS_PROXY=http://proxy:3128\nPATH=" + searchPath + "\n", ""},
		{"no standard input", []string{"cat; echo end"}, nil, "end\n", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			config := policy.DefaultConfig()
			config.EnvVars = map[string]string{"HTTPS_PROXY": "http://proxy:3128"}
			for _, text := range test.scripts {
				path := filepath.Join(t.TempDir(), "missing")
				if text != "" {
					path = chainScript(t, text)
				}
				config.Chain = append(config.Chain, append([]string{path}, test.args...))
			}
			var log bytes.Buffer
			chain := &Chain{
				Config: config, Log: slog.New(slog.NewTextHandler(&log, nil)),
				program: func(path string) (string, error) { _, err := os.Stat(path); return path, err },
			}
			if got := string(chain.Keys(context.Background(), "al%tice", "", "ssh-rsa")); got != test.want {
				t.Errorf("expected %q, got %q\n%s", test.want, got, log.String())
			}
			if (test.log == "") != (log.Len() == 0) || !strings.Contains(log.String(), test.log) {
				t.Errorf("log: expected %q, got %q", test.log, log.String())
			}
		})
	}
}

func TestChainThatHangs(t *testing.T) {
	config := policy.DefaultConfig()
	config.Chain = [][]string{{chainScript(t, "echo a; sleep 1000")}}
	var log bytes.Buffer
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	chain := &Chain{Config: config, Log: slog.New(slog.NewTextHandler(&log, nil)), program: func(path string) (string, error) { return path, nil }}
	if got := chain.Keys(ctx, "alice", "", "ssh-rsa"); len(got) != 0 || !strings.Contains(log.String(), "took too long") {
		t.Errorf("got %q\n%s", got, log.String())
	}
}

// TestChainTrustsRootsProgramsAlone: the check that plugins have.
func TestChainTrustsRootsProgramsAlone(t *testing.T) {
	config := policy.DefaultConfig()
	path := chainScript(t, "echo a")
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}
	config.Chain = [][]string{{path}}
	var log bytes.Buffer
	chain := &Chain{Config: config, Log: slog.New(slog.NewTextHandler(&log, nil))}
	if got := chain.Keys(context.Background(), "alice", "", "ssh-rsa"); len(got) != 0 || !strings.Contains(log.String(), "chain: command failed") {
		t.Errorf("got %q\n%s", got, log.String())
	}
}
