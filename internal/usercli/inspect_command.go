package usercli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"opkssh/pkg/pktoken"
	"opkssh/pkg/sshcert"
)

// inspection is what inspect found, and with --json what it prints. Verified is always false: inspect asks nobody.
type inspection struct {
	Verified    bool               `json:"verified"`
	Certificate *certificateReport `json:"certificate,omitempty"`
	PKToken     *tokenReport       `json:"pk_token,omitempty"`
}

func inspectCommand(t *terminal) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "inspect FILE",
		Short: "show what a certificate or PK token says",
		Long: `inspect shows a certificate and the PK token in it. FILE is a certificate file (NAME-cert.pub), a line of an
authorized_keys file, or a PK token in compact form; - reads standard input.

It asks no provider, so that nothing it shows is verified. It does check the signature of the user's key on the PK
token, and whether the ID token commits to that key. Tokens themselves are not printed.`,
		Example: `  opkssh inspect ~/.ssh/id_ecdsa-cert.pub
  ssh-add -L | grep openpubkey | opkssh inspect --json -`,
		Args: arguments(1, 1, "one FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			data, err := readInput(t.in, args[0])
			if err != nil {
				return err
			}
			t.detail("read %s from %s", count(len(data), "byte"), args[0])
			found, err := inspect(data)
			if err != nil {
				return err
			}
			if asJSON {
				return t.json(found)
			}
			now := time.Now()
			if found.Certificate != nil {
				found.Certificate.print(t, now)
			}
			if found.PKToken != nil {
				found.PKToken.print(t, now)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	t.verboseFlag(c)
	return c
}

// maxInput is far above what a certificate with the largest PK token takes.
const maxInput = 1 << 20

// readInput reads a file, or standard input for "-".
func readInput(stdin io.Reader, name string) ([]byte, error) {
	from := stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer func() { _ = file.Close() }()
		from = file
	}
	data, err := io.ReadAll(io.LimitReader(from, maxInput+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxInput {
		return nil, fmt.Errorf("%s: larger than 1 MiB", name)
	}
	return bytes.TrimSpace(data), nil
}

// inspect tells the forms of input apart: a PK token has colons and no blanks, a line with a key has blanks.
func inspect(data []byte) (*inspection, error) {
	switch {
	case len(data) == 0:
		return nil, errors.New("nothing to inspect: the input is empty")
	case bytes.HasPrefix(data, []byte("-----BEGIN ")):
		return nil, withHint(errors.New("expected a certificate or a PK token, got a private key"), "its certificate is the file NAME-cert.pub")
	case bytes.ContainsAny(data, " \t\n"):
		return inspectLine(data)
	}
	token, err := pktoken.Parse(string(data))
	if err != nil {
		return nil, withHint(err, "expected a certificate (NAME-cert.pub) or a PK token in compact form")
	}
	return &inspection{PKToken: reportToken(token, nil)}, nil
}

// inspectLine reads one key in authorized_keys form. A certificate without a PK token is shown too.
func inspectLine(line []byte) (*inspection, error) {
	key, comment, _, rest, err := ssh.ParseAuthorizedKey(line)
	if err != nil {
		return nil, errors.New("neither a certificate nor a PK token")
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("expected one key, got several lines")
	}
	cert, ok := key.(*ssh.Certificate)
	if !ok {
		return nil, withHint(
			fmt.Errorf("expected a certificate, got a plain key of type %s", key.Type()),
			"the certificate is the file NAME-cert.pub",
		)
	}
	found := &inspection{Certificate: reportCertificate(cert, strings.TrimSpace(comment))}
	carrier, err := sshcert.FromKey(cert)
	if errors.Is(err, sshcert.ErrNotOurs) {
		return found, nil
	}
	token, err := carrier.PKToken()
	if err != nil {
		found.Certificate.PKTokenError = err.Error()
		return found, nil
	}
	found.PKToken = reportToken(token, cert.Key)
	return found, nil
}
