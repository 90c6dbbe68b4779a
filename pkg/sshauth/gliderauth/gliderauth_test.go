package gliderauth_test

import (
	"crypto/rand"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"unsafe"

	gliderssh "github.com/gliderlabs/ssh"
	"golang.org/x/crypto/ssh"

	"opkssh/pkg/pktoken"
	"opkssh/pkg/pktoken/pktokentest"
	"opkssh/pkg/policy"
	"opkssh/pkg/sshauth"
	"opkssh/pkg/sshauth/gliderauth"
	"opkssh/pkg/sshcert"
)

const issuerURL = "https://op.example.com"

const aliceRule = "alice alice@example.com " + issuerURL

// server is an SSH server whose sessions say what they know of the login.
type server struct {
	*gliderssh.Server
	issuer  *pktokentest.Issuer
	auth    *gliderauth.Auth
	address string

	mu       sync.Mutex
	grants   []*sshauth.Grant
	refusals []error
	users    []string // of all decisions
}

// newServer has rules, and is not listening yet.
func newServer(t *testing.T, rules string) *server {
	t.Helper()
	issuer := pktokentest.NewIssuer(t, issuerURL, "ES256")
	parsed, problems := policy.ParseRules("auth_id", []byte(rules))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	hostKey, err := ssh.NewSignerFromSigner(pktokentest.UserKey(t))
	if err != nil {
		t.Fatal(err)
	}
	s := &server{issuer: issuer, Server: &gliderssh.Server{HostSigners: []gliderssh.Signer{hostKey}, Handler: func(session gliderssh.Session) {
		grant := gliderauth.GrantOf(session.Context())
		if grant == nil {
			_, _ = io.WriteString(session, "no grant")
			return
		}
		_, _ = io.WriteString(session, strings.Join([]string{
			grant.User, session.User(), session.Context().User(), grant.Verified.Email(), ssh.FingerprintSHA256(grant.Certificate.SSH().Key),
		}, " "))
	}}}
	s.auth = &gliderauth.Auth{
		Authenticator: &sshauth.Authenticator{
			Source: &sshauth.StaticSource{Providers: []pktoken.Provider{issuer.Provider()}, Policy: &policy.Policy{System: parsed}},
			Keys:   pktokentest.KeySet(t, issuer),
		},
		Decided: s.decided,
	}
	return s
}

func (s *server) decided(user string, grant *sshauth.Grant, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users = append(s.users, user)
	if grant != nil {
		s.grants = append(s.grants, grant)
	}
	if err != nil {
		s.refusals = append(s.refusals, err)
	}
}

func (s *server) install(t *testing.T) *server {
	t.Helper()
	if err := s.auth.Install(s.Server); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *server) listen(t *testing.T) *server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = listener.Addr().String()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Serve(listener); !errors.Is(err, gliderssh.ErrServerClosed) {
			t.Errorf("expected ErrServerClosed, got %v", err)
		}
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	return s
}

// expectDecisions checks what Decided was told.
func (s *server) expectDecisions(t *testing.T, grants int, refusals ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var reasons []string
	for _, err := range s.refusals {
		reason := "other"
		if refusal := (*sshauth.Refusal)(nil); errors.As(err, &refusal) {
			reason = refusal.Reason()
		}
		reasons = append(reasons, reason)
	}
	if len(s.grants) != grants || strings.Join(reasons, ",") != strings.Join(refusals, ",") {
		t.Errorf("expected %d grants and refusals %q, got %d and %q", grants, refusals, len(s.grants), reasons)
	}
}

// key is a key with a certificate for email.
func (s *server) key(t *testing.T, email string, change func(*ssh.Certificate)) ssh.Signer {
	t.Helper()
	key := pktokentest.UserKey(t)
	plain, err := ssh.NewSignerFromSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := sshcert.New(rand.Reader, plain, s.issuer.Token(t, key, map[string]any{"sub": email, "email": email, "email_verified": true}), sshcert.Template{})
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(cert)
		if err := cert.SignCert(rand.Reader, plain); err != nil {
			t.Fatal(err)
		}
	}
	signer, err := ssh.NewCertSigner(cert, plain)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// dial logs in as user and gives what a session says.
