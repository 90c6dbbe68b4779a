package usercli

import (
	"fmt"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/pkg/pktoken"
)

// loginReport is what login --json prints.
type loginReport struct {
	Issuer      string     `json:"issuer"`
	Subject     string     `json:"subject"`
	Email       string     `json:"email,omitempty"`
	Key         string     `json:"private_key_file,omitempty"` // left out if the key is in the agent alone
	InAgent     bool       `json:"in_agent"`
	Certificate string     `json:"certificate_file"`
	Fingerprint string     `json:"key_fingerprint"`
	Principals  []string   `json:"principals"`
	ExpiresAt   *time.Time `json:"id_token_expires_at"` // how long a host accepts the key is the host's to say
	ValidBefore *time.Time `json:"certificate_valid_before,omitempty"`

	printed bool // the key is on standard output
}

func reportLogin(v *pktoken.Verified, cert *ssh.Certificate, stored storedKey) *loginReport {
	r := &loginReport{
		Issuer:      v.Issuer(),
		Subject:     v.Subject(),
		Email:       v.Email(),
		InAgent:     stored.inAgent,
		printed:     stored.printed,
		Certificate: stored.pair.Certificate,
		Fingerprint: ssh.FingerprintSHA256(cert.Key),
		Principals:  cert.ValidPrincipals,
	}
	if stored.inFile {
		r.Key = stored.pair.Key
	}
	expires := v.ExpiresAt().UTC()
	r.ExpiresAt = &expires
	if cert.ValidBefore != ssh.CertTimeInfinity {
		r.ValidBefore = unixTime(cert.ValidBefore)
	}
	return r
}

func (r *loginReport) print(t *terminal, named bool) {
	now := time.Now()
	who := r.Subject
	if r.Email != "" {
		who = fmt.Sprintf("%s (sub %s)", r.Email, r.Subject)
	}
	t.note("logged in as %s at %s", who, r.Issuer)
	switch {
	case r.printed:
	case r.Key == "":
		t.note("gave the key to the ssh-agent, and wrote %s", r.Certificate)
	case r.InAgent:
		t.note("wrote %s and %s, and gave the key to the ssh-agent", r.Key, r.Certificate)
	default:
		t.note("wrote %s and %s", r.Key, r.Certificate)
	}
	t.note("ID token: %s; each host says how long it accepts the key", expiryText(*r.ExpiresAt, now))
	if r.ValidBefore != nil {
		t.note("certificate: %s", expiryText(*r.ValidBefore, now))
	}
	switch {
	case r.printed:
	case named && r.Key != "":
		t.hint(fmt.Sprintf("ssh -i %s USER@HOST", r.Key))
	default:
		t.hint("ssh USER@HOST")
	}
}
