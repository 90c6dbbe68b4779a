package idp_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"opkssh/internal/idp"
)

// newProxy is a CONNECT proxy that knows one host under any name, and counts.
func newProxy(t *testing.T, to *openIDProvider) (url string, connections func() []string) {
	t.Helper()
	var mu sync.Mutex
	var asked []string
	var tunnels sync.WaitGroup
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.Method+" "+r.RequestURI)
		mu.Unlock()
		if r.Method != http.MethodConnect {
			http.NotFound(w, r)
			return
		}
		far, err := net.Dial("tcp", to.Listener.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		near, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := near.Write([]byte("HTTP/1.1 200 OK\r\n\r\n")); err != nil {
			t.Error(err)
		}
		tunnels.Go(func() { _, _ = io.Copy(far, buffered); _ = far.Close() })
		tunnels.Go(func() { _, _ = io.Copy(near, far); _ = near.Close() })
	}))
	t.Cleanup(func() { proxy.Close(); tunnels.Wait() })
	return proxy.URL, func() []string { mu.Lock(); defer mu.Unlock(); return asked }
}

func environment(variables map[string]string) func(string) string {
	return func(name string) string { return variables[name] }
}

func at(address string) func(context.Context, string) ([]netip.Addr, error) {
	return func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr(address)}, nil
	}
}

func TestProxy(t *testing.T) {
	for i, name := range []string{"HTTPS_PROXY", "https_proxy"} {
		op := newProvider(t)
		proxy, connections := newProxy(t, op)
		if i == 1 {
			proxy = strings.TrimPrefix(proxy, "http://")
		}
		op.issuer, op.URL = "https://example.com", "https://example.com"
		c := op.newCache("", newClock())
		c.Network.Getenv = environment(map[string]string{name: proxy, "NO_PROXY": "other.example.com"})
		wantKey(t, c, op.issuer, "one", true)
		if asked := connections(); len(asked) != 1 || asked[0] != "CONNECT example.com:443" {
			t.Errorf("expected one connection for both requests, got %q", asked)
		}
	}

	op := newProvider(t)
	proxy, connections := newProxy(t, op)
	c := op.newCache("", newClock())
	c.Network.Getenv = environment(map[string]string{"HTTPS_PROXY": proxy})
	wantKey(t, c, op.issuer, "one", true)
	if asked := connections(); len(asked) != 0 {
		t.Errorf("loopback through the proxy: %q", asked)
	}

	// A public address goes through it as a name does. It has no certificate here.
	c.Network.Getenv = environment(map[string]string{"HTTPS_PROXY": proxy})
	_, err := c.Keys(context.Background(), "https://192.0.2.1", nil)
	wantReason(t, err, idp.ReasonNetwork)
	if asked := connections(); len(asked) != 1 || asked[0] != "CONNECT 192.0.2.1:443" {
		t.Errorf("expected one connection to the address, got %q", asked)
	}

	// One that cannot be understood is not passed over, and its password is not repeated.
	for _, value := range []string{"http://alice:secret@[::1", "ftp://alice:secret@192.0.2.1", "alice:secret@", "http://alice:secret@192.0.2.1\x7f"} {
		c.Network.Getenv = environment(map[string]string{"HTTPS_PROXY": value})
		_, err := c.Keys(context.Background(), op.issuer, nil)
		wantReason(t, err, idp.ReasonProxy)
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the password is in %q", err)
		}
	}
	op.wantRequests(1, 1)
}

