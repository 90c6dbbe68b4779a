package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const folder = "../../docs/man"

func TestPagesAreUpToDate(t *testing.T) {
	for name, want := range pages() {
		got, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil || string(got) != want {
			t.Errorf("%s is not what the commands say (%v): run make man", name, err)
		}
	}
}

// TestPagesRender: no warning, and what --help says is on the page.
func TestPagesRender(t *testing.T) {
	for name, words := range map[string][]string{
		"opkssh.1":   {"NAME", "opkssh login [ALIAS]", "-t, --key-type TYPE", "opkssh config add ISSUER CLIENT_ID", "~/.opk/config.yml", "explain"},
		"verifier.1": {"verifier verify", "/etc/opk/auth_id", "--dry-run"},
	} {
		groff := exec.Command("groff", "-man", "-ww", "-Tutf8", "-P-cbou")
		groff.Stdin = strings.NewReader(pages()[name])
		var problems bytes.Buffer
		groff.Stderr = &problems
		shown, err := groff.Output()
		if err != nil || problems.Len() > 0 {
			t.Errorf("%s: %v (run integration/setup.sh first if groff is missing)\n%s", name, err, problems.String())
		}
		for _, word := range words {
			if !strings.Contains(string(shown), word) {
				t.Errorf("%s: %q is not on the page\n%s", name, word, shown)
			}
		}
	}
}

func TestEscape(t *testing.T) {
	p := &page{}
	p.paragraphs("first\nsecond\n\n.dot 'n' \\back\n  kept  as is\n\n  'kept\nthird ~^`…")
	const want = ".PP\nfirst\nsecond\n.PP\n\\&.dot \\(aqn\\(aq \\eback\n.PP\n.RS 2\n.nf\nkept  as is\n.fi\n.RE\n.PP\n.RS 2\n.nf\n\\(aqkept\n.fi\n.RE\n.PP\nthird \\(ti\\(ha\\(ga\\[u2026]\n"
	if got := p.text(); got != want {
		t.Errorf("expected\n%q\ngot\n%q", want, got)
	}
}
