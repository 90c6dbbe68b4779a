package load_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"opkssh/integration/endtoend"
	"opkssh/integration/issuer"
	"opkssh/integration/sshd"
	"opkssh/pkg/pktoken/pktokentest"
)

const providers = 1000

// town is a server where many OpenID providers are, each at a path of its own. They share a key.
type town struct {
	url, jwks string

	mu       sync.Mutex
	requests map[string]int // by issuer
}

func startTown(t *testing.T) *town {
	t.Helper()
	o := &town{jwks: string(pktokentest.JWKS(t, pktokentest.NewIssuer(t, "", "RS256").JWK(t))), requests: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{n}/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		issuer := o.url + "/" + r.PathValue("n")
		o.count(issuer)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{
			"issuer": issuer, "authorization_endpoint": issuer + "/auth", "token_endpoint": issuer + "/token", "jwks_uri": issuer + "/keys",
		})
	})
	mux.HandleFunc("GET /{n}/keys", func(w http.ResponseWriter, r *http.Request) {
		o.count(o.url + "/" + r.PathValue("n"))
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, o.jwks)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	o.url = server.URL
	return o
}

func (o *town) issuer(n int) string { return fmt.Sprintf("%s/%d", o.url, n) }

func (o *town) count(issuer string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.requests[issuer]++
}

// takeRequests gives the requests since the last call, by issuer.
func (o *town) takeRequests() map[string]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	taken := o.requests
	o.requests = map[string]int{}
	return taken
}

// TestProviders: a host that believes a thousand providers asks the one whose token it sees, the last in the file. With the keys of all
// of them held, it asks none.
func TestProviders(t *testing.T) {
	o := startTown(t)
	h := endtoend.StartEmptyHost(t, endtoend.Command)
	var rows strings.Builder
	for n := range providers {
		_, _ = fmt.Fprintf(&rows, "%s %s 24h\n", o.issuer(n), pktokentest.ClientID)
	}
	h.Write(t, "providers", rows.String())
	last := o.issuer(providers - 1)
	h.Write(t, "auth_id", ruleOf(last))
	id := (&issuer.Issuer{Issuer: pktokentest.NewIssuer(t, last, "RS256")}).Login(t, alice)
	client := clientOf(t, h, id)
	// In memory: some disks take long to promise a thousand times that a file is written.
	const cache = "/var/cache/opkssh"
	memory := h.Exec(t, "root", "sh", "-c", "mount -t tmpfs -o mode=0700 cache "+cache+" && chown "+sshd.CommandUser+" "+cache)
	if memory.ExitCode != 0 {
		t.Fatalf("%+v", memory)
	}

	wantIn(t, h, client)
	if got := o.takeRequests(); len(got) != 1 || got[last] != 2 {
		t.Errorf("the first login: expected two requests to %s, got %v", last, got)
	}
	if row := h.LastRecord(t)["provider_row"]; row != fmt.Sprintf("/etc/opk/providers:%d", providers) {
		t.Errorf("expected the last row, got %v", row)
	}

	command := func(args ...string) string {
		r := h.Exec(t, "root", append([]string{sshd.BinDir + "/opkssh", "keys"}, args...)...)
		if r.ExitCode != 0 {
			t.Fatalf("keys %q: %+v", args, r)
		}
		return r.Stdout
	}
	command("refresh", "--all")
	if got := o.takeRequests(); len(got) != providers {
		t.Errorf("refresh: expected requests to %d providers, got %d", providers, len(got))
	}
	if fresh := strings.Count(command("list"), ": fresh for "); fresh != providers {
		t.Errorf("list: expected %d fresh providers, got %d", providers, fresh)
	}
	wantIn(t, h, client)
	if got := o.takeRequests(); len(got) != 0 {
		t.Errorf("with the keys of all held: expected no request, got %v", got)
	}
}
