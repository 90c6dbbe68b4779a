package demo

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	gliderssh "github.com/gliderlabs/ssh"
	"golang.org/x/crypto/ssh"

	"opkssh/pkg/sshauth"
	"opkssh/pkg/sshauth/gliderauth"
)

// command is the one thing that the server does for those whom it lets in. It starts no program.
const command = "whoami"

// sshServer is an SSH server on 127.0.0.1.
type sshServer struct {
	Address string        // host:port
	HostKey ssh.PublicKey // for known_hosts

	server   *gliderssh.Server
	listener net.Listener
	served   chan error

	mu        sync.Mutex
	decisions []decision
}

// decision is what the server made of one login: either grant or err.
type decision struct {
	user  string
	grant *sshauth.Grant
	err   error
}

// startSSHServer lets in whom authenticator grants a login.
func startSSHServer(authenticator *sshauth.Authenticator) (*sshServer, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	hostKey, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return nil, err
	}
	s := &sshServer{HostKey: hostKey.PublicKey(), served: make(chan error, 1)}
	s.server = &gliderssh.Server{Handler: answer, HostSigners: []gliderssh.Signer{hostKey}}
	auth := &gliderauth.Auth{Authenticator: authenticator, Decided: s.record}
	if err := auth.Install(s.server); err != nil {
		return nil, err
	}
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	s.Address = s.listener.Addr().String()
	go func() { s.served <- s.server.Serve(s.listener) }()
	return s, nil
}

func (s *sshServer) record(user string, grant *sshauth.Grant, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.decisions = append(s.decisions, decision{user, grant, err})
}

// takeDecisions gives the decisions since the last call.
func (s *sshServer) takeDecisions() []decision {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.decisions
	s.decisions = nil
	return taken
}

// close ends the server and all connections.
func (s *sshServer) close() error {
	err := s.server.Close()
	_ = s.listener.Close() // the server does not know it yet where it has only just started, else it is closed
	if served := <-s.served; !errors.Is(served, gliderssh.ErrServerClosed) {
		return errors.Join(err, served)
	}
	return err
}

// answer tells people who they are.
func answer(session gliderssh.Session) {
	grant := gliderauth.GrantOf(session.Context())
	if grant == nil {
		_ = session.Exit(1)
		return
	}
	if words := session.Command(); len(words) != 1 || words[0] != command {
		_, _ = fmt.Fprintf(session.Stderr(), "this server knows one command: %s\n", command)
		_ = session.Exit(127)
		return
	}
	_, _ = io.WriteString(session, identity(
		grant.Verified.Email(), grant.Verified.Issuer(),
		fmt.Sprintf("%s:%d", grant.Decision.Rule.File, grant.Decision.Rule.Line), session.User(),
	))
	_ = session.Exit(0)
}

// identity is the server's answer to whoami.
func identity(email, issuer, rule, user string) string {
	return fmt.Sprintf("you are      %s\naccording to %s\nlet in by    %s\nlogged in as %s\n", email, issuer, rule, user)
}
