package usercli

import (
	"fmt"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/internal/userkeys"
	"opkssh/pkg/pktoken"
)

// loginReport is what login --json prints.
type loginReport struct {
	Issuer      string     `json:"issuer"`
	Subject     string     `json:"subject"`
	Email       string     `json:"email,omitempty"`
	Key         string     `json:"private_key_file"`
	Certificate string     `json:"certificate_file"`
	Fingerprint string     `json:"key_fingerprint"`
	Principals  []string   `json:"principals"`
	ExpiresAt   *time.Time `json:"id_token_expires_at"` // how long a host accepts the key is the host's to say
	ValidBefore *time.Time `json:"certificate_valid_before,omitempty"`
}

func reportLogin(v *pktoken.Verified, cert *ssh.Certificate, pair userkeys.Pair) *loginReport {
	r := &loginReport{
		Issuer:      v.Issuer(),
		Subject:     v.Subject(),
		Email:       v.Email(),
		Key:         pair.Key,
		Certificate: pair.Certificate,
		Fingerprint: ssh.FingerprintSHA256(cert.Key),
		Principals:  cert.ValidPrincipals,
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
	t.note("wrote %s and %s", r.Key, r.Certificate)
	t.note("ID token: %s; each host says how long it accepts the key", expiryText(*r.ExpiresAt, now))
	if r.ValidBefore != nil {
		t.note("certificate: %s", expiryText(*r.ValidBefore, now))
	}
	if named {
		t.hint(fmt.Sprintf("ssh -i %s USER@HOST", r.Key))
	} else {
		t.hint("ssh USER@HOST")
	}
}
