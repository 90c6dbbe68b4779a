package faults_test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"opkssh/integration/endtoend"
	"opkssh/integration/freeport"
	"opkssh/pkg/pktoken/pktokentest"
	"opkssh/pkg/sshcert"
)

// laptop is alice's, who is logged in at the provider.
type laptop struct {
	home string
	op   *provider

	mu      sync.Mutex
	logins  map[string]url.Values // code to the authorization request
	refresh map[string]url.Values // refresh token to the same; each is taken once
	issued  map[string]bool       // all refresh tokens
}

func newLaptop(t *testing.T) *laptop {
	t.Helper()
	l := &laptop{
		home: t.TempDir(), op: startProvider(t),
		logins: map[string]url.Values{}, refresh: map[string]url.Values{}, issued: map[string]bool{},
	}
	l.op.breakWith(func(w http.ResponseWriter, r *http.Request) { l.answer(t, w, r) })
	check(t, os.Mkdir(filepath.Join(l.home, ".opk"), 0o700))
	check(t, os.WriteFile(filepath.Join(l.home, ".opk/config.yml"), fmt.Appendf(nil, `default_provider: work
providers:
- {alias: work, issuer: %q, client_id: %q, scopes: openid email offline_access, refresh: true, redirect_uris: ["http://127.0.0.1:%d/back"]}
- {alias: farm, issuer: %q, client_id: other, hosts: "*.example.com"}
`, l.op.url, pktokentest.ClientID, freeport.Find(t), l.op.url), 0o600))
	return l
}

// answer is the provider's, for the code flow (RFC 6749 §4.1) and a refresh (§6).
func (l *laptop) answer(t *testing.T, w http.ResponseWriter, r *http.Request) {
	object := func(members map[string]any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(members)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		object(map[string]any{
			"issuer": l.op.url, "authorization_endpoint": l.op.url + "/auth", "token_endpoint": l.op.url + "/token", "jwks_uri": l.op.url + "/keys",
		})
	case "/keys":
		_, _ = w.Write(pktokentest.JWKS(t, l.op.signer().JWK(t)))
	case "/auth":
		request, code := r.URL.Query(), rand.Text()
		l.logins[code] = request
		http.Redirect(w, r, request.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {request.Get("state")}}.Encode(), http.StatusFound)
	case "/token":
		c := claims("alice@example.com")
		request, known := l.logins[r.PostFormValue("code")]
		if r.PostFormValue("grant_type") == "refresh_token" {
			request, known = l.refresh[r.PostFormValue("refresh_token")]
			delete(l.refresh, r.PostFormValue("refresh_token"))
		} else {
			c["nonce"] = request.Get("nonce")
		}
		if !known {
			w.WriteHeader(http.StatusBadRequest)
			object(map[string]any{"error": "invalid_grant"})
			return
		}
		next := "hush-" + rand.Text()
		l.refresh[next], l.issued[next] = request, true
		object(map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": l.op.signer().IDToken(t, c), "refresh_token": next})
	default:
		http.NotFound(w, r)
	}
}

// command is opkssh, and somebody who opens the page whose address it prints.
func (l *laptop) command(t *testing.T, args ...string) (cmd *exec.Cmd, printed func() string) {
	t.Helper()
	cmd = exec.Command(endtoend.Opkssh(t), args...)
	cmd.Env = []string{"HOME=" + l.home, "PATH=" + os.Getenv("PATH"), "TZ=UTC"}
	reader, writer, err := os.Pipe()
	check(t, err)
	cmd.Stdout, cmd.Stderr = writer, writer
	var text strings.Builder
	done := make(chan struct{})
	go func() {
		defer close(done)
		for lines := bufio.NewScanner(reader); lines.Scan(); {
			text.WriteString(lines.Text() + "\n")
			if strings.HasPrefix(lines.Text(), l.op.url) {
				if response, err := http.Get(lines.Text()); err == nil { // else it was killed
					_, _ = io.Copy(io.Discard, response.Body)
					_ = response.Body.Close()
				}
			}
		}
	}()
	return cmd, func() string {
		check(t, writer.Close())
		<-done
		check(t, reader.Close())
		return text.String()
	}
}

func (l *laptop) run(t *testing.T, args ...string) {
	t.Helper()
	cmd, printed := l.command(t, args...)
	err := cmd.Run()
	if text := printed(); err != nil {
		t.Fatalf("opkssh %v: %v\n%s", args, err, text)
	}
}

var (
	loginCommand   = []string{"login", "work", "--disable-browser-open"}
	refreshCommand = []string{"refresh", "work"}
)

// killed runs opkssh and kills it at each call that writes; the home folder is as it is now at the beginning of each run.
func (l *laptop) killed(t *testing.T, look func(call string), args ...string) {
	t.Helper()
	before := snapshot(t, l.home)
	l.mu.Lock()
	var tokens []string
	for token := range l.refresh {
		tokens = append(tokens, token)
	}
	l.mu.Unlock()
	printed := func() string { return "" }
	killAtEachWrite(t, endtoend.Opkssh(t), func() *exec.Cmd {
		l.restore(t, before, tokens)
		var cmd *exec.Cmd
		cmd, printed = l.command(t, args...)
		return cmd
	}, func(call string) {
		printed()
		look(call)
	})
	printed()
}

