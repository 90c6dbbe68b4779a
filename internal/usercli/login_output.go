package usercli

import (
	"crypto"
	"encoding/pem"
	"errors"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/internal/login"
	"opkssh/pkg/sshcert"
)

// checkOutput refuses flags that contradict each other about what goes to standard output.
func (o *loginOptions) checkOutput() error {
	switch {
	case o.json && (o.printKey || o.printIDToken || o.inspectCert):
		return wrongUsage(errors.New("--json prints one object: expected it without --print-key, --print-id-token and --inspect-cert"))
	case o.printKey && o.file != "":
		return wrongUsage(errors.New("expected --print-key or --private-key-file, got both"))
	case o.printKey && o.addToAgent != "" && o.addToAgent != login.AgentNo:
		return wrongUsage(errors.New("expected --print-key or --add-to-agent, got both"))
	}
	return nil
}

// printLogin prints what the --print flags ask for.
func (t *terminal) printLogin(o *loginOptions, key crypto.Signer, cert *ssh.Certificate, result *login.Result) error {
	if o.printKey {
		if err := t.printKey(key, cert); err != nil {
			return err
		}
	}
	if o.printIDToken {
		t.note("warning: these claims are personal data; they were verified, and prove nothing to anybody else")
		if err := t.json(result.Verified.Claims()); err != nil {
			return err
		}
	}
	if o.inspectCert {
		now := time.Now()
		reportCertificate(cert, sshcert.Comment).print(t, now)
		reportToken(result.Token, cert.Key).print(t, now)
	}
	return nil
}

// printKey prints the certificate as one line, and then the private key. A private key in files has the same form.
func (t *terminal) printKey(key crypto.Signer, cert *ssh.Certificate) error {
	block, err := ssh.MarshalPrivateKey(key, sshcert.Comment)
	if err != nil {
		return err
	}
	t.note("warning: the private key is on standard output: whoever reads it can log in as you")
	t.result("%s", strings.TrimSpace(string(sshcert.MarshalLine(cert, sshcert.Comment))))
	for line := range strings.Lines(string(pem.EncodeToMemory(block))) {
		t.result("%s", strings.TrimSpace(line))
	}
	return nil
}
