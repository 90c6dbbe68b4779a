package sshcert

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/pkg/pktoken"
)

// The reasons for which [Certificate.Check] refuses a certificate.
const (
	// ReasonCertificateType: a host certificate, or one of an unknown type.
	ReasonCertificateType pktoken.Reason = "certificate-type"
	// ReasonCertificateSigner: the signer is not the certificate's own key, or is itself a certificate.
	ReasonCertificateSigner pktoken.Reason = "certificate-signer"
	// ReasonCertificateSignature: the certificate's signature is false.
	ReasonCertificateSignature pktoken.Reason = "certificate-signature"
	// ReasonCertificateKey: the certified key is not the key in the PK token.
	ReasonCertificateKey pktoken.Reason = "certificate-key"
	// ReasonCertificateTime: now lies outside ValidAfter..ValidBefore.
	ReasonCertificateTime pktoken.Reason = "certificate-time"
	// ReasonKeyID: KeyId names somebody else.
	ReasonKeyID pktoken.Reason = "certificate-key-id"
	// ReasonCriticalOption: a critical option that sshd does not know either.
	ReasonCriticalOption pktoken.Reason = "certificate-critical-option"
	// ReasonPrincipals: a malformed principal, too many, or the requested user is not among them.
	ReasonPrincipals pktoken.Reason = "certificate-principals"
)

// criticalOptions are sshd's to enforce (PROTOCOL.certkeys, "Critical options").
var criticalOptions = []string{"force-command", "source-address", "verify-required"}

// signatureFormats leaves out ssh-rsa, which is SHA-1.
var signatureFormats = []string{ssh.KeyAlgoECDSA256, ssh.KeyAlgoED25519, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512}

// Check holds the certificate against the verified PK token that it carries, for a login as user at the time now. Errors are
// [*pktoken.RejectError].
func (c *Certificate) Check(v *pktoken.Verified, user string, now time.Time) error {
	cert := c.ssh
	if v == nil || v.Token() == nil {
		return refuse(ReasonCertificateKey, "there is no verified token", "", "")
	}
	if v.Token().Compact() != cert.Extensions[ExtensionPKToken] {
		return refuse(ReasonCertificateKey, "the verified token is another one than the certificate's", "", "")
	}
	if cert.CertType != ssh.UserCert {
		return refuse(ReasonCertificateType, "type of certificate", "user", fmt.Sprint(cert.CertType))
	}
	if err := c.CheckSigner(); err != nil {
		return err
	}
	if same, err := equalKeys(cert.Key, v.UserKey()); err != nil || !same {
		return refuse(ReasonCertificateKey, "the certified key is not the one in the PK token", "", ssh.FingerprintSHA256(cert.Key))
	}
	unix := uint64(max(now.Unix(), 0))
	if unix < cert.ValidAfter || cert.ValidBefore != ssh.CertTimeInfinity && unix >= cert.ValidBefore {
		return refuse(ReasonCertificateTime, "the certificate is not valid at this time",
			fmt.Sprintf("a time in [%d, %d)", cert.ValidAfter, cert.ValidBefore), fmt.Sprint(unix))
	}
	if id := cert.KeyId; id != "" && id != v.Email() && id != v.Subject() {
		return refuse(ReasonKeyID, "key ID", "email or sub of the ID token", id)
	}
	for name := range cert.CriticalOptions {
		if !slices.Contains(criticalOptions, name) {
			return refuse(ReasonCriticalOption, "critical option", strings.Join(criticalOptions, ", "), name)
		}
	}
	if err := CheckPrincipals(cert.ValidPrincipals); err != nil {
		return err
	}
	names := cert.ValidPrincipals
	if len(names) > 0 && !slices.Contains(names, user) && !slices.Contains(names, WildcardPrincipal) {
		return refuse(ReasonPrincipals, "the certificate is for other users", user, strings.Join(names, ","))
	}
	return nil
}

// CheckSigner checks that the certificate is signed by the key that it certifies, and by nothing in between. Errors are
// [*pktoken.RejectError].
func (c *Certificate) CheckSigner() error {
	cert := c.ssh
	if _, nested := cert.SignatureKey.(*ssh.Certificate); nested {
		return refuse(ReasonCertificateSigner, "the signer is itself a certificate", "", "")
	}
	if !bytes.Equal(cert.SignatureKey.Marshal(), cert.Key.Marshal()) {
		return refuse(ReasonCertificateSigner, "signer", ssh.FingerprintSHA256(cert.Key), ssh.FingerprintSHA256(cert.SignatureKey))
	}
	if cert.Signature == nil || !slices.Contains(signatureFormats, cert.Signature.Format) {
		return refuse(ReasonCertificateSignature, "format of the certificate's signature", strings.Join(signatureFormats, ", "), "another")
	}
	// What is signed is everything before the signature, which Marshal writes as a string of its own (PROTOCOL.certkeys).
	unsigned := *cert
	unsigned.Signature = nil
	signed := unsigned.Marshal()
	if err := cert.SignatureKey.Verify(signed[:len(signed)-4], cert.Signature); err != nil {
		return refuse(ReasonCertificateSignature, "the certificate's signature is false", "", "")
	}
	return nil
}

const maxPrincipals = 256

// principalPattern is what isPrincipal accepts. A compiled expression would cost each start of the verifier more than the check.
const principalPattern = `^[A-Za-z0-9_][A-Za-z0-9._+@-]{0,127}\$?$`

func isPrincipal(name string) bool {
	name = strings.TrimSuffix(name, "$")
	if name == "" || len(name) > 128 || strings.IndexByte(".+@-", name[0]) >= 0 {
		return false
	}
	for i := range len(name) {
		c := name[i]
		letter := 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
		if !letter && strings.IndexByte("_.+@-", c) < 0 {
			return false
		}
	}
	return true
}

// CheckPrincipals refuses names that cannot be principals of a certificate, and too many of them. No names are fine. Errors are
// [*pktoken.RejectError].
func CheckPrincipals(names []string) error {
	if len(names) > maxPrincipals {
		return refuse(ReasonPrincipals, "number of principals", fmt.Sprintf("at most %d", maxPrincipals), fmt.Sprint(len(names)))
	}
	for _, name := range names {
		if !isPrincipal(name) {
			return refuse(ReasonPrincipals, "principal", principalPattern, name)
		}
	}
	return nil
}

func refuse(reason pktoken.Reason, detail, expected, got string) *pktoken.RejectError {
	return &pktoken.RejectError{Reason: reason, Detail: detail, Expected: expected, Got: got}
}
