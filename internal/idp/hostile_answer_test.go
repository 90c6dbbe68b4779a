package idp_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"opkssh/internal/idp"
)

func body(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
}

// typed has no Content-Type where mediaType is empty.
func typed(mediaType, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = []string{mediaType}
		_, _ = w.Write([]byte(text))
	}
}

func redirect(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
}

// TestHostileAnswers: whatever the provider says, its reason is named and the good keys stay.
func TestHostileAnswers(t *testing.T) {
	var bomb bytes.Buffer
	packer := gzip.NewWriter(&bomb)
	_, _ = packer.Write(bytes.Repeat([]byte(" "), 32<<20))
	_ = packer.Close()

	endless := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1073741824")
		for block := bytes.Repeat([]byte(" "), 1<<16); r.Context().Err() == nil; {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}
	slow := func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("{"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	op := newProvider(t)
	goodKeys := string(jwks(t, "two"))
	discovery := func(members map[string]any) http.HandlerFunc { return body(string(op.discovery(members))) }

	for _, test := range []struct {
		name   string
		path   string
		answer http.HandlerFunc
		want   idp.Reason
	}{
		{"other issuer", discoveryPath, discovery(map[string]any{"issuer": "https://op.example.com"}), idp.ReasonIssuerMismatch},
		{"issuer with a slash", discoveryPath, discovery(map[string]any{"issuer": op.issuer + "/"}), idp.ReasonIssuerMismatch},
		{"no issuer", discoveryPath, discovery(map[string]any{"issuer": nil}), idp.ReasonIssuerMismatch},
		{"issuer in other case", discoveryPath, body(`{"Issuer":"` + op.issuer + `","jwks_uri":"` + op.URL + `/keys"}`), idp.ReasonIssuerMismatch},
		{"no jwks_uri", discoveryPath, discovery(map[string]any{"jwks_uri": nil}), idp.ReasonEndpoint},
		{"plain jwks_uri", discoveryPath, discovery(map[string]any{"jwks_uri": strings.Replace(op.URL, "https", "http", 1) + jwksPath}), idp.ReasonEndpoint},
		{"file jwks_uri", discoveryPath, discovery(map[string]any{"jwks_uri": "file:///etc/passwd"}), idp.ReasonEndpoint},
		{"jwks_uri array", discoveryPath, discovery(map[string]any{"jwks_uri": []string{op.URL + jwksPath}}), idp.ReasonMalformed},
		{"duplicate member", discoveryPath, body(`{"issuer":"https://op.example.com","issuer":"` + op.issuer + `","jwks_uri":"` + op.URL + `/keys"}`), idp.ReasonMalformed},
		{"more after the object", discoveryPath, body(string(op.discovery(nil)) + "{}"), idp.ReasonMalformed},
		{"empty discovery", discoveryPath, body(""), idp.ReasonMalformed},
		{"discovery 500", discoveryPath, status(500), idp.ReasonStatus},
		{"discovery 204", discoveryPath, status(204), idp.ReasonStatus},
		{"discovery 304", discoveryPath, status(304), idp.ReasonStatus},
		{"discovery HTML", discoveryPath, typed("text/html; charset=utf-8", string(op.discovery(nil))), idp.ReasonContentType},
		{"discovery without end", discoveryPath, endless, idp.ReasonTooLarge},
		{"keys 500", jwksPath, status(500), idp.ReasonStatus},
		{"keys 206", jwksPath, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(206); _, _ = w.Write([]byte(goodKeys)) }, idp.ReasonStatus},
		{"keys HTML", jwksPath, typed("text/html", goodKeys), idp.ReasonContentType},
		{"keys XML", jwksPath, typed("application/xml", goodKeys), idp.ReasonContentType},
		{"keys of a text type", jwksPath, typed("text/jwk-set+json", goodKeys), idp.ReasonContentType},
		{"keys of unreadable type", jwksPath, typed("application/json; =", goodKeys), idp.ReasonContentType},
		{"keys without end", jwksPath, endless, idp.ReasonTooLarge},
		{"keys over 1 MiB", jwksPath, body(goodKeys + strings.Repeat(" ", 1<<20+1-len(goodKeys))), idp.ReasonTooLarge},
		{"gzip bomb", jwksPath, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb.Bytes())
		}, idp.ReasonTooLarge},
		{"truncated", jwksPath, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(goodKeys)+1))
			_, _ = w.Write([]byte(goodKeys))
		}, idp.ReasonNetwork},
		{"huge header", jwksPath, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Large", strings.Repeat("a", 1<<20))
			_, _ = w.Write([]byte(goodKeys))
		}, idp.ReasonNetwork},
		{"no keys", jwksPath, body(`{"keys":[]}`), idp.ReasonNoKeys},
		{"no usable keys", jwksPath, body(`{"keys":[{"kty":"oct","k":"c2VjcmV0","alg":"HS256"},1,null]}`), idp.ReasonNoKeys},
		{"keys null", jwksPath, body(`{"keys":null}`), idp.ReasonMalformed},
		{"duplicate keys", jwksPath, body(`{"keys":[],` + goodKeys[1:]), idp.ReasonMalformed},
		{"redirect to http", jwksPath, redirect(strings.Replace(op.URL, "https", "http", 1) + "/good"), idp.ReasonRedirect},
		{"redirect to another scheme", jwksPath, redirect("ftp://op.example.com/"), idp.ReasonRedirect},
		{"redirect with a user", jwksPath, redirect(strings.Replace(op.URL, "://", "://alice@", 1) + "/good"), idp.ReasonRedirect},
		{"redirect for ever", jwksPath, redirect(jwksPath), idp.ReasonRedirect},
	} {
		t.Run(test.name, func(t *testing.T) {
			now, dir := newClock(), t.TempDir()
			c := op.newCache(dir, now)
			wantKey(t, c, op.issuer, "one", true)
			file := filepath.Join(dir, idp.ProviderFileName(op.issuer)+".json")
			before, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			good := op.get(test.path)
			op.set("/good", body(goodKeys))
			op.set(test.path, test.answer)
			defer op.set(test.path, good)

			now.move(time.Hour)
			wantReason(t, c.Refresh(context.Background(), op.issuer), test.want)
			wantKey(t, c, op.issuer, "one", true)
			after, err := os.ReadFile(file)
			if err != nil || !bytes.Equal(before, after) {
				t.Errorf("the good keys were overwritten, %v", err)
			}
			_, err = op.newCache("", now).Keys(context.Background(), op.issuer, nil)
			wantReason(t, err, test.want)
		})
	}

	for name, answer := range map[string]http.HandlerFunc{"slow body": slow, "no answer": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }} {
		t.Run(name, func(t *testing.T) {
			good := op.get(jwksPath)
			op.set(jwksPath, answer)
			defer op.set(jwksPath, good)
			c := op.newCache("", newClock())
			c.Timeout = 200 * time.Millisecond
			_, err := c.Keys(context.Background(), op.issuer, nil)
			wantReason(t, err, idp.ReasonNetwork)
		})
	}
}

