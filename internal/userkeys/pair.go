package userkeys

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/crypto/ssh"

	"opkssh/pkg/sshcert"
)

// Pair names the two files of a key. ssh finds the certificate by the private key's name.
type Pair struct {
	Key         string // OpenSSH private key, mode 0600
	Certificate string // Key with -cert.pub, mode 0644
}

// At is the pair whose private key is file.
func At(file string) Pair {
	return Pair{Key: file, Certificate: file + "-cert.pub"}
}

// ForeignError says that a pair's names hold something that login did not write, or that cannot be told from it.
type ForeignError struct {
	File   string
	Detail string
}

// Error names the file and what is there.
func (e *ForeignError) Error() string { return fmt.Sprintf("%s: %s", e.File, e.Detail) }

// Available is nil if a pair may be written under these names: nothing is there, or a pair of ours. Otherwise the error is a
// *[ForeignError].
func (p Pair) Available() error {
	_, err := p.ours()
	return err
}

// ours is whether there is a pair of ours. Without one, the error is nil if nothing is there.
func (p Pair) ours() (bool, error) {
	key, hasKey, err := readOwn(p.Key)
	if err != nil {
		return false, err
	}
	line, hasCertificate, err := readOwn(p.Certificate)
	if err != nil {
		return false, err
	}
	public := p.Key + ".pub"
	publicLine, hasPublic, err := readOwn(public)
	if err != nil {
		return false, err
	}
	if !hasCertificate && hasPublic && holdsOurs(publicLine) {
		line, hasCertificate, hasPublic = publicLine, true, false
	}
	switch {
	case !hasCertificate && hasKey:
		return false, &ForeignError{p.Key, "a private key without a certificate beside it"}
	case !hasCertificate && hasPublic:
		return false, &ForeignError{public, "a public key, whose private key may be in an agent or a token"}
	case !hasCertificate:
		return false, nil
	}
	cert, err := parseOurs(line)
	if err != nil {
		return false, &ForeignError{p.Certificate, err.Error()}
	}
	certified := cert.SSH().Key.Marshal()
	switch {
	case hasKey:
		private, err := publicPart(key)
		if err != nil {
			return false, &ForeignError{p.Key, "not a private key that can be read"}
		}
		if !bytes.Equal(private.Marshal(), certified) {
			return false, &ForeignError{p.Key, "a private key of its own, not that of the certificate beside it"}
		}
	case hasPublic:
		// With a private key present ssh does not need this file, and an old one of ours does no harm.
		other, _, _, _, err := ssh.ParseAuthorizedKey(publicLine)
		if err != nil || !bytes.Equal(other.Marshal(), certified) {
			return false, &ForeignError{public, "a public key of its own, not that of the certificate beside it"}
		}
	}
	return true, nil
}

// holdsOurs is whether a NAME.pub is a certificate that login wrote: early opkssh clients put it there.
func holdsOurs(line []byte) bool {
	_, err := parseOurs(line)
	return err == nil
}

// certificateLine reads the certificate of ours that goes with the key, from either place. The error is why it could not look.
func (p Pair) certificateLine() (line []byte, found bool, err error) {
	line, present, err := readOwn(p.Certificate)
	if err == nil && !present {
		line, present, err = readOwn(p.Key + ".pub")
	}
	return line, err == nil && present && holdsOurs(line), err
}

// removeOldCertificate removes a certificate of ours in NAME.pub, and returns its name if there was one.
func (p Pair) removeOldCertificate() (removed string, err error) {
	old := p.Key + ".pub"
	line, present, err := readOwn(old)
	if err != nil || !present || !holdsOurs(line) {
		return "", err
	}
	return old, os.Remove(old)
}

// maxFile is far above what a certificate with the largest PK token takes.
const maxFile = 1 << 20

// readOwn reads a regular file that is no symbolic link. Its errors are *ForeignError: what cannot be read is not ours.
func readOwn(name string) (data []byte, found bool, err error) {
	info, err := os.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, false, nil
	case err != nil:
		return nil, false, &ForeignError{name, cause(err)}
	case info.Mode()&fs.ModeSymlink != 0:
		return nil, false, &ForeignError{name, "a symbolic link, which is neither followed nor replaced"}
	case !info.Mode().IsRegular():
		return nil, false, &ForeignError{name, "not a regular file"}
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, false, &ForeignError{name, cause(err)}
	}
	defer func() { _ = file.Close() }()
	data, err = io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, false, &ForeignError{name, cause(err)}
	}
	if len(data) > maxFile {
		return nil, false, &ForeignError{name, "larger than 1 MiB"}
	}
	return data, true, nil
}

// cause leaves the file's name out, which ForeignError says already.
func cause(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

// parseOurs reads a certificate that login wrote. Some clients write more after the mark, as `openpubkey: …`, behind a space
// too many that the parser drops.
func parseOurs(line []byte) (*sshcert.Certificate, error) {
	cert, comment, err := sshcert.ParseLine(line)
	if errors.Is(err, sshcert.ErrNotOurs) {
		return nil, errors.New("a key or certificate without a PK token")
	}
	if err != nil {
		return nil, errors.New("not a certificate")
	}
	if _, ours := parseMark(comment); !ours {
		return nil, fmt.Errorf("a certificate with a PK token, but with the comment %+q instead of %q", comment, sshcert.Comment)
	}
	return cert, nil
}

// publicPart is a private key's public key, which the OpenSSH format keeps readable where a passphrase guards the rest.
func publicPart(pem []byte) (ssh.PublicKey, error) {
	signer, err := ssh.ParsePrivateKey(pem)
	var guarded *ssh.PassphraseMissingError
	switch {
	case err == nil:
		return signer.PublicKey(), nil
	case errors.As(err, &guarded) && guarded.PublicKey != nil:
		return guarded.PublicKey, nil
	}
	return nil, err
}