func (s *server) dial(t *testing.T, user string, methods ...ssh.AuthMethod) (string, error) {
	t.Helper()
	return s.dialWith(t, &ssh.ClientConfig{User: user, Auth: methods})
}

func (s *server) dialWith(t *testing.T, config *ssh.ClientConfig) (string, error) {
	t.Helper()
	config.HostKeyCallback = ssh.InsecureIgnoreHostKey() // loopback, and not what is tested
	client, err := ssh.Dial("tcp", s.address, config)
	if err != nil {
		return "", err
	}
	defer func() { _ = client.Close() }()
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	output, err := session.Output("whoami")
	if err != nil {
		t.Fatal(err)
	}
	return string(output), nil
}

func fingerprint(key ssh.Signer) string {
	return ssh.FingerprintSHA256(key.PublicKey().(*ssh.Certificate).Key)
}

func expectSession(t *testing.T, got string, err error, want ...string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Join(want, " "); got != want {
		t.Errorf("expected %q, got %q", want, got)
	}
}

func TestLogin(t *testing.T) {
	s := newServer(t, aliceRule).install(t).listen(t)
	alice := s.key(t, "alice@example.com", nil)
	got, err := s.dial(t, "alice", ssh.PublicKeys(alice))
	expectSession(t, got, err, "alice", "alice", "alice", "alice@example.com", fingerprint(alice))
	s.expectDecisions(t, 1)
}

func TestRefusedLogins(t *testing.T) {
	for name, test := range map[string]struct {
		user    string
		methods func(t *testing.T, s *server) []ssh.AuthMethod
		reasons []string
	}{
		"person without a rule": {
			user: "alice",
			methods: func(t *testing.T, s *server) []ssh.AuthMethod {
				return []ssh.AuthMethod{ssh.PublicKeys(s.key(t, "bob@example.com", nil))}
			},
			reasons: []string{string(policy.ReasonNoRule)},
		},
		"another user of the host": {
			user: "root",
			methods: func(t *testing.T, s *server) []ssh.AuthMethod {
				return []ssh.AuthMethod{ssh.PublicKeys(s.key(t, "alice@example.com", nil))}
			},
			reasons: []string{string(policy.ReasonNoRule)},
		},
		"somebody else's key": {
			user: "alice",
			methods: func(t *testing.T, _ *server) []ssh.AuthMethod {
				signer, err := ssh.NewSignerFromSigner(pktokentest.UserKey(t))
				if err != nil {
					t.Fatal(err)
				}
				return []ssh.AuthMethod{ssh.PublicKeys(signer)}
			},
		},
		"no authentication": {
			user:    "alice",
			methods: func(*testing.T, *server) []ssh.AuthMethod { return nil },
		},
		"password": {
			user:    "alice",
			methods: func(*testing.T, *server) []ssh.AuthMethod { return []ssh.AuthMethod{ssh.Password("")} },
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, aliceRule).install(t).listen(t)
			if got, err := s.dial(t, test.user, test.methods(t, s)...); err == nil {
				t.Errorf("expected no login, got %q", got)
			}
			s.expectDecisions(t, 0, test.reasons...)
		})
	}
}

func TestStolenCertificate(t *testing.T) {
	s := newServer(t, aliceRule).install(t).listen(t)
	thief, err := ssh.NewSignerFromSigner(pktokentest.UserKey(t))
	if err != nil {
		t.Fatal(err)
	}
	stolen := &asked{Signer: thief, public: s.key(t, "alice@example.com", nil).PublicKey()}
	if got, err := s.dial(t, "alice", ssh.PublicKeys(stolen)); err == nil {
		t.Errorf("expected no login, got %q", got)
	}
	s.expectDecisions(t, 0)
}

// asked is a signer that shows another public key than its own.
type asked struct {
	ssh.Signer
	public ssh.PublicKey
	used   func()
	err    error
}