func TestAcceptedAnswers(t *testing.T) {
	op := newProvider(t)
	document := string(jwks(t, "one"))
	for _, mediaType := range []string{"application/json", "application/json;charset=UTF-8", "application/jwk-set+json", "text/plain", "application/octet-stream", ""} {
		op.set(jwksPath, func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = []string{mediaType}
			_, _ = w.Write([]byte(document + strings.Repeat(" ", 1<<20-len(document))))
		})
		wantKey(t, op.newCache("", newClock()), op.issuer, "one", true)
	}
	op.set(jwksPath, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		packer := gzip.NewWriter(w)
		_, _ = packer.Write([]byte(document))
		_ = packer.Close()
	})
	wantKey(t, op.newCache("", newClock()), op.issuer, "one", true)

	// Five redirects, and six.
	first := "/hop1"
	for i := range 6 {
		op.set(fmt.Sprintf("/hop%d", i), func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, fmt.Sprintf("/hop%d", i+1), http.StatusTemporaryRedirect)
		})
	}
	op.set("/hop6", body(document))
	op.set(jwksPath, body(document))
	op.set(discoveryPath, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(op.discovery(map[string]any{"jwks_uri": op.URL + first}))
	})
	wantKey(t, op.newCache("", newClock()), op.issuer, "one", true)
	first = "/hop0"
	_, err := op.newCache("", newClock()).Keys(context.Background(), op.issuer, nil)
	wantReason(t, err, idp.ReasonRedirect)
}
