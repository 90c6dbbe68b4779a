package idp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"opkssh/internal/idp"
)

const accessToken = "c2VjcmV0-very_long.token~+/=="

func TestUserinfo(t *testing.T) {
	op, now, dir := newProvider(t), newClock(), t.TempDir()
	op.set(userinfoPath, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "Bearer "+accessToken {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(`{"sub":"alice","groups":["dev"],"n":1}`))
	})
	ask := func(token, subject string) (map[string]any, error) {
		c := op.newCache(dir, now)
		c.Warn = func(message string, args ...any) { t.Error(message, args) }
		return c.Userinfo(context.Background(), op.issuer, token, subject)
	}
	var several sync.WaitGroup
	for range 10 {
		several.Go(func() {
			claims, err := ask(accessToken, "alice")
			if err != nil || fmt.Sprint(claims["groups"]) != "[dev]" || claims["n"] != json.Number("1") {
				t.Errorf("got %v, %v", claims, err)
			}
		})
	}
	several.Wait()
	now.move(59 * time.Second)
	// Somebody else's answer is refused from the cache too.
	_, err := ask(accessToken, "bob")
	wantReason(t, err, idp.ReasonSubject)
	if n := op.count(userinfoPath); n != 1 {
		t.Errorf("expected 1 request, got %d", n)
	}
	op.wantRequests(1, 1)
	now.move(time.Second)
	if _, err := ask(accessToken, "alice"); err != nil {
		t.Error(err)
	}
	if n := op.count(userinfoPath); n != 1 {
		t.Errorf("after 60 s: expected 1 request, got %d", n)
	}
	now.move(-time.Hour)
	if _, err := ask(accessToken, "alice"); err != nil {
		t.Error(err)
	}
	if n := op.count(userinfoPath); n != 1 {
		t.Errorf("answer of the future: expected 1 request, got %d", n)
	}
	// Another token is another question.
	_, err = ask(accessToken+"=", "alice")
	wantReason(t, err, idp.ReasonStatus)
}

func TestUserinfoFailures(t *testing.T) {
	op := newProvider(t)
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		want   idp.Reason
	}{
		{"401", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("WWW-Authenticate", r.Header.Get("Authorization"))
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(r.Header.Get("Authorization")))
		}, idp.ReasonStatus},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere?token="+strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), http.StatusFound)
		}, idp.ReasonStatus},
		{"signed", typed("application/jwt", "e30.e30.e30"), idp.ReasonContentType},
		{"text", typed("text/plain", `{"sub":"alice"}`), idp.ReasonContentType},
		{"no type", typed("", `{"sub":"alice"}`), idp.ReasonContentType},
		{"HTML", typed("text/html", `{"sub":"alice"}`), idp.ReasonContentType},
		{"type with the token", func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Content-Type", "a/b; =") }, idp.ReasonContentType},
		{"array", body(`[{"sub":"alice"}]`), idp.ReasonMalformed},
		{"duplicate", body(`{"sub":"bob","sub":"alice"}`), idp.ReasonMalformed},
		{"large", body(`{"sub":"alice"}` + strings.Repeat(" ", 1<<20)), idp.ReasonTooLarge},
		{"no subject", body(`{"email":"alice@example.com"}`), idp.ReasonSubject},
		{"subject in other case", body(`{"Sub":"alice"}`), idp.ReasonSubject},
		{"other subject", body(`{"sub":"alic"}`), idp.ReasonSubject},
		{"subject of other type", body(`{"sub":["alice"]}`), idp.ReasonSubject},
	} {
		t.Run(test.name, func(t *testing.T) {
			op.set(userinfoPath, test.answer)
			now, dir := newClock(), t.TempDir()
			var said strings.Builder
			c := op.newCache(dir, now)
			c.Warn = func(message string, args ...any) { fmt.Fprintln(&said, message, args) }
			_, err := c.Userinfo(context.Background(), op.issuer, accessToken, "alice")
			wantReason(t, err, test.want)
			fmt.Fprintln(&said, err)
			op.count(userinfoPath)
			// An answer about somebody else is one, and is kept.
			kept, err := filepath.Glob(filepath.Join(dir, "userinfo-*.json"))
			if err != nil || len(kept) > 0 != (test.want == idp.ReasonSubject) {
				t.Errorf("kept: got %q, %v", kept, err)
			}
			now.move(10*time.Second - 1)
			_, err = c.Userinfo(context.Background(), op.issuer, accessToken, "alice")
			fmt.Fprintln(&said, err)
			if err == nil || op.count(userinfoPath) != 0 {
				t.Errorf("expected the failure to be remembered, got %v", err)
			}
			if strings.Contains(said.String(), accessToken) {
				t.Errorf("the access token is in %s", said.String())
			}
			op.set(userinfoPath, body(`{"sub":"alice"}`))
			now.move(time.Minute)
			if _, err := c.Userinfo(context.Background(), op.issuer, accessToken, "alice"); err != nil {
				t.Error(err)
			}
			wantNoToken(t, dir)
		})
	}
	if n := op.count("/elsewhere"); n != 0 {
		t.Errorf("the redirect was followed %d times", n)
	}
}

