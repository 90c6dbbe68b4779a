package soak

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// Server is where people log in as alice, and the command `echo in` prints "in".
type Server struct {
	Address string
	HostKey ssh.PublicKey
}

// patience is for one login, however busy the machine is.
const patience = 2 * time.Minute

// errRefused: the server wants none of the keys.
var errRefused = errors.New("refused")

func (s *Server) login(signer ssh.Signer) error {
	conn, err := net.DialTimeout("tcp", s.Address, patience)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	secure, channels, requests, err := ssh.NewClientConn(conn, s.Address, &ssh.ClientConfig{
		User: "alice", Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.FixedHostKey(s.HostKey),
	})
	if err != nil && strings.Contains(err.Error(), "unable to authenticate") {
		return errRefused
	}
	if err != nil {
		return err
	}
	client := ssh.NewClient(secure, channels, requests)
	defer func() { _ = client.Close() }()
	session, err := client.NewSession()
	if err != nil {
		return err
	}
	out, err := session.Output("echo in")
	if err == nil && string(out) != "in\n" {
		err = fmt.Errorf("expected a session that prints in, got %q", out)
	}
	return err
}

// Out is an attempt that is refused.
func (s *Server) Out(name string, signer func(testing.TB) ssh.Signer) Attempt {
	return Attempt{name, func(t testing.TB) error {
		err := s.login(signer(t))
		if err == nil {
			return errors.New("let in")
		}
		if errors.Is(err, errRefused) {
			return nil
		}
		return err
	}}
}

// In is an attempt that gets in, at a provider whose keys may change: see [Keys].
func (s *Server) In(k *Keys, name string, signer func(testing.TB) ssh.Signer) Attempt {
	return Attempt{name, func(t testing.TB) error {
		person, number := k.person(t, signer)
		known := k.known.Load()
		err := s.login(person)
		if err == nil {
			k.learn(number)
		}
		if errors.Is(err, errRefused) && known < k.present() {
			k.TooEarly.Add(1)
			return nil
		}
		return err
	}}
}

// Keys are those that a provider has one after the other. A host asks for keys every now and then, however many it does not know it
// sees: whoever comes with a new one may be refused until the first has got in with it, and nobody from then on.
type Keys struct {
	TooEarly atomic.Int64 // attempts that were refused before

	mu     sync.RWMutex
	number int64        // of the provider's key
	known  atomic.Int64 // the last one with which somebody got in
}

// Rotate gives the provider a new key.
func (k *Keys) Rotate(t testing.TB, p *Provider) {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	p.Rotate(t)
	k.number++
}

// Known is whether somebody got in with the provider's present key.
func (k *Keys) Known() bool { return k.known.Load() == k.present() }

// Notes says what the change of keys meant.
func (k *Keys) Notes(p *Provider) string {
	return fmt.Sprintf("The provider was asked for keys with %d requests, and changed its key at half time: %d logins came before the new one was known.",
		p.Requests.Load(), k.TooEarly.Load())
}

func (k *Keys) person(t testing.TB, signer func(testing.TB) ssh.Signer) (ssh.Signer, int64) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return signer(t), k.number
}

func (k *Keys) present() int64 {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.number
}

func (k *Keys) learn(number int64) {
	for known := k.known.Load(); known < number && !k.known.CompareAndSwap(known, number); known = k.known.Load() {
	}
}