// TestPrivateAddress: only a provider that is at a private address sends us to one, by redirect or by document.
func TestPrivateAddress(t *testing.T) {
	op := newProvider(t)
	proxy, connections := newProxy(t, op)
	local := op.URL
	op.issuer, op.URL = "https://example.com", "https://example.com"
	op.set("/good", op.get(jwksPath))
	for _, sent := range []struct {
		name string
		by   func(to string)
	}{
		{"redirect", func(to string) {
			op.up()
			op.set(jwksPath, redirect(to))
		}},
		{"jwks_uri", func(to string) {
			op.set(discoveryPath, func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write(op.discovery(map[string]any{"jwks_uri": to}))
			})
		}},
	} {
		for _, test := range []struct {
			to, issuerAt string
			refused      bool
		}{
			{local + "/good", "192.0.2.1", true},
			{strings.Replace(local, "127.0.0.1", "localhost", 1) + "/good", "192.0.2.1", true},
			{"https://10.1.2.3/good", "192.0.2.1", true},
			{"https://[fd00::1]/good", "192.0.2.1", true},
			{local + "/good", "10.0.0.1", false},
		} {
			t.Run(sent.name+" "+test.issuerAt+" "+test.to, func(t *testing.T) {
				sent.by(test.to)
				c := op.newCache("", newClock())
				c.Network = idp.Network{Roots: op.roots(), Getenv: environment(map[string]string{"HTTPS_PROXY": proxy})}.WithLookup(at(test.issuerAt))
				_, err := c.Keys(context.Background(), op.issuer, nil)
				switch {
				case test.refused:
					wantReason(t, err, idp.ReasonAddress)
				case err != nil:
					t.Error(err)
				}
			})
		}
	}
	for _, asked := range connections() {
		if asked != "CONNECT example.com:443" {
			t.Errorf("the proxy was asked for %s", asked)
		}
	}
}

func TestCheckAddress(t *testing.T) {
	public, private := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("10.0.0.1")
	for _, test := range []struct {
		name     string
		issuerAt []netip.Addr
		host     string
		address  netip.Addr
		refused  bool
	}{
		{"public from public", []netip.Addr{public}, "keys.example.com", public, false},
		{"private from public", []netip.Addr{public}, "keys.example.com", private, true},
		{"private from private", []netip.Addr{private}, "keys.example.com", private, false},
		{"private from both", []netip.Addr{private, public}, "keys.example.com", private, true},
		{"private from both, the private one last", []netip.Addr{public, private}, "keys.example.com", private, true},
		{"private from nowhere", nil, "keys.example.com", private, true},
		{"the issuer itself", []netip.Addr{private, public}, "OP.example.com", private, false},
		{"localhost that is not", []netip.Addr{private}, "LocalHost", private, true},
		{"localhost in public", []netip.Addr{private}, "localhost", public, true},
		{"localhost", []netip.Addr{private}, "localhost", netip.MustParseAddr("::1"), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := idp.CheckAddress("op.example.com", test.issuerAt, test.host, test.address)
			if test.refused {
				wantReason(t, err, idp.ReasonAddress)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestIsPrivate(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1": true, "127.9.9.9": true, "::1": true, "::": true, "0.0.0.0": true, "0.1.2.3": true,
		"10.0.0.1": true, "172.16.0.1": true, "172.31.255.255": true, "192.168.1.1": true, "100.64.0.1": true,
		"169.254.169.254": true, "fe80::1": true, "fe80::1%eth0": true, "fd00::1": true, "ff02::1": true, "224.0.0.1": true, "255.255.255.255": true,
		"192.0.0.1": true, "198.18.0.1": true,
		"::ffff:127.0.0.1": true, "::ffff:10.0.0.1": true, "64:ff9b::a00:1": true,
		"172.32.0.1": false, "100.128.0.1": false, "93.184.216.34": false, "2606:4700::1": false, "::ffff:93.184.216.34": false, "64:ff9b::5db8:d822": false,
	} {
		if got := idp.IsPrivate(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: expected %t", address, want)
		}
	}
}

func TestPlainHTTPOnLoopback(t *testing.T) {
	document := jwks(t, "one")
	elsewhere := ""
	var server *httptest.Server
	server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == discoveryPath:
			_, _ = w.Write([]byte(`{"issuer":"http://` + r.Host + `","jwks_uri":"` + server.URL + `/keys"}`))
		case elsewhere != "":
			http.Redirect(w, r, elsewhere, http.StatusFound)
		default:
			_, _ = w.Write(document)
		}
	}))
	closed := make(chan struct{}, 10)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			closed <- struct{}{}
		}
	}
	server.Start()
	defer server.Close()
	c := &idp.Cache{Timeout: 60e9}
	wantKey(t, c, server.URL, "one", true)
	// The keys are at a private address and under another name, and the resolver says that the issuer is at one, too.
	wantKey(t, c, strings.Replace(server.URL, "127.0.0.1", "localhost", 1), "one", true)
	// A connection that is kept for nobody would be kept for ever.
	for range 2 {
		select {
		case <-closed:
		case <-time.After(time.Minute):
			t.Fatal("expected the connections to be closed")
		}
	}
	for _, elsewhere = range []string{"http://op.example.com/", "http://127.0.0.1.example.com/", "https://op.example.com/"} {
		_, err := c.Keys(context.Background(), server.URL, nil)
		wantReason(t, err, idp.ReasonRedirect)
	}
}

