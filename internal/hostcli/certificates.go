package hostcli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"opkssh/internal/hostfiles"
	"opkssh/internal/idp"
	"opkssh/pkg/policy"
)

// hostNetwork is how a host reaches its providers: what config.yml's env_vars say, with certificate files that root alone could have
// written. warn takes the files of a folder that are left out.
func hostNetwork(config *policy.Config, warn func(message string, args ...any)) idp.Network {
	leftOut := func(err error) { warn(fileLeftOut, faultAttributes(err)...) }
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

// certificateFiles reads files that decide whose keys a host believes: implements [idp.CertificateFiles]. leftOut gets each file of a
// folder that is left out because of its owner, mode or size. It may be nil.
type certificateFiles struct{ leftOut func(error) }

// File implements [idp.CertificateFiles].
func (certificateFiles) File(path string) ([]byte, error) {
	size := 0
	data, err := hostfiles.ReadSystemRows(path, func(line []byte) bool {
		size += len(line) + 1
		return size <= idp.MaxCertificates // what is too large anyway takes no memory
	})
	if err != nil {
		return nil, err
	}
	if max(size, len(data)) > idp.MaxCertificates {
		return nil, &hostfiles.Fault{
			Path: path, Detail: "size", Expected: fmt.Sprintf("at most %d MiB of certificates", idp.MaxCertificates>>20), Got: "more",
			Hint: "name a file that holds the certificate of your own authority alone",
		}
	}
	return data, nil
}

// CheckFolder implements [idp.CertificateFiles].
func (certificateFiles) CheckFolder(path string) error {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	return hostfiles.CheckSystemIn("/", absolute)
}

// LeftOut implements [idp.CertificateFiles].
func (c certificateFiles) LeftOut(err error) {
	var fault *hostfiles.Fault
	if c.leftOut != nil && errors.As(err, &fault) {
		c.leftOut(err)
	}
}

// readCertificates looks at the certificate files that a login trusts when it asks a provider. It has no environment of its own.
func (a *auditor) readCertificates() {
	network := idp.Network{
		Getenv: func(name string) string { return a.config.EnvVars[name] },
		Certificates: certificateFiles{func(err error) {
			a.fileFinds = append(a.fileFinds, faultFinding(err, "certificates of SSL_CERT_DIR: what it says does not count"))
		}},
	}
	if err := network.CheckCertificates(); err != nil {
		f := faultFinding(err, "certificates of env_vars: no provider is asked, and only keys that are held serve")
		if f.File == "" {
			f.File = a.config.File
		}
		a.fileFinds = append(a.fileFinds, f)
	}
}
