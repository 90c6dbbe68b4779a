package userkeys

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh"

	"opkssh/pkg/sshcert"
)

// ErrReplaced says that the files hold another key by now.
var ErrReplaced = errors.New("another login has replaced the key")

// PrivateKey reads the private key of a pair of ours.
func (p Pair) PrivateKey() (crypto.Signer, error) {
	data, present, err := readOwn(p.Key)
	if err != nil {
		return nil, err
	}
	if !present {
		return nil, &ForeignError{p.Key, "no private key there"}
	}
	key, err := ssh.ParseRawPrivateKey(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Key, err)
	}
	if pointer, ok := key.(interface{ Public() crypto.PublicKey }); ok {
		if signer, ok := pointer.(crypto.Signer); ok {
			return signer, nil
		}
	}
	return nil, fmt.Errorf("%s: a key of type %T cannot sign", p.Key, key)
}

// Renew puts a new certificate of the same key in the place of the one that is there, in one step: ssh finds the one or the
// other beside the key at each moment. The error is [ErrReplaced] if the certificate there is for another key, and a
// *[ForeignError] if there is no pair of ours.
func (p Pair) Renew(cert *ssh.Certificate) error {
	return p.replaceCertificate(cert, func(old Identity) (Mark, error) {
		if !bytes.Equal(old.Certificate.Key.Marshal(), cert.Key.Marshal()) {
			return Mark{}, ErrReplaced
		}
		return old.Mark, nil
	})
}

// SetMark changes what the certificate's file says beside the certificate. The error is as for [Pair.Renew].
func (p Pair) SetMark(cert *ssh.Certificate, mark Mark) error {
	return p.replaceCertificate(cert, func(old Identity) (Mark, error) {
		if !old.Is(cert) {
			return Mark{}, ErrReplaced
		}
		return mark, nil
	})
}

// replaceCertificate writes the certificate with the mark that marked gives for what is there, unless that gives an error.
func (p Pair) replaceCertificate(cert *ssh.Certificate, marked func(old Identity) (Mark, error)) error {
	folder := filepath.Dir(p.Key)
	unlock, err := lockFolder(folder)
	if err != nil {
		return err
	}
	defer unlock()
	ours, err := p.ours()
	if err != nil {
		return err
	}
	old, found := Read(p)
	if !ours || !found {
		return &ForeignError{p.Certificate, "no certificate there"}
	}
	mark, err := marked(old)
	if err != nil {
		return err
	}
	if err := writeNew(p.Certificate, sshcert.MarshalLine(cert, mark.Comment()), certificateMode(cert), keepOwnerOfFolder); err != nil {
		_ = os.Remove(p.Certificate + newSuffix)
		return err
	}
	if err := os.Rename(p.Certificate+newSuffix, p.Certificate); err != nil {
		_ = os.Remove(p.Certificate + newSuffix)
		return err
	}
	if _, err := p.removeOldCertificate(); err != nil {
		return err
	}
	return syncFolder(folder)
}
