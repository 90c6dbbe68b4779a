package idp_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"opkssh/internal/idp"
)

// CAFile counts for whatever the provider sends the client to, and beside the other roots.
func TestCAFile(t *testing.T) {
	op, elsewhere := newProvider(t), newProvider(t)
	op.set(jwksPath, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL+jwksPath, http.StatusFound)
	})
	file := filepath.Join(t.TempDir(), "authority.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: op.Certificate().Raw})
	if err := os.WriteFile(file, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name    string
		network idp.Network
		want    idp.Reason
	}{
		{"none", idp.Network{}, idp.ReasonNetwork},
		{"the authority", idp.Network{CAFile: file}, ""},
		{"beside roots", idp.Network{CAFile: file, Roots: x509.NewCertPool()}, ""},
		{"beside a variable", idp.Network{CAFile: file, Getenv: environment(map[string]string{"SSL_CERT_DIR": t.TempDir()})}, ""},
		{"missing", idp.Network{CAFile: file + "x"}, idp.ReasonProxy},
		{"without a certificate", idp.Network{CAFile: empty}, idp.ReasonProxy},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := op.newCache("", newClock())
			c.Network = test.network
			_, err := c.Keys(context.Background(), op.issuer, nil)
			wantReasonOrNone(t, err, test.want)
			if name := test.network.CAFile; name != "" && (idp.CheckCAFile(name) == nil) != (test.want == "") {
				t.Errorf("CheckCAFile: %v", idp.CheckCAFile(name))
			}
		})
	}
}
