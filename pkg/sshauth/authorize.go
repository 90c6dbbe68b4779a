// Package sshauth decides whether an offered SSH key may log in: key, certificate, PK token, policy, grant. The verifier that
// sshd runs and SSH servers written in Go use the same pipeline.
package sshauth

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/pkg/pktoken"
	"opkssh/pkg/policy"
	"opkssh/pkg/sshcert"
)

// Configuration is what a host has decided beforehand. The zero value lets nobody in.
type Configuration struct {
	Providers []pktoken.Provider
	Policy    *policy.Policy

	// Home reads the rules of the requested user's home folder. It is asked for them only when the token and the certificate
	// have been verified and the policy says no without them, since reading them may cost processes, one of them root's: a
	// stranger must not be able to start these. nil: there are none, or Policy has them.
	Home func(ctx context.Context) []policy.Rule
}

// Source finds the configuration for a login as user. It is asked only about certificates that carry a PK token, so that
// other people's keys cost no file access. An error refuses the login.
type Source interface {
	Configuration(ctx context.Context, user string) (*Configuration, error)
}

// StaticSource is a [Source] that has one configuration for every user.
type StaticSource Configuration

// Configuration implements [Source].
func (s *StaticSource) Configuration(context.Context, string) (*Configuration, error) {
	return (*Configuration)(s), nil
}

// Userinfo asks a provider's userinfo endpoint (OpenID Connect Core §5.3) with an access token.
type Userinfo interface {
	Userinfo(ctx context.Context, issuer, accessToken, subject string) (map[string]any, error)
}

// Authenticator is the pipeline. Source and Keys are required.
type Authenticator struct {
	Source   Source
	Keys     pktoken.KeySet
	Userinfo Userinfo         // nil: access tokens are not looked at
	Judge    Judge            // nil: the rules decide alone
	Now      func() time.Time // nil means time.Now
}

// Grant is a login that may go on.
type Grant struct {
	User        string
	Certificate *sshcert.Certificate
	Verified    *pktoken.Verified
	Decision    *policy.Decision
	Warnings    []string
}

// AuthorizedKeysLine is sshd's answer: see [sshcert.AuthorizedKeysLine].
func (g *Grant) AuthorizedKeysLine() (string, error) {
	options := make([]sshcert.Option, len(g.Decision.Options))
	for i, o := range g.Decision.Options {
		options[i] = sshcert.Option(o)
	}
	return sshcert.AuthorizedKeysLine(g.Certificate, options)
}

// Refusal is a login that may not go on, with what was known by then. Err is a [*pktoken.RejectError], a [*policy.Denied], or
// what Source returned.
type Refusal struct {
	Err         error
	Certificate *sshcert.Certificate
	Token       *pktoken.Token    // nil before it was parsed
	Verified    *pktoken.Verified // nil before it was verified
	Warnings    []string
}

// Error is that of Err.
func (r *Refusal) Error() string { return r.Err.Error() }

// Unwrap gives Err.
func (r *Refusal) Unwrap() error { return r.Err }

// ReasonConfiguration is the reason where the host's own configuration cannot be used.
const ReasonConfiguration = "configuration"

// Reason is the refusal's code, for logs and tests.
func (r *Refusal) Reason() string {
	var reject *pktoken.RejectError
	var denied *policy.Denied
	switch {
	case errors.As(r.Err, &denied):
		return string(denied.Reason)
	case errors.As(r.Err, &reject):
		return string(reject.Reason)
	}
	return ReasonConfiguration
}

// Authorize decides on key for a login as user. The error is [sshcert.ErrNotOurs] for a key that this package has nothing to
// say about, else a [*Refusal].
func (a *Authenticator) Authorize(ctx context.Context, user string, key ssh.PublicKey) (*Grant, error) {
	cert, err := sshcert.FromKey(key)
	if err != nil {
		return nil, err
	}
	refusal := &Refusal{Certificate: cert}
	refuse := func(err error) (*Grant, error) {
		refusal.Err = err
		return nil, refusal
	}
	if refusal.Token, err = cert.PKToken(); err != nil {
		return refuse(err)
	}
	configuration, err := a.Source.Configuration(ctx, user)
	if err != nil {
		return refuse(err)
	}
	if configuration == nil || configuration.Policy == nil {
		return refuse(errors.New("the host has no policy"))
	}
	now := time.Now
	if a.Now != nil {
		now = a.Now
	}
	verifier := &pktoken.Verifier{Providers: configuration.Providers, Keys: a.Keys, Now: now}
	verified, err := verifier.Verify(ctx, refusal.Token)
	if err != nil {
		return refuse(err)
	}
	refusal.Verified = verified
	at := now()
	if err := cert.Check(verified, user, at); err != nil {
		return refuse(err)
	}
	verified, warning := a.withUserinfo(ctx, verified, cert.AccessToken())
	if warning != "" {
		refusal.Warnings = append(refusal.Warnings, warning)
	}
	decision, err := a.decide(ctx, configuration, verified, policy.Request{
		User:                   user,
		KeyFingerprint:         ssh.FingerprintSHA256(cert.SSH().Key),
		CertificateFingerprint: ssh.FingerprintSHA256(cert.SSH()),
		Now:                    at,
	})
	if err != nil {
		return refuse(err)
	}
	return &Grant{
		User: user, Certificate: cert, Verified: verified, Decision: decision,
		Warnings: append(refusal.Warnings, decision.Warnings...),
	}, nil
}

// decide asks the policy, and once more with the rules of the home folder if a further rule can change the answer.
func (c *Configuration) decide(ctx context.Context, v *pktoken.Verified, r policy.Request) (*policy.Decision, error) {
	decision, err := c.Policy.Decide(v, r)
	var denied *policy.Denied
	if !errors.As(err, &denied) || !ruleMayHelp(denied.Reason) || c.Home == nil {
		return decision, err
	}
	with := *c.Policy
	with.Home = append(slices.Clip(with.Home), c.Home(ctx)...)
	return with.Decide(v, r)
}

// ruleMayHelp is false for what the deny list says: no rule outweighs that.
func ruleMayHelp(reason policy.Reason) bool {
	return reason == policy.ReasonNoRule || reason == policy.ReasonRuleExpired || reason == policy.ReasonEmailNotVerified
}

// withUserinfo adds the claims that only the userinfo endpoint has. An endpoint that fails adds none: it can widen what a
// person may do, so that its silence must not.
func (a *Authenticator) withUserinfo(ctx context.Context, v *pktoken.Verified, accessToken string) (with *pktoken.Verified, warning string) {
	if a.Userinfo == nil || accessToken == "" {
		return v, ""
	}
	claims, err := a.Userinfo.Userinfo(ctx, v.Issuer(), accessToken, v.Subject())
	if err != nil {
		return v, "userinfo: " + err.Error()
	}
	with, err = v.WithUserinfo(claims)
	if err != nil {
		return v, err.Error()
	}
	return with, ""
}