func TestCertificates(t *testing.T) {
	op := newProvider(t)
	folder := t.TempDir()
	file := filepath.Join(folder, "root.pem")
	encoded := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: op.Certificate().Raw})
	for path, data := range map[string][]byte{file: encoded, filepath.Join(folder, "README"): []byte("certificates")} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(folder, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name      string
		variables map[string]string
		want      idp.Reason
	}{
		{"unknown root", nil, idp.ReasonNetwork},
		{"file", map[string]string{"SSL_CERT_FILE": file}, ""},
		{"folders", map[string]string{"SSL_CERT_DIR": t.TempDir() + string(filepath.ListSeparator) + folder}, ""},
		{"folders with empty names", map[string]string{"SSL_CERT_DIR": string(filepath.ListSeparator) + folder + string(filepath.ListSeparator)}, ""},
		{"missing file", map[string]string{"SSL_CERT_FILE": file + "x"}, idp.ReasonProxy},
		{"file without certificate", map[string]string{"SSL_CERT_FILE": filepath.Join(folder, "README")}, idp.ReasonProxy},
		{"missing folder", map[string]string{"SSL_CERT_DIR": folder + "x"}, idp.ReasonProxy},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := op.newCache("", newClock())
			c.Network = idp.Network{Getenv: environment(test.variables)}
			_, err := c.Keys(context.Background(), op.issuer, nil)
			wantReasonOrNone(t, err, test.want)
			if test.want == idp.ReasonProxy && !strings.Contains(err.Error(), folder) {
				t.Errorf("expected the name of what cannot be used, got %q", err)
			}
		})
	}
	// Beside the roots that are given.
	if err := os.WriteFile(file, anotherCertificate(t), 0o600); err != nil {
		t.Fatal(err)
	}
	c := op.newCache("", newClock())
	c.Network.Getenv = environment(map[string]string{"SSL_CERT_FILE": file})
	wantKey(t, c, op.issuer, "one", true)
}

// anotherCertificate is nobody's here.
func anotherCertificate(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	made, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made})
}

// filesByName gives files of its own, whatever is on the disk.
type filesByName map[string][]byte

func (f filesByName) File(path string) ([]byte, error) {
	data, ok := f[path]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return data, nil
}

func (f filesByName) CheckFolder(path string) error {
	if strings.HasSuffix(path, "closed") {
		return fs.ErrPermission
	}
	return nil
}

func (f filesByName) LeftOut(_ string, errs []error) {
	if len(errs) > 0 {
		f["left out"] = nil
	}
}

// TestCertificatesOfAReader: what a reader does not give is not read from the disk.
func TestCertificatesOfAReader(t *testing.T) {
	op := newProvider(t)
	encoded := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: op.Certificate().Raw})
	disk := t.TempDir()
	onDisk := func(folder, data string) string {
		file := filepath.Join(disk, folder, "file")
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(data), 0o600)); err != nil {
			t.Fatal(err)
		}
		return file
	}
	ours, other, closed := onDisk("ours", "nothing"), onDisk("other", string(encoded)), onDisk("closed", "nothing")
	for _, test := range []struct {
		variable, value string
		want            idp.Reason // of a request
		checked         idp.Reason
		leftOut         bool
	}{
		{"SSL_CERT_FILE", ours, "", "", false},
		{"SSL_CERT_DIR", filepath.Dir(ours), "", "", false},
		{"SSL_CERT_FILE", other, idp.ReasonProxy, idp.ReasonProxy, false},
		{"SSL_CERT_DIR", filepath.Dir(other), idp.ReasonNetwork, "", true},
		{"SSL_CERT_DIR", filepath.Dir(closed), idp.ReasonProxy, idp.ReasonProxy, false},
	} {
		files := filesByName{ours: encoded, closed: encoded}
		network := idp.Network{Getenv: environment(map[string]string{test.variable: test.value}), Certificates: files}
		c := op.newCache("", newClock())
		c.Network = network
		_, err := c.Keys(context.Background(), op.issuer, nil)
		wantReasonOrNone(t, err, test.want)
		wantReasonOrNone(t, network.CheckCertificates(), test.checked)
		if _, said := files["left out"]; said != test.leftOut {
			t.Errorf("%s=%s: left out: expected %v, got %v", test.variable, test.value, test.leftOut, said)
		}
	}
}

