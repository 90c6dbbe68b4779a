package usercli_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// caOfBrowser names a file with the authority that the browser of a script trusts.
const caOfBrowser = "CA_OF_BROWSER"

// tlsProvider FILE starts a provider by https, $TLS_ISSUER, and writes the certificate of its authority, which the browser trusts.
func tlsProvider(ts *testscript.TestScript, _ bool, args []string) {
	server := newOpenIDProvider(ts.Value(ofTest{}).(testing.TB), "https")
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // about clients that do not trust it
	server.StartTLS()
	file := ts.MkAbs(args[0])
	ts.Check(os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600))
	ts.Setenv("TLS_ISSUER", server.URL)
	ts.Setenv(caOfBrowser, file)
}

// browserTransport is nil for the usual one.
func browserTransport() http.RoundTripper {
	file := os.Getenv(caOfBrowser)
	if file == "" {
		return nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(data)
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
}
