package usercli

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/pkg/sshcert"
)

// certificateReport is what a certificate says. Times are RFC 3339; an absent one is no limit.
type certificateReport struct {
	Type              string            `json:"type"` // user, host or a number
	Format            string            `json:"format"`
	KeyFingerprint    string            `json:"key_fingerprint"`
	SignerFingerprint string            `json:"signer_fingerprint"`
	SelfSigned        bool              `json:"self_signed"`         // the signer is the key
	Signature         string            `json:"signature,omitempty"` // of a certificate with a PK token: valid, or the reason why not
	KeyID             string            `json:"key_id"`
	Principals        []string          `json:"principals"`
	ValidAfter        *time.Time        `json:"valid_after,omitempty"`
	ValidBefore       *time.Time        `json:"valid_before,omitempty"`
	CriticalOptions   map[string]string `json:"critical_options"`
	Extensions        []string          `json:"extensions"`
	AccessToken       bool              `json:"access_token"` // whether there is one
	PKTokenError      string            `json:"pk_token_error,omitempty"`
	Comment           string            `json:"comment"`
}

func reportCertificate(cert *ssh.Certificate, comment string) *certificateReport {
	r := &certificateReport{
		Type:              fmt.Sprint(cert.CertType),
		Format:            cert.Type(),
		KeyFingerprint:    ssh.FingerprintSHA256(cert.Key),
		SignerFingerprint: ssh.FingerprintSHA256(cert.SignatureKey),
		SelfSigned:        bytes.Equal(cert.Key.Marshal(), cert.SignatureKey.Marshal()),
		KeyID:             cert.KeyId,
		Principals:        append([]string{}, cert.ValidPrincipals...),
		CriticalOptions:   map[string]string{},
		Extensions:        slices.AppendSeq([]string{}, maps.Keys(cert.Extensions)),
		Comment:           comment,
	}
	if ours, err := sshcert.FromKey(cert); err == nil {
		r.Signature = signatureText(ours.CheckSigner())
	}
	switch cert.CertType {
	case ssh.UserCert:
		r.Type = "user"
	case ssh.HostCert:
		r.Type = "host"
	}
	// Zero and the largest number are PROTOCOL.certkeys' words for no limit; what time cannot hold is none either.
	if cert.ValidAfter != 0 {
		r.ValidAfter = unixTime(cert.ValidAfter)
	}
	if cert.ValidBefore != ssh.CertTimeInfinity {
		r.ValidBefore = unixTime(cert.ValidBefore)
	}
	maps.Copy(r.CriticalOptions, cert.CriticalOptions)
	slices.Sort(r.Extensions)
	_, r.AccessToken = cert.Extensions[sshcert.ExtensionAccessToken]
	return r
}

// maxUnixTime is the end of the year 9999, after which RFC 3339 has no words.
const maxUnixTime = 253402300799

func unixTime(seconds uint64) *time.Time {
	t := time.Unix(int64(min(seconds, maxUnixTime)), 0).UTC()
	return &t
}

func (r *certificateReport) print(t *terminal, now time.Time) {
	field := func(name, format string, args ...any) { t.result("  %-16s "+format, append([]any{name}, args...)...) }
	t.result("certificate")
	field("type", "%s, %s", r.Type, r.Format)
	field("key", "%s", r.KeyFingerprint)
	if r.SelfSigned {
		field("signer", "the key itself")
	} else {
		field("signer", "%s", r.SignerFingerprint)
	}
	if r.Signature != "" {
		field("signature", "%s", validity(r.Signature))
	}
	field("key ID", "%s", orNone(r.KeyID))
	field("principals", "%s", orNone(strings.Join(r.Principals, ", ")))
	if r.ValidAfter == nil {
		field("valid from", "any time")
	} else {
		field("valid from", "%s", startText(*r.ValidAfter, now))
	}
	if r.ValidBefore == nil {
		field("valid until", "any time")
	} else {
		field("valid until", "%s", expiryText(*r.ValidBefore, now))
	}
	for _, name := range slices.Sorted(maps.Keys(r.CriticalOptions)) {
		field("critical option", "%s=%q", name, r.CriticalOptions[name])
	}
	field("extensions", "%s", orNone(strings.Join(r.Extensions, ", ")))
	field("access token", "%s", yesNo(r.AccessToken, "yes, which every host gets to see", "none"))
	field("comment", "%s", orNone(r.Comment))
	switch {
	case r.PKTokenError != "":
		field("PK token", "cannot be read: %s", r.PKTokenError)
	case !slices.Contains(r.Extensions, sshcert.ExtensionPKToken):
		field("PK token", "none")
	}
}

func orNone(s string) string { return yesNo(s != "", s, "none") }

func yesNo(condition bool, yes, no string) string {
	if condition {
		return yes
	}
	return no
}
