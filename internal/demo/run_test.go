package demo

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

// run runs the demo with an empty folder for temporary files, and checks that it is empty again.
func run(t *testing.T, ctx context.Context, options Options, out *terminal) error {
	t.Helper()
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	before := ownFiles(t)
	err := Run(ctx, options, out)
	left, readErr := os.ReadDir(temporary)
	if readErr != nil {
		t.Fatal(readErr)
	}
	if len(left) > 0 {
		t.Errorf("expected nothing left behind, got %v", left)
	}
	if after := ownFiles(t); after != before {
		t.Errorf("expected ~/.ssh as it was\nbefore %s\nafter  %s", before, after)
	}
	return err
}

// ownFiles describes the real ~/.ssh.
func ownFiles(t *testing.T) string {
	t.Helper()
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	err = filepath.WalkDir(filepath.Join(home, ".ssh"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		all.WriteString(path + " " + info.ModTime().String() + "; ")
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return all.String()
}

// terminal keeps what is printed, and tells seen of it after each write.
type terminal struct {
	mu   sync.Mutex
	text bytes.Buffer
	seen func(all string)
}

func (o *terminal) Write(p []byte) (int, error) {
	o.mu.Lock()
	o.text.Write(p)
	all := o.text.String()
	o.mu.Unlock()
	if o.seen != nil {
		o.seen(all)
	}
	return len(p), nil
}

func TestRun(t *testing.T) {
	t.Setenv("SSH_AUTH_SOCK", filepath.Join(t.TempDir(), "no-agent"))
	t.Setenv("SSH_ASKPASS", "/bin/false")
	var out terminal
	if err := run(t, t.Context(), Options{}, &out); err != nil {
		t.Fatalf("%v\n%s", err, out.text.String())
	}
	text := out.text.String()
	for _, want := range []string{"1. ", "7. ", "you are      alice@example.com", "let in by    auth_id:1", "no-rule", "certificate-key", "commitment", "provider-signature"} {
		if !strings.Contains(text, want) {
			t.Errorf("expected %q in\n%s", want, text)
		}
	}
	if got := strings.Count(text, "\n   ok: "); got != 7 {
		t.Errorf("expected 7 proofs, got %d", got)
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if utf8.RuneCountInString(line) > 80 && !strings.Contains(line, os.Getenv("TMPDIR")) {
			t.Errorf("expected 80 columns, got %d: %s", utf8.RuneCountInString(line), line)
		}
		if strings.ContainsRune(line, '\x1b') {
			t.Errorf("expected no escape sequences, got %q", line)
		}
	}
}

// A demo that shows something else than it says has failed.
func TestRunNotices(t *testing.T) {
	for name, test := range map[string]struct {
		rules string
		step  string
	}{
		"alice refused":            {"alice carol@example.com ISSUER", "step 4: "},
		"alice let in by accident": {"alice oidc:groups:ops ISSUER\nalice alice@example.com ISSUER", ""},
		"another row":              {"# a comment\nalice alice@example.com ISSUER", "step 4: "},
		"bob let in":               {"alice oidc:email_verified:true ISSUER", "step 5: "},
		"row that cannot be read":  {"alice alice@example.com", "step 2: "},
		"no rows":                  {"# nobody", "step 2: "},
	} {
		t.Run(name, func(t *testing.T) {
			var out terminal
			rules := func(issuer string) string { return strings.ReplaceAll(test.rules, "ISSUER", issuer) }
			err := run(t, t.Context(), Options{rules: rules}, &out)
			switch {
			case test.step == "" && err != nil:
				t.Errorf("expected no error, got %v", err)
			case test.step != "" && (err == nil || !strings.HasPrefix(err.Error(), test.step)):
				t.Errorf("expected an error of %q, got %v\n%s", test.step, err, out.text.String())
			}
		})
	}
}

func TestInterruptedRun(t *testing.T) {
	for _, step := range []string{"1. ", "3. ", "4. ", "6. "} {
		t.Run(step, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			out := terminal{seen: func(all string) {
				if strings.Contains(all, "\n"+step) {
					cancel()
				}
			}}
			if err := run(t, ctx, Options{}, &out); !errors.Is(err, errInterrupted) {
				t.Errorf("expected errInterrupted, got %v", err)
			}
		})
	}
}

var asksFor = regexp.MustCompile(`the name (\S+) and the password (\S+)\n(?:.*\n)*?(http://\S+/authorize\?\S+)\n`)

func TestRunWithABrowser(t *testing.T) {
	t.Setenv("BROWSER", "true") // a browser that shows nothing
	done := 0
	var drivers sync.WaitGroup
	out := terminal{seen: func(all string) {
		requests := asksFor.FindAllStringSubmatch(all, -1)
		if len(requests) == done {
			return
		}
		done = len(requests)
		request := requests[done-1]
		drivers.Go(func() {
			if err := FillLoginForm(t.Context(), nil, request[3], request[1], request[2]); err != nil {
				t.Error(err)
			}
		})
	}}
	if err := run(t, t.Context(), Options{Browser: true}, &out); err != nil {
		t.Fatalf("%v\n%s", err, out.text.String())
	}
	drivers.Wait()
	if done != 2 {
		t.Errorf("expected two logins in the browser, got %d", done)
	}
}

func TestLoginAsTheWrongPerson(t *testing.T) {
	t.Setenv("BROWSER", "true")
	var once sync.Once
	out := terminal{seen: func(all string) {
		request := asksFor.FindStringSubmatch(all)
		if request == nil {
			return
		}
		once.Do(func() {
			go func() { _ = FillLoginForm(t.Context(), nil, request[3], bob.Name, bob.Password) }()
		})
	}}
	if err := run(t, t.Context(), Options{Browser: true}, &out); err == nil || !strings.HasPrefix(err.Error(), "step 3: ") {
		t.Errorf("expected an error of step 3, got %v", err)
	}
}

func TestWithoutSSH(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	var out terminal
	if err := run(t, t.Context(), Options{}, &out); err == nil || !strings.Contains(err.Error(), "\nhint: ") {
		t.Errorf("expected an error with a hint, got %v", err)
	}
	if code := Main(nil); code != 1 {
		t.Errorf("expected exit code 1, got %d", code)
	}
}

func TestUsage(t *testing.T) {
	for _, test := range []struct {
		args []string
		code int
	}{
		{[]string{"--help"}, 0},
		{[]string{"--frobnicate"}, 2},
		{[]string{"more"}, 2},
	} {
		if code := Main(test.args); code != test.code {
			t.Errorf("%q: expected exit code %d, got %d", test.args, test.code, code)
		}
	}
}
