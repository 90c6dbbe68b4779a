package userkeys_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"opkssh/internal/userkeys"
	"opkssh/pkg/pktoken/pktokentest"
	"opkssh/pkg/sshcert"
)

// recordingAgent is an ssh-agent that remembers with which constraints keys came.
type recordingAgent struct {
	agent.Agent
	mu     sync.Mutex
	added  []agent.AddedKey
	refuse bool

	noLifetimes bool // refuse what has one, as on Windows
}

func (a *recordingAgent) Add(key agent.AddedKey) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.refuse || a.noLifetimes && key.LifetimeSecs > 0 {
		return errors.New("no")
	}
	a.added = append(a.added, key)
	key.LifetimeSecs, key.ConfirmBeforeUse = 0, false // which a keyring in memory does not have
	return a.Agent.Add(key)
}

// startAgent serves a recording agent, and connects to it as a program does.
func startAgent(t *testing.T) (*recordingAgent, *userkeys.Agent) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "agent")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	recording := &recordingAgent{Agent: agent.NewKeyring()}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _ = agent.ServeAgent(recording, conn) }()
		}
	}()
	client, err := userkeys.DialAgent(t.Context(), func(name string) string {
		return map[string]string{"SSH_AUTH_SOCK": socket}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return recording, client
}

// account is who logs in, and with what.
type account struct {
	issuer, clientID, subject, email string
	end                              time.Time
}

var alice = account{issuer: "https://op.example.com", clientID: "opkssh", subject: "user-1", email: "alice@example.com"}

func (a account) login(t *testing.T, kind userkeys.KeyType) (crypto.Signer, *ssh.Certificate) {
	t.Helper()
	key, err := userkeys.Generate(kind)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	claims := map[string]any{"sub": a.subject, "email": a.email, "aud": a.clientID}
	token := pktokentest.NewIssuer(t, a.issuer, "ES256").Token(t, key, claims)
	cert, err := sshcert.New(rand.Reader, signer, token, sshcert.Template{ValidBefore: a.end})
	if err != nil {
		t.Fatal(err)
	}
	return key, cert
}

func TestAgentConstraints(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	cases := map[string]struct {
		end      time.Time
		most     time.Duration
		confirm  bool
		lifetime uint32
		refused  bool
	}{
		"what is left":         {end: now.Add(time.Hour), lifetime: 3600},
		"with confirmation":    {end: now.Add(time.Hour), lifetime: 3600, confirm: true},
		"no end":               {lifetime: 0},
		"longer than it holds": {end: now.Add(200 * 365 * 24 * time.Hour), lifetime: 1<<32 - 1},
		"a shorter one":        {end: now.Add(time.Hour), most: 10*time.Minute + time.Second/2, lifetime: 600},
		"a longer one":         {end: now.Add(time.Hour), most: 2 * time.Hour, lifetime: 3600},
		"one without an end":   {most: time.Minute, lifetime: 60},
		"less than a second":   {most: time.Millisecond, lifetime: 1},
		"over":                 {end: now, refused: true},
		"over, with a longer":  {end: now, most: time.Hour, refused: true},
		"long over":            {end: now.Add(-time.Hour), refused: true},
	}
	for name, c := range cases {
		for _, kind := range []userkeys.KeyType{userkeys.ECDSA, userkeys.Ed25519} {
			t.Run(name+"/"+string(kind), func(t *testing.T) {
				recording, client := startAgent(t)
				who := alice
				who.end = c.end
				key, cert := who.login(t, kind)
				err := client.Add(key, cert, "work", userkeys.Constraints{Lifetime: c.most, Confirm: c.confirm}, now)
				if c.refused {
					if err == nil || len(recording.added) > 0 {
						t.Errorf("expected a refusal, got %v and %d keys", err, len(recording.added))
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				got := recording.added[0]
				if got.LifetimeSecs != c.lifetime || got.ConfirmBeforeUse != c.confirm {
					t.Errorf("expected %d s, confirm %v; got %d s, confirm %v", c.lifetime, c.confirm, got.LifetimeSecs, got.ConfirmBeforeUse)
				}
			})
		}
	}
}

func TestAgentComment(t *testing.T) {
	recording, client := startAgent(t)
	who := alice
	who.email, who.end = "alice\x1b]0;owned\u202e@example.com", time.Date(2100, 1, 2, 3, 4, 5, 0, time.UTC)
	key, cert := who.login(t, userkeys.ECDSA)
	if err := client.Add(key, cert, "work", userkeys.Constraints{}, time.Now()); err != nil {
		t.Fatal(err)
	}
	const want = "openpubkey: alias=work alice?]0;owned?@example.com https://op.example.com until 2100-01-02T03:04:05Z"
	if got := recording.added[0].Comment; got != want {
		t.Errorf("expected %q, got %q", want, got)
	}
}

// TestAgentReplaces: a login takes the place of the account's older key, and of nothing else.
func TestAgentReplaces(t *testing.T) {
	recording, client := startAgent(t)
	others := map[string]account{}
	for name, change := range map[string]func(*account){
		"another account":    func(a *account) { a.subject = "user-2" },
		"another issuer":     func(a *account) { a.issuer = "https://other.example.com" },
		"another client":     func(a *account) { a.clientID = "other" },
		"no subject at all":  func(a *account) { a.subject = "" },
		"no subject, again":  func(a *account) { a.subject = "" },
		"the one to replace": func(*account) {},
	} {
		who := alice
		change(&who)
		others[name] = who
		key, cert := who.login(t, userkeys.Ed25519)
		if err := client.Add(key, cert, "", userkeys.Constraints{}, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	// Of the same account, but not login's: by its comment, and by its kind.
	own, cert := alice.login(t, userkeys.Ed25519)
	for _, key := range []agent.AddedKey{
		{PrivateKey: own, Certificate: cert, Comment: "alice@laptop"},
		{PrivateKey: own, Comment: sshcert.Comment},
	} {
		if err := recording.Agent.Add(key); err != nil {
			t.Fatal(err)
		}
	}
	key, cert := alice.login(t, userkeys.ECDSA)
	if err := client.Add(key, cert, "", userkeys.Constraints{}, time.Now()); err != nil {
		t.Fatal(err)
	}
	list, err := client.List()
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != len(others) {
		t.Errorf("expected %d keys of ours, got %d", len(others), len(list))
	}
	for _, id := range list {
		if id.Same(list[0]) && id.Subject == alice.subject && !bytes.Equal(id.Certificate.Marshal(), cert.Marshal()) &&
			id.Issuer == alice.issuer && id.ClientID == alice.clientID {
			t.Error("the older key is still there")
		}
	}
	all, err := recording.List()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != len(others)+2 {
		t.Errorf("expected %d keys in all, got %d", len(others)+2, len(all))
	}
}

func TestAgentRefuses(t *testing.T) {
	recording, client := startAgent(t)
	recording.refuse = true
	key, cert := alice.login(t, userkeys.ECDSA)
	if err := client.Add(key, cert, "", userkeys.Constraints{}, time.Now()); err == nil || !strings.Contains(err.Error(), "take the key") {
		t.Errorf("got %v", err)
	}
}

// TestAgentWithoutLifetimes gets the key without one, but not without the confirmation that was asked for.
func TestAgentWithoutLifetimes(t *testing.T) {
	recording, client := startAgent(t)
	recording.noLifetimes = true
	who := alice
	who.end = time.Now().Add(time.Hour)
	key, cert := who.login(t, userkeys.ECDSA)
	if err := client.Add(key, cert, "", userkeys.Constraints{Confirm: true}, time.Now()); err == nil || len(recording.added) > 0 || client.NoLifetimes() {
		t.Errorf("with confirmation: %v, %d keys", err, len(recording.added))
	}
	if err := client.Add(key, cert, "", userkeys.Constraints{}, time.Now()); err != nil || len(recording.added) != 1 || !client.NoLifetimes() {
		t.Errorf("without: %v, %d keys", err, len(recording.added))
	}
	// What such an agent keeps beyond its time goes with the next login, of whichever account.
	other := alice
	other.subject = "user-2"
	key, cert = other.login(t, userkeys.ECDSA)
	if err := client.Add(key, cert, "", userkeys.Constraints{}, who.end); err != nil {
		t.Fatal(err)
	}
	if list, err := client.List(); err != nil || len(list) != 1 || list[0].Subject != other.subject {
		t.Errorf("got %d keys, %v", len(list), err)
	}
}

// TestAgentAfterALongLogin: the connection is made before somebody is sent to the provider, and used much later.
func TestAgentAfterALongLogin(t *testing.T) {
	_, client := startAgent(t)
	key, cert := alice.login(t, userkeys.ECDSA)
	for range 2 {
		if err := client.PassDeadline(); err != nil {
			t.Fatal(err)
		}
		if err := client.Add(key, cert, "", userkeys.Constraints{}, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.PassDeadline(); err != nil {
		t.Fatal(err)
	}
	if list, err := client.List(); err != nil || len(list) != 1 {
		t.Errorf("got %d keys, %v", len(list), err)
	}
}

func TestNoAgent(t *testing.T) {
	for _, socket := range []string{filepath.Join(t.TempDir(), "nobody"), `\\.\pipe\opkssh-nobody`} {
		_, err := userkeys.DialAgent(t.Context(), func(string) string { return socket })
		var none *userkeys.NoAgentError
		if !errors.As(err, &none) {
			t.Errorf("%s: expected a NoAgentError, got %v", socket, err)
		}
	}
}

// TestComplete joins what is in files with what an agent holds.
func TestComplete(t *testing.T) {
	_, client := startAgent(t)
	folder := t.TempDir()
	inBoth, agentOnly, fileOnly := alice, alice, alice
	agentOnly.subject, fileOnly.subject = "user-2", "user-3"
	for name, who := range map[string]account{"id_ecdsa": inBoth, "id_ed25519": fileOnly, "": agentOnly} {
		key, cert := who.login(t, userkeys.ECDSA)
		if name != "" {
			if err := userkeys.At(filepath.Join(folder, name)).Write(key, cert); err != nil {
				t.Fatal(err)
			}
		}
		if who != fileOnly {
			if err := client.Add(key, cert, "work", userkeys.Constraints{}, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
	}
	list, err := userkeys.List(folder)
	if err != nil {
		t.Fatal(err)
	}
	list, err = client.Complete(list)
	if err != nil || len(list) != 3 {
		t.Fatalf("expected 3 keys, got %d, %v", len(list), err)
	}
	for _, id := range list {
		if inFile, inAgent := id.Subject != "user-2", id.Subject != "user-3"; id.HasKeyFile != inFile || id.InAgent != inAgent {
			t.Errorf("%s: in a file %v, in the agent %v", id.Subject, id.HasKeyFile, id.InAgent)
		}
	}
}
