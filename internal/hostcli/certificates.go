package hostcli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"opkssh/internal/hostfiles"
	"opkssh/internal/idp"
	"opkssh/pkg/policy"
)

// hostNetwork is how a host reaches its providers: what config.yml's env_vars say, with certificate files that root alone could have
// written. warn takes the files of a folder that are left out.
func hostNetwork(config *policy.Config, warn func(message string, args ...any)) idp.Network {
	leftOut := func(folder string, errs []error) { logLeftOut(warn, folder, errs) }
	if warn == nil {
		leftOut = nil
	}
	return idp.Network{Getenv: hostVariable(config), Certificates: certificateFiles{leftOut}}
}

// hostVariable looks in config.yml's env_vars first: sshd starts us with next to no environment.
func hostVariable(config *policy.Config) func(string) string {
	return func(name string) string {
		if value, ok := config.EnvVars[name]; ok {
			return value
		}
		return os.Getenv(name)
	}
}

// certificateFiles reads files that decide whose keys a host believes: implements [idp.CertificateFiles]. leftOut gets the errors of
// the files of a folder that cannot be read or trusted, if there are any. It may be nil.
type certificateFiles struct {
	leftOut func(folder string, errs []error)
}

// File implements [idp.CertificateFiles].
func (certificateFiles) File(path string) ([]byte, error) {
	size := 0
	data, err := hostfiles.ReadSystemRows(path, func(line []byte) bool {
		size += len(line) + 1
		return size <= idp.MaxCertificates // what is too large anyway takes no memory
	})
	if err != nil {
		return nil, certificateFault(err)
	}
	if max(size, len(data)) > idp.MaxCertificates {
		return nil, &hostfiles.Fault{
			Path: path, Detail: "size", Expected: idp.MostCertificates, Got: "more",
			Hint: "name a file that holds the certificate of your own authority alone",
		}
	}
	return data, nil
}

// CheckFolder implements [idp.CertificateFiles].
func (certificateFiles) CheckFolder(path string) error {
	absolute, err := filepath.Abs(path)
	if err == nil {
		err = hostfiles.CheckSystemIn("/", absolute)
	}
	if err != nil {
		return certificateFault(err)
	}
	folder, err := os.Open(absolute)
	if err != nil {
		return certificateFault(err)
	}
	return folder.Close()
}

// LeftOut implements [idp.CertificateFiles].
func (c certificateFiles) LeftOut(folder string, errs []error) {
	errs = slices.DeleteFunc(errs, func(err error) bool {
		var fault *hostfiles.Fault
		return errors.Is(err, fs.ErrNotExist) || errors.As(err, &fault) && fault.Detail == "kind of file"
	})
	if c.leftOut != nil && len(errs) > 0 {
		c.leftOut(folder, errs)
	}
}

// certificateHint is for one that is closed to the verifier's user. It is no chmod: a private key may be in the same file.
const certificateHint = "put a copy of the certificate alone, which is no secret, where all users can read it"

// certificateFault is the error for a file or folder that cannot be read, with a hint of its own.
func certificateFault(err error) error {
	path := ""
	var fault *hostfiles.Fault
	var denied *fs.PathError
	switch {
	case !isAccessFault(err):
		return err
	case errors.As(err, &fault):
		path = fault.Path
	case errors.As(err, &denied):
		path = denied.Path
	}
	return &hostfiles.Fault{
		Path: path, Detail: "permission", Expected: "that the verifier's user may read it", Got: "permission denied", Hint: certificateHint,
	}
}

// readCertificates looks at the certificate files that a login trusts when it asks a provider. It has no environment of its own.
func (a *auditor) readCertificates() {
	network := idp.Network{
		Getenv: func(name string) string { return a.config.EnvVars[name] },
		Certificates: certificateFiles{func(_ string, errs []error) {
			for _, err := range errs {
				a.fileFinds = append(a.fileFinds, faultFinding(err, certificateOfFolder))
			}
		}},
	}
	if err := network.CheckCertificates(); err != nil {
		f := faultFinding(err, certificateOfAll)
		if f.File == "" {
			f.File = a.config.File
		}
		a.fileFinds = append(a.fileFinds, f)
	}
}

// What comes of certificates that cannot be read: of the file or a folder that env_vars name, and of one file in such a folder.
const (
	certificateOfAll    = "certificates of env_vars: no provider is asked, and only keys that are held serve"
	certificateOfFolder = "certificates of SSL_CERT_DIR: what it says does not count"
)

// checkMayReadCertificates looks for those that root can read and the user cannot whom sshd runs the verifier as.
func (a *auditor) checkMayReadCertificates() {
	say := func(path, so string, severity policy.Severity) (open bool) {
		resolved, err := hostfiles.ResolveSystem(path)
		var fault *hostfiles.Fault
		if err != nil || !errors.As(a.account.MayOpen(resolved), &fault) {
			return true // or it is said already
		}
		a.add(auditFinding{
			Code: codePermissions, Severity: severity, File: path, Hint: certificateHint,
			Text: fmt.Sprintf("%s: the user %s, as which sshd runs the verifier, cannot read it: %v", so, a.account.Name, fault),
		})
		return false
	}
	if file := a.config.EnvVars["SSL_CERT_FILE"]; file != "" {
		say(file, certificateOfAll, policy.SeverityError)
	}
	for _, folder := range filepath.SplitList(a.config.EnvVars["SSL_CERT_DIR"]) {
		if folder == "" || !say(folder, certificateOfAll, policy.SeverityError) {
			continue
		}
		entries, err := os.ReadDir(folder)
		if err != nil {
			continue // said already
		}
		for _, entry := range entries {
			name := filepath.Join(folder, entry.Name())
			if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() && isCertificate(name) {
				say(name, certificateOfFolder, policy.SeverityWarning)
			}
		}
	}
}

// isCertificate is false for what else may lie beside certificates: a private key, also one in the same file, is nobody's to read.
func isCertificate(path string) bool {
	data, err := certificateFiles{}.File(path)
	return err == nil && bytes.Contains(data, []byte("-----BEGIN CERTIFICATE-----")) && !bytes.Contains(data, []byte("PRIVATE KEY-----"))
}
