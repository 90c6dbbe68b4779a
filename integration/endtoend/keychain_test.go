package endtoend_test

import (
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"

	"opkssh/integration/endtoend"
	"opkssh/integration/process"
	"opkssh/integration/provider"
)

// secretService is as much of a keychain (freedesktop.org's Secret Service, draft 0.2) as is asked of it, with one collection.
type secretService struct {
	conn *dbus.Conn

	mu    sync.Mutex
	items map[dbus.ObjectPath]secretItem
	last  int
}

type secretItem struct {
	attributes map[string]string
	secret     []byte
}

// wireSecret is the type (oayays).
type wireSecret struct {
	Session     dbus.ObjectPath
	Parameters  []byte
	Value       []byte
	ContentType string
}

const (
	secretsPath    = dbus.ObjectPath("/org/freedesktop/secrets")
	collectionPath = secretsPath + "/collection/login"
	noPrompt       = dbus.ObjectPath("/")
)

// startSecretService runs a bus with a keychain on it, and returns the bus's address.
func startSecretService(t *testing.T) (s *secretService, address string) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "bus")
	address = "unix:path=" + socket
	daemon := process.Start(t, exec.Command("dbus-daemon", "--session", "--nofork", "--nopidfile", "--address="+address))
	daemon.WaitFor(t, "the bus", func() bool {
		c, err := net.Dial("unix", socket)
		if err != nil {
			return false
		}
		_ = c.Close()
		return true
	})
	conn, err := dbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	s = &secretService{conn: conn, items: map[dbus.ObjectPath]secretItem{}}
	s.export(t, s, secretsPath, "org.freedesktop.Secret.Service")
	s.export(t, properties{}, secretsPath, "org.freedesktop.DBus.Properties")
	s.export(t, &collection{s}, collectionPath, "org.freedesktop.Secret.Collection")
	s.export(t, session{}, secretsPath+"/session", "org.freedesktop.Secret.Session")
	if reply, err := conn.RequestName("org.freedesktop.secrets", dbus.NameFlagDoNotQueue); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatalf("name on the bus: %v, %v", reply, err)
	}
	return s, address
}

func (s *secretService) export(t *testing.T, methods any, path dbus.ObjectPath, name string) {
	t.Helper()
	if err := s.conn.Export(methods, path, name); err != nil {
		t.Fatal(err)
	}
}

// secrets are what it holds.
func (s *secretService) secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for item := range maps.Values(s.items) {
		all = append(all, string(item.secret))
	}
	return all
}

// OpenSession opens one without encryption, which is for the bus's socket to see to.
func (s *secretService) OpenSession(string, dbus.Variant) (dbus.Variant, dbus.ObjectPath, *dbus.Error) {
	return dbus.MakeVariant(""), secretsPath + "/session", nil
}

// Unlock finds everything unlocked.
func (s *secretService) Unlock(paths []dbus.ObjectPath) ([]dbus.ObjectPath, dbus.ObjectPath, *dbus.Error) {
	return paths, noPrompt, nil
}

type properties struct{}

// Get knows the collections alone.
func (properties) Get(string, string) (dbus.Variant, *dbus.Error) {
	return dbus.MakeVariant([]dbus.ObjectPath{collectionPath}), nil
}

type session struct{}

// Close ends the session.
func (session) Close() *dbus.Error { return nil }

type collection struct{ service *secretService }

// CreateItem keeps a secret, in the place of one with the same attributes.
func (c *collection) CreateItem(
	properties map[string]dbus.Variant, secret wireSecret, _ bool,
) (item, prompt dbus.ObjectPath, failure *dbus.Error) {
	attributes, _ := properties["org.freedesktop.Secret.Item.Attributes"].Value().(map[string]string)
	found, _ := c.SearchItems(attributes)
	s := c.service
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(found) > 0 {
		item = found[0]
	} else {
		s.last++
		item = dbus.ObjectPath(fmt.Sprintf("%s/%d", collectionPath, s.last))
	}
	s.items[item] = secretItem{attributes, secret.Value}
	if err := s.conn.Export(&secretObject{s, item}, item, "org.freedesktop.Secret.Item"); err != nil {
		return "", "", dbus.MakeFailedError(err)
	}
	return item, noPrompt, nil
}

// SearchItems finds items with just these attributes.
func (c *collection) SearchItems(attributes map[string]string) ([]dbus.ObjectPath, *dbus.Error) {
	c.service.mu.Lock()
	defer c.service.mu.Unlock()
	found := []dbus.ObjectPath{}
	for path, item := range c.service.items {
		if maps.Equal(item.attributes, attributes) {
			found = append(found, path)
		}
	}
	return found, nil
}

type secretObject struct {
	service *secretService
	path    dbus.ObjectPath
}

// GetSecret gives the secret away.
func (o *secretObject) GetSecret(session dbus.ObjectPath) (wireSecret, *dbus.Error) {
	o.service.mu.Lock()
	defer o.service.mu.Unlock()
	return wireSecret{Session: session, Parameters: []byte{}, Value: o.service.items[o.path].secret, ContentType: "text/plain"}, nil
}

// Delete forgets it.
func (o *secretObject) Delete() (dbus.ObjectPath, *dbus.Error) {
	o.service.mu.Lock()
	defer o.service.mu.Unlock()
	delete(o.service.items, o.path)
	return noPrompt, nil
}

// TestTheKeychainKeepsRefreshTokens: where there is one, no file does.
func TestTheKeychainKeepsRefreshTokens(t *testing.T) {
	p := provider.Start(t, provider.Zitadel)
	keychain, address := startSecretService(t)
	alice := endtoend.NewPerson(t, p, "alice")
	alice.Desktop = []string{"DBUS_SESSION_BUS_ADDRESS=" + address}
	output, _ := alice.Login(t, "--provider", alice.Describe()+",,openid email offline_access", "-v")
	if !strings.Contains(output, "the refresh token is kept in a keychain") {
		t.Errorf("opkssh login does not say where the refresh token is:\n%s", output)
	}
	first := keychain.secrets()
	if len(first) != 1 || !strings.Contains(first[0], "refresh_token") {
		t.Fatalf("expected one refresh token, got %d secrets", len(first))
	}
	if files, err := filepath.Glob(filepath.Join(alice.Home, ".opk", "*", "*.json")); err != nil || len(files) != 0 {
		t.Errorf("expected no file, got %v, %v", files, err)
	}
	// Twice, since the provider takes each refresh token once.
	for range 2 {
		if output, code := alice.Run(t, "refresh", "-v"); code != 0 {
			t.Fatalf("refresh: exit code %d\n%s", code, output)
		}
	}
	if now := keychain.secrets(); len(now) != 1 || slices.Equal(now, first) {
		t.Errorf("expected the next refresh token in the place of the first, got %d", len(now))
	}
	if output, code := alice.Run(t, "logout"); code != 0 || !strings.Contains(output, "forgot the refresh token") {
		t.Errorf("logout: exit code %d\n%s", code, output)
	}
	if left := keychain.secrets(); len(left) != 0 {
		t.Errorf("expected nothing, got %d secrets", len(left))
	}
	if _, err := os.Stat(filepath.Join(alice.Home, ".opk", "refresh-tokens")); !os.IsNotExist(err) {
		t.Errorf("left behind: %v", err)
	}
}