func wantReasonOrNone(t *testing.T, err error, want idp.Reason) {
	t.Helper()
	if want != "" {
		wantReason(t, err, want)
	} else if err != nil {
		t.Error(err)
	}
}

// TestLargeCertificateFiles: for a person's own, too.
func TestLargeCertificateFiles(t *testing.T) {
	folder := t.TempDir()
	for name, size := range map[string]int64{"a": idp.MaxCertificates - 1, "b": 1, "large": idp.MaxCertificates + 1} {
		file, err := os.Create(filepath.Join(folder, name))
		if err == nil {
			err = errors.Join(file.Truncate(size), file.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	file := idp.Network{Getenv: environment(map[string]string{"SSL_CERT_FILE": filepath.Join(folder, "large")})}
	if err := file.CheckCertificates(); err == nil || !strings.Contains(err.Error(), "at most 4 MiB") {
		t.Errorf("a file: %v", err)
	}
	exact := filepath.Join(t.TempDir(), "exact")
	if err := os.WriteFile(exact, make([]byte, idp.MaxCertificates), 0o600); err != nil {
		t.Fatal(err)
	}
	file.Getenv = environment(map[string]string{"SSL_CERT_FILE": exact})
	if err := file.CheckCertificates(); err == nil || !strings.Contains(err.Error(), "no certificate") {
		t.Errorf("a file as large as allowed: %v", err)
	}
	all := idp.Network{Getenv: environment(map[string]string{"SSL_CERT_DIR": folder})}
	if err := all.CheckCertificates(); err != nil {
		t.Errorf("a folder with one that is too large: %v", err)
	}
	if err := os.WriteFile(filepath.Join(folder, "c"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := all.CheckCertificates(); err == nil || !strings.Contains(err.Error(), "at most 4 MiB") {
		t.Errorf("a folder: %v", err)
	}
}

// TestRequestHeaders: a provider sees who asks and for what, and the access token at userinfo alone.
func TestRequestHeaders(t *testing.T) {
	op := newProvider(t)
	op.set(userinfoPath, body(`{"sub":"alice"}`))
	var seen sync.Map
	authorizations := map[string]string{discoveryPath: "", jwksPath: "", userinfoPath: "Bearer " + accessToken}
	for path := range authorizations {
		answer := op.get(path)
		op.set(path, func(w http.ResponseWriter, r *http.Request) { seen.Store(path, r.Header); answer(w, r) })
	}
	if _, err := op.newCache("", newClock()).Userinfo(context.Background(), op.issuer, accessToken, "alice"); err != nil {
		t.Fatal(err)
	}
	for path, authorization := range authorizations {
		header, _ := seen.Load(path)
		for name, want := range map[string]string{"User-Agent": "opkssh", "Accept": "application/json", "Authorization": authorization} {
			if got := header.(http.Header).Get(name); got != want {
				t.Errorf("%s: %s: expected %q, got %q", path, name, want, got)
			}
		}
	}
}

func TestClientOfNoURL(t *testing.T) {
	_, err := idp.Network{}.Client("https://op.example.com\n")
	wantReason(t, err, idp.ReasonIssuer)
}

func TestOldTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	op := &openIDProvider{Server: server}
	c := op.newCache("", newClock())
	_, err := c.Keys(context.Background(), server.URL, nil)
	wantReason(t, err, idp.ReasonNetwork)
}