func (a *asked) PublicKey() ssh.PublicKey { return a.public }

func (a *asked) Sign(random io.Reader, data []byte) (*ssh.Signature, error) {
	if a.used != nil {
		a.used()
	}
	if a.err != nil {
		return nil, a.err
	}
	return a.Signer.Sign(random, data)
}

// onlyAsk makes a client that asks about the first key, does not use it whatever the answer, and logs in with the second.
// between is called before the second key comes.
func onlyAsk(user string, first, second ssh.Signer, between func()) *ssh.ClientConfig {
	probe := ssh.PublicKeys(&asked{Signer: first, public: first.PublicKey(), err: errors.New("only asked")})
	return &ssh.ClientConfig{User: user, Auth: []ssh.AuthMethod{probe}, AuthCallback: sequence(probe, between, ssh.PublicKeys(second))}
}

// sequence uses first and then second.
func sequence(first ssh.AuthMethod, between func(), second ssh.AuthMethod) func(*ssh.ClientAuthContext) (ssh.AuthMethod, error) {
	calls := 0
	return func(*ssh.ClientAuthContext) (ssh.AuthMethod, error) {
		switch calls++; calls {
		case 1:
			return first, nil
		case 2:
			if between != nil {
				between()
			}
			return second, nil
		}
		return nil, errors.New("no further method")
	}
}

func TestKeyThatIsOnlyAskedAbout(t *testing.T) {
	t.Run("does not let another one in", func(t *testing.T) {
		s := newServer(t, aliceRule).install(t).listen(t)
		config := onlyAsk("alice", s.key(t, "alice@example.com", nil), s.key(t, "bob@example.com", nil), nil)
		if got, err := s.dialWith(t, config); err == nil {
			t.Errorf("expected no login, got %q", got)
		}
		s.expectDecisions(t, 0, string(policy.ReasonNoRule))
	})
	t.Run("is not the one in the grant", func(t *testing.T) {
		s := newServer(t, aliceRule+"\nalice bob@example.com "+issuerURL).install(t).listen(t)
		bob := s.key(t, "bob@example.com", nil)
		got, err := s.dialWith(t, onlyAsk("alice", s.key(t, "alice@example.com", nil), bob, nil))
		expectSession(t, got, err, "alice", "alice", "alice", "bob@example.com", fingerprint(bob))
		s.expectDecisions(t, 1)
	})
}

// changingUser is a user name that changes while the connection authenticates: x/crypto/ssh's client has one string, so that its
// bytes change. Both names have the same length.
func changingUser(from, to string) (user string, change func()) {
	name := []byte(from)
	return unsafe.String(&name[0], len(name)), func() { copy(name, to) }
}

func TestUserNameThatChanges(t *testing.T) {
	t.Run("to one that may log in", func(t *testing.T) {
		s := newServer(t, aliceRule).install(t).listen(t)
		alice := s.key(t, "alice@example.com", nil)
		user, change := changingUser("carol", "alice")
		got, err := s.dialWith(t, onlyAsk(user, alice, alice, change))
		expectSession(t, got, err, "alice", "alice", "alice", "alice@example.com", fingerprint(alice))
		s.expectDecisions(t, 1, string(policy.ReasonNoRule))
		if got := strings.Join(s.users, " "); got != "carol alice" {
			t.Errorf("expected decisions on carol and alice, got %s", got)
		}
	})
	t.Run("to one that may not", func(t *testing.T) {
		s := newServer(t, aliceRule).install(t).listen(t)
		alice := s.key(t, "alice@example.com", nil)
		user, change := changingUser("alice", "carol")
		if got, err := s.dialWith(t, onlyAsk(user, alice, alice, change)); err == nil {
			t.Errorf("expected no login, got %q", got)
		}
		s.expectDecisions(t, 0, string(policy.ReasonNoRule))
	})
	t.Run("between the signature's question and the signature", func(t *testing.T) {
		s := newServer(t, aliceRule).install(t).listen(t)
		alice := s.key(t, "alice@example.com", nil)
		user, change := changingUser("alice", "carol")
		signed := &asked{Signer: alice, public: alice.PublicKey(), used: change}
		if got, err := s.dial(t, user, ssh.PublicKeys(signed)); err == nil {
			t.Errorf("expected no login, got %q", got)
		}
		s.expectDecisions(t, 0, string(policy.ReasonNoRule))
	})
}

