package userkeys

import (
	"bytes"
	"crypto"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/pkg/sshcert"
)

// newSuffix ends the names of files that are being written. What a crash leaves under such a name the next login removes.
const newSuffix = ".opkssh-new"

// Write puts a key and its certificate in the place of nothing or of a pair of ours; otherwise the error is a *[ForeignError].
// The folder is made, with mode 0700, if it alone is missing.
func (p Pair) Write(key crypto.Signer, cert *ssh.Certificate) error {
	return p.WriteMarked(key, cert, Mark{})
}

// WriteMarked is [Pair.Write] with a mark. If the mark says that the key is in an agent, the certificate alone is written.
func (p Pair) WriteMarked(key crypto.Signer, cert *ssh.Certificate, mark Mark) error {
	_, err := writeIn(filepath.Dir(p.Key), key, cert, mark, func() (Pair, error) {
		// Login takes minutes: what was free when the name was chosen may be somebody's key now.
		return p, p.Available()
	})
	return err
}

// WritePlaced writes the pair where [Place] says, while nobody else writes in folder: of two accounts that log in at once, each
// gets a name.
func WritePlaced(folder string, key crypto.Signer, cert *ssh.Certificate, mark Mark, now time.Time) (Pair, error) {
	id, err := Of(cert)
	if err != nil {
		return Pair{}, err
	}
	return writeIn(folder, key, cert, mark, func() (Pair, error) { return Place(folder, id, now) })
}

// writeIn writes the pair that choose names once the folder is locked.
func writeIn(folder string, key crypto.Signer, cert *ssh.Certificate, mark Mark, choose func() (Pair, error)) (Pair, error) {
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		return Pair{}, err
	}
	if !bytes.Equal(public.Marshal(), cert.Key.Marshal()) {
		return Pair{}, errors.New("the certificate is for another key")
	}
	if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return Pair{}, err
	}
	unlock, err := lockFolder(folder)
	if err != nil {
		return Pair{}, err
	}
	defer unlock()
	p, err := choose()
	if err != nil {
		return Pair{}, err
	}
	return p, p.writeLocked(key, cert, mark)
}

// writeLocked needs the lock of the folder.
func (p Pair) writeLocked(key crypto.Signer, cert *ssh.Certificate, mark Mark) (err error) {
	defer func() {
		if err != nil {
			_ = os.Remove(p.Key + newSuffix)
			_ = os.Remove(p.Certificate + newSuffix)
		}
	}()
	if !mark.InAgent {
		block, err := ssh.MarshalPrivateKey(key, sshcert.Comment)
		if err != nil {
			return err
		}
		if err := writeNew(p.Key, pem.EncodeToMemory(block), 0o600, keepOwnerOfFolder); err != nil {
			return err
		}
	}
	if err := writeNew(p.Certificate, sshcert.MarshalLine(cert, mark.Comment()), certificateMode(cert), keepOwnerOfFolder); err != nil {
		return err
	}
	if err := os.Remove(p.Key); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if mark.InAgent { // nor may a crash have left one
		if err := os.Remove(p.Key + newSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if _, err := p.removeOldCertificate(); err != nil {
		return err
	}
	if err := os.Rename(p.Certificate+newSuffix, p.Certificate); err != nil {
		return err
	}
	if !mark.InAgent {
		if err := os.Rename(p.Key+newSuffix, p.Key); err != nil {
			return err
		}
	}
	return syncFolder(filepath.Dir(p.Key))
}

// writeNew writes and syncs a file that is to be renamed to name. own says whose it is then, by what was there.
func writeNew(name string, data []byte, mode fs.FileMode, own func(file *os.File, replaced string)) error {
	replaced := name
	name += newSuffix
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil && runtime.GOOS != "windows" { // where a file has the rights of its folder
		err = file.Chmod(mode)
	}
	if err == nil {
		own(file, replaced)
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// syncFolder makes renames last. Windows has no such call.
func syncFolder(folder string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	dir, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// certificateMode: a certificate is no secret, unless the access token is in it.
func certificateMode(cert *ssh.Certificate) fs.FileMode {
	if _, secret := cert.Extensions[sshcert.ExtensionAccessToken]; secret {
		return 0o600
	}
	return 0o644
}