// restore puts the files back that a snapshot has, and lets the provider take the refresh tokens of then.
func (l *laptop) restore(t *testing.T, files map[string]string, tokens []string) {
	t.Helper()
	check(t, os.RemoveAll(l.home))
	check(t, os.Mkdir(l.home, 0o700))
	for path, entry := range files {
		// "-rw------- 0:0 text", "drwx------ 0:0 ".
		words := strings.SplitN(entry, " ", 3)
		if words[0][0] == 'd' {
			check(t, os.MkdirAll(path, 0o700))
			continue
		}
		check(t, os.MkdirAll(filepath.Dir(path), 0o700))
		check(t, os.WriteFile(path, []byte(words[2]), 0o600))
		if strings.HasPrefix(words[0], "-rw-r--r--") {
			check(t, os.Chmod(path, 0o644))
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, token := range tokens {
		l.refresh[token] = url.Values{}
	}
}

// wantPair is that no key is beside another key's certificate, and that both are whole.
func (l *laptop) wantPair(t *testing.T, there bool) {
	t.Helper()
	file := filepath.Join(l.home, ".ssh", "id_ecdsa")
	private, keyErr := os.ReadFile(file)
	certificate, certErr := os.ReadFile(file + "-cert.pub")
	if there && (keyErr != nil || certErr != nil) {
		t.Errorf("expected a key and its certificate, got %v, %v", keyErr, certErr)
	}
	var public ssh.PublicKey
	if keyErr == nil {
		key, err := ssh.ParsePrivateKey(private)
		if err != nil {
			t.Errorf("the key is not whole: %v", err)
			return
		}
		public = key.PublicKey()
	}
	if certErr != nil {
		return
	}
	cert, _, err := sshcert.ParseLine(certificate)
	if err != nil {
		t.Errorf("the certificate is not whole: %v", err)
		return
	}
	if public != nil && !bytes.Equal(public.Marshal(), cert.SSH().Key.Marshal()) {
		t.Error("a private key beside another key's certificate")
	}
}

// wantTokens is that each file of a refresh token is whole, and for alice alone.
func (l *laptop) wantTokens(t *testing.T) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(l.home, ".opk/refresh-tokens/*.json"))
	check(t, err)
	for _, file := range files {
		data, err := os.ReadFile(file)
		check(t, err)
		var entry struct {
			Token string `json:"refresh_token"`
		}
		err = json.Unmarshal(data, &entry)
		l.mu.Lock()
		if err != nil || !l.issued[entry.Token] {
			t.Errorf("%s: expected a refresh token, got %q, %v", file, data, err)
		}
		l.mu.Unlock()
		if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: expected mode 0600, got %v, %v", file, info.Mode(), err)
		}
	}
}

// wantNothingLeft is that after a logout no secret is there any more, under whatever name it was being written.
func (l *laptop) wantNothingLeft(t *testing.T) {
	t.Helper()
	l.run(t, "logout", "--all")
	for path, entry := range snapshot(t, l.home) {
		if strings.Contains(entry, "hush-") || strings.Contains(entry, "PRIVATE KEY") {
			t.Errorf("%s: a secret is left", path)
		}
	}
}

// TestClientKilled: wherever opkssh ends, no key is beside another key's certificate, and what is kept of refresh tokens is whole;
// then the next login gets everything right, a refresh works again, and a logout leaves nothing.
func TestClientKilled(t *testing.T) {
	for name, args := range map[string][]string{"first login": loginCommand, "login again": loginCommand, "refresh": refreshCommand} {
		t.Run(name, func(t *testing.T) {
			l := newLaptop(t)
			if name != "first login" {
				l.run(t, loginCommand...)
			}
			l.killed(t, func(string) {
				l.wantPair(t, name == "refresh")
				l.wantTokens(t)
				l.run(t, loginCommand...)
				l.wantPair(t, true)
				l.run(t, refreshCommand...)
				l.wantPair(t, true)
				l.wantTokens(t)
				l.wantNothingLeft(t)
			}, args...)
			l.wantPair(t, true)
		})
	}
}

// TestSSHConfigKilled: ssh's configuration is the one of before or the one of after, whole, and the next time it comes to its end.
func TestSSHConfigKilled(t *testing.T) {
	l := newLaptop(t)
	own, hosts := filepath.Join(l.home, ".ssh/config"), filepath.Join(l.home, ".ssh/opkssh/hosts")
	check(t, os.Mkdir(filepath.Dir(own), 0o700))
	check(t, os.WriteFile(own, []byte("Host jump\n\tHostName 10.0.0.1\n"), 0o600))
	for _, args := range [][]string{{"ssh-config", "--install"}, {"ssh-config", "--uninstall"}} {
		t.Run(args[1], func(t *testing.T) {
			before := snapshot(t, l.home)
			l.run(t, args...)
			after := snapshot(t, l.home)
			l.restore(t, before, nil)
			l.killed(t, func(string) {
				now := snapshot(t, l.home)
				for _, file := range []string{own, hosts} {
					if now[file] != before[file] && now[file] != after[file] {
						t.Errorf("%s: expected %q or %q, got %q", file, before[file], after[file], now[file])
					}
				}
				l.run(t, args...)
				now = snapshot(t, l.home)
				for _, file := range []string{own, hosts} {
					if now[file] != after[file] {
						t.Errorf("%s: expected %q, got %q", file, after[file], now[file])
					}
				}
			}, args...)
		})
	}
}