func TestSessionLimits(t *testing.T) {
	critical := func(name, value string) func(*ssh.Certificate) {
		return func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{name: value} }
	}
	for name, test := range map[string]struct {
		rule     string
		change   func(*ssh.Certificate)
		enforces bool
		granted  bool
		reasons  []string
	}{
		"rule option":                                {rule: aliceRule + ` command="date"`, reasons: []string{"other"}},
		"rule option, enforced":                      {rule: aliceRule + ` command="date"`, enforces: true, granted: true},
		"critical option":                            {rule: aliceRule, change: critical("force-command", "date"), reasons: []string{"other"}},
		"critical option, enforced":                  {rule: aliceRule, change: critical("force-command", "date"), enforces: true, granted: true},
		"unknown critical option, enforced":          {rule: aliceRule, change: critical("frobnicate", ""), enforces: true, reasons: []string{string(sshcert.ReasonCriticalOption)}},
		"source address of the client, enforced":     {rule: aliceRule, change: critical("source-address", "127.0.0.0/8"), enforces: true, granted: true},
		"source address of somebody else, enforced":  {rule: aliceRule, change: critical("source-address", "192.0.2.0/24"), enforces: true},
		"source address of the client, not enforced": {rule: aliceRule, change: critical("source-address", "127.0.0.0/8"), reasons: []string{"other"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, test.rule)
			s.auth.EnforcesOptions = test.enforces
			s.install(t).listen(t)
			got, err := s.dial(t, "alice", ssh.PublicKeys(s.key(t, "alice@example.com", test.change)))
			if (err == nil) != test.granted {
				t.Errorf("expected granted %t, got %q, %v", test.granted, got, err)
			}
			if test.granted {
				s.expectDecisions(t, 1)
			} else if test.reasons != nil {
				s.expectDecisions(t, 0, test.reasons...)
			}
		})
	}
}

func TestInstallRefuses(t *testing.T) {
	complete := newServer(t, aliceRule).auth.Authenticator
	for name, test := range map[string]struct {
		auth   gliderauth.Auth
		server *gliderssh.Server // nil: one without handlers
	}{
		"no authenticator": {},
		"no source":        {auth: gliderauth.Auth{Authenticator: &sshauth.Authenticator{Keys: complete.Keys}}},
		"no keys":          {auth: gliderauth.Auth{Authenticator: &sshauth.Authenticator{Source: complete.Source}}},
		"public key handler": {
			auth:   gliderauth.Auth{Authenticator: complete},
			server: &gliderssh.Server{PublicKeyHandler: func(gliderssh.Context, gliderssh.PublicKey) bool { return true }},
		},
		"password handler": {
			auth:   gliderauth.Auth{Authenticator: complete},
			server: &gliderssh.Server{PasswordHandler: func(gliderssh.Context, string) bool { return true }},
		},
		"keyboard-interactive handler": {
			auth:   gliderauth.Auth{Authenticator: complete},
			server: &gliderssh.Server{KeyboardInteractiveHandler: func(gliderssh.Context, ssh.KeyboardInteractiveChallenge) bool { return true }},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if test.server == nil {
				test.server = &gliderssh.Server{}
			}
			if err := test.auth.Install(test.server); err == nil {
				t.Error("expected an error")
			}
			if test.server.ServerConfigCallback != nil {
				t.Error("expected the server unchanged")
			}
		})
	}
}

