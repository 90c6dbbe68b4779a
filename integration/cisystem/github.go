package cisystem

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"opkssh/integration/proxy"
	"opkssh/pkg/pktoken/pktokentest"
)

// The names of GitHub's side. Whoever uses [System.Variables] reaches the stand-in under them, through a proxy.
const (
	gitHubIssuer  = "https://token.actions.githubusercontent.com"
	gitHubRunners = "run-actions-1-azure-eastus.actions.githubusercontent.com"
)

// GitHub is a stand-in for GitHub behind a proxy.
type GitHub struct {
	*System
	Proxy  string // URL for HTTPS_PROXY
	CAFile string // PEM, for SSL_CERT_FILE
}

// StartGitHub runs a GitHub that is reached under GitHub's names.
func StartGitHub(t testing.TB) *GitHub {
	t.Helper()
	s := &System{t: t, Issuer: pktokentest.NewIssuer(t, gitHubIssuer, "RS256")}
	s.serveJob("/23/idtoken/0f1e2d3c")
	g := &GitHub{System: s, CAFile: filepath.Join(t.TempDir(), "ca.pem")}
	server := httptest.NewUnstartedServer(s)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate(t, g.CAFile, "*.actions.githubusercontent.com")}}
	server.StartTLS()
	t.Cleanup(server.Close)
	g.Proxy = proxy.Start(t, server.Listener.Addr().String()).URL
	s.Variables["ACTIONS_ID_TOKEN_REQUEST_URL"] = "https://" + gitHubRunners + s.requestPath + "?api-version=2.0"
	s.Variables["HTTPS_PROXY"], s.Variables["SSL_CERT_FILE"] = g.Proxy, g.CAFile
	return g
}

// certificate makes a self-signed certificate for name, and writes it to file.
func certificate(t testing.TB, file, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test"}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
