package sshcert

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// Option is one option of an authorized_keys line (sshd(8), AUTHORIZED_KEYS FILE FORMAT).
type Option struct {
	Name     string
	Value    string
	HasValue bool
}

// AuthorizedKeysLine formats the line, without its end, that makes sshd accept the certificate's signer, and with it the
// certificate. Check must have accepted the certificate. Options come from the host's policy. A part that could not be
// written so that sshd reads exactly it back is an error.
func AuthorizedKeysLine(c *Certificate, options []Option) (string, error) {
	var b strings.Builder
	b.WriteString("cert-authority")
	if names := c.ssh.ValidPrincipals; len(names) > 0 {
		// Nothing but the pattern's characters may stand between these quotes, whoever called Check or forgot to.
		if err := CheckPrincipals(names); err != nil {
			return "", err
		}
		fmt.Fprintf(&b, `,principals="%s"`, strings.Join(names, ","))
	}
	for _, o := range options {
		if err := writeOption(&b, o); err != nil {
			return "", err
		}
	}
	fmt.Fprintf(&b, " %s %s", c.ssh.SignatureKey.Type(), base64.StdEncoding.EncodeToString(c.ssh.SignatureKey.Marshal()))
	return b.String(), nil
}

// isOptionName is ^[A-Za-z][A-Za-z0-9-]*$.
func isOptionName(name string) bool {
	isLetter := func(c byte) bool { return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' }
	for i := range len(name) {
		if c := name[i]; !isLetter(c) && (i == 0 || c != '-' && (c < '0' || c > '9')) {
			return false
		}
	}
	return name != ""
}

func writeOption(b *strings.Builder, o Option) error {
	if !isOptionName(o.Name) || strings.EqualFold(o.Name, "cert-authority") || strings.EqualFold(o.Name, "principals") {
		return fmt.Errorf("authorized_keys option: the name %+q cannot be written", o.Name)
	}
	fmt.Fprintf(b, ",%s", o.Name)
	if !o.HasValue {
		return nil
	}
	// sshd knows one escape, \" for a quote: a backslash at the end would take the closing quote with it.
	if strings.HasSuffix(o.Value, `\`) || strings.ContainsFunc(o.Value, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
		return fmt.Errorf("authorized_keys option %s: the value %+q cannot be written", o.Name, o.Value)
	}
	fmt.Fprintf(b, `="%s"`, strings.ReplaceAll(o.Value, `"`, `\"`))
	return nil
}
