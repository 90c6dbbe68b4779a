// Package gliderauth puts the pipeline of package sshauth in front of a gliderlabs/ssh server.
package gliderauth

import (
	"context"
	"errors"
	"time"

	gliderssh "github.com/gliderlabs/ssh"
	"golang.org/x/crypto/ssh"

	"opkssh/pkg/sshauth"
	"opkssh/pkg/sshcert"
)

// timeout bounds one decision, so that a slow provider does not hold connections.
const timeout = 5 * time.Second

// Auth is how a server authenticates.
type Auth struct {
	Authenticator *sshauth.Authenticator

	// Decided, if not nil, is told of each login that is granted, once the client has proved to hold the key, and of each that is
	// refused: exactly one of grant and err is set. A refusal mostly comes before the proof, when the client asks about the key.
	// Keys that are not ours are not told of.
	Decided func(user string, grant *sshauth.Grant, err error)

	// EnforcesOptions says that the server itself enforces the options of the rule (Grant.Decision.Options) and the critical
	// options of the certificate. Without it, a login that has any is refused: gliderlabs/ssh knows nothing of them.
	EnforcesOptions bool
}

var (
	errOptions = errors.New("the rule or the certificate limits the session, and this server does not enforce such options")
	errNoKey   = errors.New("expected a public key, got no authentication")
)

// Install makes s accept public keys that a grants, and nothing else. It fails rather than leave a server without
// authentication: gliderlabs/ssh asks for none where no handler is set. The server's authentication handlers must stay as they
// are afterwards.
func (a *Auth) Install(s *gliderssh.Server) error {
	if a.Authenticator == nil || a.Authenticator.Source == nil || a.Authenticator.Keys == nil {
		return errors.New("gliderauth: an Authenticator with Source and Keys is required")
	}
	if s.PublicKeyHandler != nil || s.PasswordHandler != nil || s.KeyboardInteractiveHandler != nil {
		return errors.New("gliderauth: the server already has another way to authenticate")
	}
	// This handler answers for keys that the client only asks about, too, so that its yes is no login. Its context has the user
	// name of the connection's first request: the connection itself knows the present one. Without our configuration, which
	// gives the connection, it says no.
	s.PublicKeyHandler = func(ctx gliderssh.Context, key gliderssh.PublicKey) bool {
		conn, ok := ctx.Value(connKey{}).(ssh.ConnMetadata)
		if !ok {
			return false
		}
		_, err := a.authorize(ctx, conn.User(), key)
		if err != nil && !errors.Is(err, sshcert.ErrNotOurs) {
			a.tell(conn.User(), nil, err)
		}
		return err == nil
	}
	configure := s.ServerConfigCallback
	s.ServerConfigCallback = func(ctx gliderssh.Context) *ssh.ServerConfig {
		config := &ssh.ServerConfig{}
		if configure != nil {
			if c := configure(ctx); c != nil {
				config = c
			}
		}
		a.configure(ctx, config)
		return config
	}
	return nil
}

// configure leaves public keys as the one way to authenticate.
func (a *Auth) configure(ctx gliderssh.Context, config *ssh.ServerConfig) {
	config.PasswordCallback, config.KeyboardInteractiveCallback, config.GSSAPIWithMICConfig = nil, nil, nil
	config.NoClientAuth = false
	// gliderlabs/ssh sets NoClientAuth again where somebody has taken the handlers away.
	config.NoClientAuthCallback = func(ssh.ConnMetadata) (*ssh.Permissions, error) { return nil, errNoKey }
	before := config.PreAuthConnCallback
	config.PreAuthConnCallback = func(conn ssh.ServerPreAuthConn) {
		ctx.SetValue(connKey{}, conn)
		if before != nil {
			before(conn)
		}
	}
	// This one is called once the client has proved that it holds the key, with the user name that it logs in as. What it
	// returns is what the connection has.
	config.VerifiedPublicKeyCallback = func(conn ssh.ConnMetadata, key ssh.PublicKey, _ *ssh.Permissions, _ string) (*ssh.Permissions, error) {
		grant, err := a.authorize(ctx, conn.User(), key)
		a.tell(conn.User(), grant, err)
		if err != nil {
			return nil, err
		}
		ctx.SetValue(gliderssh.ContextKeyUser, conn.User())
		return &ssh.Permissions{
			CriticalOptions: grant.Certificate.SSH().CriticalOptions, // of these, x/crypto/ssh enforces source-address
			ExtraData:       map[any]any{grantKey{}: grant},
		}, nil
	}
}

func (a *Auth) tell(user string, grant *sshauth.Grant, err error) {
	if a.Decided != nil {
		a.Decided(user, grant, err)
	}
}

func (a *Auth) authorize(ctx context.Context, user string, key ssh.PublicKey) (*sshauth.Grant, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	grant, err := a.Authenticator.Authorize(ctx, user, key)
	if err != nil {
		return nil, err
	}
	limited := len(grant.Decision.Options) > 0 || len(grant.Certificate.SSH().CriticalOptions) > 0
	if limited && !a.EnforcesOptions {
		return nil, errOptions
	}
	return grant, nil
}

// The keys of our values in a context and in permissions.
type (
	connKey  struct{}
	grantKey struct{}
)

// GrantOf is the grant with which the connection behind ctx was authenticated: that of a session's Context, say. It is nil
// where there is none.
func GrantOf(ctx gliderssh.Context) *sshauth.Grant {
	conn, ok := ctx.Value(gliderssh.ContextKeyConn).(*ssh.ServerConn)
	if !ok || conn.Permissions == nil {
		return nil
	}
	grant, _ := conn.Permissions.ExtraData[grantKey{}].(*sshauth.Grant)
	return grant
}