func wantNoToken(t *testing.T, dir string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil || len(files) == 0 {
		t.Fatalf("got %v, %v", files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(filepath.Join(dir, file.Name()))
		if err != nil {
			t.Error(err)
		}
		if strings.Contains(file.Name()+string(data), accessToken) {
			t.Errorf("the access token is in %s", file.Name())
		}
	}
}

func TestUserinfoArguments(t *testing.T) {
	op := newProvider(t)
	op.set(userinfoPath, body(`{"sub":"alice"}`))
	c := op.newCache(t.TempDir(), newClock())
	for _, token := range []string{"", "=", "a b", "a\r\nX: y", "a\x00", "ä", "a=b", strings.Repeat("a", 16<<10+1)} {
		_, err := c.Userinfo(context.Background(), op.issuer, token, "alice")
		wantReason(t, err, idp.ReasonAccessToken)
	}
	_, err := c.Userinfo(context.Background(), "http://op.example.com", accessToken, "alice")
	wantReason(t, err, idp.ReasonIssuer)
	op.wantRequests(0, 0)
	if files := names(t, c.Dir); len(files) != 0 {
		t.Errorf("expected no file, got %q", files)
	}

	_, err = c.Userinfo(context.Background(), op.issuer, accessToken, "")
	wantReason(t, err, idp.ReasonSubject)
	op.set(userinfoPath, body(`{"sub":""}`))
	_, err = c.Userinfo(context.Background(), op.issuer, "other", "")
	wantReason(t, err, idp.ReasonSubject)
	_, err = c.Userinfo(context.Background(), op.issuer, strings.Repeat("a", 16<<10), "")
	wantReason(t, err, idp.ReasonSubject)
	c.Network.Getenv = environment(map[string]string{"HTTPS_PROXY": "ftp://192.0.2.1"})
	_, err = c.Userinfo(context.Background(), op.issuer, "yet-another", "alice")
	wantReason(t, err, idp.ReasonProxy)

	op.set(discoveryPath, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(op.discovery(map[string]any{"userinfo_endpoint": ""}))
	})
	_, err = op.newCache(t.TempDir(), newClock()).Userinfo(context.Background(), op.issuer, accessToken, "alice")
	wantReason(t, err, idp.ReasonEndpoint)
	op.down()
	_, err = op.newCache(t.TempDir(), newClock()).Userinfo(context.Background(), op.issuer, accessToken, "alice")
	wantReason(t, err, idp.ReasonStatus)
	if n := op.count(userinfoPath); n != 3 {
		t.Errorf("expected 3 requests, got %d", n)
	}
}

// TestUserinfoNotKept: what cannot be kept costs a warning, and a file that cannot be read is as good as none.
func TestUserinfoNotKept(t *testing.T) {
	op, now, dir := newProvider(t), newClock(), t.TempDir()
	op.set(userinfoPath, body(`{"sub":"alice"}`))
	ask := func(dir string) (warnings int) {
		t.Helper()
		c := op.newCache(dir, now)
		c.Warn = func(string, ...any) { warnings++ }
		if _, err := c.Userinfo(context.Background(), op.issuer, accessToken, "alice"); err != nil {
			t.Error(err)
		}
		return warnings
	}
	if warnings := ask(dir); warnings != 0 {
		t.Errorf("expected no warning, got %d", warnings)
	}
	files, err := filepath.Glob(filepath.Join(dir, "userinfo-*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("expected one answer, got %q, %v", files, err)
	}
	name := strings.TrimSuffix(filepath.Base(files[0]), ".json")
	for _, inTheWay := range []string{".lock", ".json.tmp", ".attempt.tmp"} {
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, name+inTheWay, "full"), 0o700); err != nil {
			t.Fatal(err)
		}
		if warnings := ask(dir); warnings != 1 {
			t.Errorf("%s: expected one warning, got %d", inTheWay, warnings)
		}
	}
	op.count(userinfoPath)
	for _, content := range []string{"", "{", `{"fetched_at":"NOW","claims":""}`, `{"fetched_at":"yesterday","claims":"{}"}`} {
		// Long after the last attempt.
		now.move(time.Minute)
		content = strings.Replace(content, "NOW", stamp(now, 0), 1)
		if err := os.WriteFile(files[0], []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if ask(dir); op.count(userinfoPath) != 1 {
			t.Errorf("%q: expected a request", content)
		}
	}
	_ = os.WriteFile(files[0], []byte(`{"fetched_at":"`+stamp(now, 0)+`","claims":"[]"}`), 0o600)
	_, err = op.newCache(dir, now).Userinfo(context.Background(), op.issuer, accessToken, "alice")
	wantReason(t, err, idp.ReasonMalformed)
}