// everything is a configuration that lets everybody in.
func everything(gliderssh.Context) *ssh.ServerConfig {
	return &ssh.ServerConfig{
		NoClientAuth:         true,
		NoClientAuthCallback: func(ssh.ConnMetadata) (*ssh.Permissions, error) { return nil, nil },
		PasswordCallback:     func(ssh.ConnMetadata, []byte) (*ssh.Permissions, error) { return nil, nil },
		KeyboardInteractiveCallback: func(ssh.ConnMetadata, ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			return nil, nil
		},
		PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, nil },
		VerifiedPublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey, *ssh.Permissions, string) (*ssh.Permissions, error) {
			return nil, nil
		},
	}
}

func TestNothingElseLetsAnybodyIn(t *testing.T) {
	for name, test := range map[string]struct {
		before, after func(s *server)
	}{
		"configuration with everything else": {before: func(s *server) { s.ServerConfigCallback = everything }},
		"configuration that is nil":          {before: func(s *server) { s.ServerConfigCallback = func(gliderssh.Context) *ssh.ServerConfig { return nil } }},
		"handler taken away afterwards":      {after: func(s *server) { s.PublicKeyHandler = nil }},
		"handler opened afterwards": {after: func(s *server) {
			s.PublicKeyHandler = func(gliderssh.Context, gliderssh.PublicKey) bool { return true }
		}},
		"configuration replaced afterwards": {after: func(s *server) {
			s.ServerConfigCallback = func(gliderssh.Context) *ssh.ServerConfig { return &ssh.ServerConfig{} }
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, aliceRule)
			if test.before != nil {
				test.before(s)
			}
			s.install(t)
			if test.after != nil {
				test.after(s)
			}
			s.listen(t)
			plain, err := ssh.NewSignerFromSigner(pktokentest.UserKey(t))
			if err != nil {
				t.Fatal(err)
			}
			interactive := ssh.KeyboardInteractive(func(string, string, []string, []bool) ([]string, error) { return nil, nil })
			for way, method := range map[string][]ssh.AuthMethod{
				"none":                 nil,
				"password":             {ssh.Password("")},
				"keyboard-interactive": {interactive},
				"plain key":            {ssh.PublicKeys(plain)},
				"bob":                  {ssh.PublicKeys(s.key(t, "bob@example.com", nil))},
			} {
				if got, err := s.dial(t, "alice", method...); err == nil {
					t.Errorf("%s: expected no login, got %q", way, got)
				}
			}
		})
	}
}

func TestNoClientAuthIsOff(t *testing.T) {
	s := newServer(t, aliceRule)
	s.ServerConfigCallback = everything
	s.install(t)
	installed, configs := s.ServerConfigCallback, make(chan *ssh.ServerConfig, 1)
	s.ServerConfigCallback = func(ctx gliderssh.Context) *ssh.ServerConfig {
		config := installed(ctx)
		configs <- config
		return config
	}
	s.listen(t)
	if got, err := s.dial(t, "alice"); err == nil {
		t.Errorf("expected no login, got %q", got)
	}
	if config := <-configs; config.NoClientAuth {
		t.Error("expected NoClientAuth to be off")
	}
}

func TestOwnConfigurationStays(t *testing.T) {
	s := newServer(t, aliceRule)
	var mu sync.Mutex
	var banner, early bool
	s.ServerConfigCallback = func(gliderssh.Context) *ssh.ServerConfig {
		return &ssh.ServerConfig{
			BannerCallback: func(ssh.ConnMetadata) string {
				mu.Lock()
				defer mu.Unlock()
				banner = true
				return ""
			},
			PreAuthConnCallback: func(ssh.ServerPreAuthConn) {
				mu.Lock()
				defer mu.Unlock()
				early = true
			},
		}
	}
	s.install(t).listen(t)
	alice := s.key(t, "alice@example.com", nil)
	got, err := s.dial(t, "alice", ssh.PublicKeys(alice))
	expectSession(t, got, err, "alice", "alice", "alice", "alice@example.com", fingerprint(alice))
	mu.Lock()
	defer mu.Unlock()
	if !banner || !early {
		t.Errorf("expected the server's own callbacks to be called, got banner %t, PreAuthConn %t", banner, early)
	}
}