func TestUserinfoWhileAnotherProcessAsks(t *testing.T) {
	op, now, dir := newProvider(t), newClock(), t.TempDir()
	op.set(userinfoPath, body(`{"sub":"alice"}`))
	asked, release := op.hold(userinfoPath)
	first := make(chan error)
	go func() {
		_, err := op.newCache(dir, now).Userinfo(context.Background(), op.issuer, accessToken, "alice")
		first <- err
	}()
	<-asked
	impatient := op.newCache(dir, now)
	impatient.Timeout = time.Millisecond
	_, err := impatient.Userinfo(context.Background(), op.issuer, accessToken, "alice")
	wantReason(t, err, idp.ReasonBusy)
	release()
	if err := <-first; err != nil {
		t.Error(err)
	}
	if n := op.count(userinfoPath); n != 1 {
		t.Errorf("expected 1 request, got %d", n)
	}

	// What another one has asked for between a look at the old answer and the lock serves this one, too.
	now.move(time.Minute)
	late := op.newCache(dir, now)
	var between sync.Once
	late.Now = func() time.Time {
		between.Do(func() {
			if _, err := op.newCache(dir, now).Userinfo(context.Background(), op.issuer, accessToken, "alice"); err != nil {
				t.Error(err)
			}
		})
		return now.Now()
	}
	if _, err := late.Userinfo(context.Background(), op.issuer, accessToken, "alice"); err != nil {
		t.Error(err)
	}
	if n := op.count(userinfoPath); n != 1 {
		t.Errorf("expected 1 request, got %d", n)
	}
}

func TestUserinfoWithoutFolder(t *testing.T) {
	op := newProvider(t)
	op.set(userinfoPath, body(`{"sub":"alice"}`))
	if _, err := op.newCache("", newClock()).Userinfo(context.Background(), op.issuer, accessToken, "alice"); err != nil {
		t.Error(err)
	}
}

func TestUserinfoIsSwept(t *testing.T) {
	op, dir := newProvider(t), t.TempDir()
	now := &clock{now: time.Now()}
	op.set(userinfoPath, body(`{"sub":"alice"}`))
	c := op.newCache(dir, now)
	ask := func(token string) {
		t.Helper()
		if _, err := c.Userinfo(context.Background(), op.issuer, token, "alice"); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		ask(fmt.Sprint("token", i))
	}
	old := now.Now().Add(-time.Hour)
	before := names(t, dir)
	for _, name := range before {
		if err := os.Chtimes(filepath.Join(dir, name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	// Each has an answer, an attempt and a lock.
	wantUserinfoFiles := func(when string, want int) {
		t.Helper()
		n := 0
		for _, name := range names(t, dir) {
			if strings.HasPrefix(name, "userinfo-") {
				n++
			}
		}
		if n != want {
			t.Errorf("%s: expected %d files, got %q", when, want, names(t, dir))
		}
	}
	ask("token3")
	wantUserinfoFiles("within a minute of the last sweep", 12)

	// Long after the last sweep on this clock, and before the new files age on it.
	attempt := filepath.Join(dir, "userinfo.attempt")
	if err := os.WriteFile(attempt, []byte(old.UTC().Format(time.RFC3339Nano)), 0o600); err != nil {
		t.Fatal(err)
	}
	ask("token4")
	wantUserinfoFiles("after a sweep", 6)
	after := names(t, dir)
	for _, name := range before {
		if slices.Contains(after, name) == strings.HasPrefix(name, "userinfo-") {
			t.Errorf("%s: expected the old answers alone to be removed, got %q of %q", name, after, before)
		}
	}
}

// TestUserinfoIsSweptAfterFailures: false access tokens fill no disk.
func TestUserinfoIsSweptAfterFailures(t *testing.T) {
	op, dir := newProvider(t), t.TempDir()
	now := &clock{now: time.Now()}
	op.set(userinfoPath, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	c := op.newCache(dir, now)
	ask := func(token string) {
		t.Helper()
		_, err := c.Userinfo(context.Background(), op.issuer, token, "alice")
		wantReason(t, err, idp.ReasonStatus)
	}
	files := func() []string {
		t.Helper()
		names, err := filepath.Glob(filepath.Join(dir, "userinfo-*"))
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	for i := range 5 {
		ask(fmt.Sprint("token", i))
	}
	old := now.Now().Add(-time.Hour)
	left := files()
	if len(left) == 0 {
		t.Fatal("expected files, got none")
	}
	for _, file := range left {
		if err := os.Chtimes(file, old, old); err != nil {
			t.Fatal(err)
		}
	}
	now.move(2 * time.Minute)
	ask("token")
	for _, file := range left {
		if _, err := os.Lstat(file); err == nil {
			t.Errorf("left: %s", file)
		}
	}
}
