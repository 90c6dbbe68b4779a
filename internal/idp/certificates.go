package idp

import (
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// MaxCertificates is the largest file that SSL_CERT_FILE may name, and the most that the files of a folder in SSL_CERT_DIR may hold
// together, in bytes. The bundle of a whole system has a quarter of a MiB.
const MaxCertificates = 4 << 20

// MostCertificates is [MaxCertificates] in words, for errors.
const MostCertificates = "at most 4 MiB of certificates"

// CertificateFiles reads what SSL_CERT_FILE and SSL_CERT_DIR name, PEM, where not everybody's files are to be trusted.
type CertificateFiles interface {
	// File reads one file. More than [MaxCertificates] are an error.
	File(path string) ([]byte, error)
	// CheckFolder is whether the files of a folder may be read.
	CheckFolder(path string) error
	// LeftOut is told why files of a folder were left out. Such folders also hold links to what is gone, and those errors are no news.
	LeftOut(folder string, errs []error)
}

// CheckCertificates reads the certificate files as [Network.Client] does, and connects to nobody. The error is an [*Error] with
// [ReasonProxy].
func (n Network) CheckCertificates() error {
	_, err := n.rootCertificates()
	return err
}

// CheckCAFile is whether a file can be one of [Network.CAFile]: it can be read and has a certificate.
func CheckCAFile(path string) error {
	data, err := anybodysFiles{}.File(path)
	if err != nil {
		return err
	}
	return addCertificates(x509.NewCertPool(), path, data)
}

// certificateFile is one that a setting names. What is named and cannot be used is an error: whoever named it needs it.
type certificateFile struct {
	setting, path string
	from          CertificateFiles
}

// rootCertificates is nil for the system's own.
func (n Network) rootCertificates() (*x509.CertPool, error) {
	var files []certificateFile
	var folders []string
	if n.CAFile != "" {
		files = append(files, certificateFile{"ca_file", n.CAFile, anybodysFiles{}})
	}
	from := n.Certificates
	if from == nil {
		from = anybodysFiles{}
	}
	if n.Getenv != nil {
		if file := n.Getenv("SSL_CERT_FILE"); file != "" {
			files = append(files, certificateFile{"SSL_CERT_FILE", file, from})
		}
		// An empty one, as behind a colon at the end, is none.
		folders = slices.DeleteFunc(filepath.SplitList(n.Getenv("SSL_CERT_DIR")), func(folder string) bool { return folder == "" })
	}
	if len(files) == 0 && len(folders) == 0 {
		return n.Roots, nil
	}
	pool, err := n.withCertificates(files, folders, from)
	if err != nil {
		return nil, &Error{Reason: ReasonProxy, Err: err}
	}
	return pool, nil
}

// withCertificates adds to the roots what files and folders hold.
func (n Network) withCertificates(files []certificateFile, folders []string, from CertificateFiles) (*x509.CertPool, error) {
	// Before the system's: crypto/x509 reads the same names, if this process has them in its environment, and trusts any file.
	named := make([][]byte, len(files))
	for i, file := range files {
		var err error
		if named[i], err = file.from.File(file.path); err != nil {
			return nil, fmt.Errorf("%s: %w", file.setting, err)
		}
	}
	var loose [][]byte
	for _, folder := range folders {
		data, err := readFolder(from, folder)
		if err != nil {
			return nil, fmt.Errorf("SSL_CERT_DIR: %w", err)
		}
		loose = append(loose, data...)
	}
	var pool *x509.CertPool
	if n.Roots != nil {
		pool = n.Roots.Clone()
	} else {
		var err error
		if pool, err = x509.SystemCertPool(); err != nil {
			return nil, err
		}
	}
	for i, file := range files {
		if err := addCertificates(pool, file.path, named[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", file.setting, err)
		}
	}
	for _, data := range loose {
		pool.AppendCertsFromPEM(data)
	}
	return pool, nil
}

func addCertificates(pool *x509.CertPool, path string, data []byte) error {
	if !pool.AppendCertsFromPEM(data) {
		return fmt.Errorf("no certificate in %s", path)
	}
	return nil
}

// readFolder reads the files in a folder. Such folders also hold subfolders, dangling links and notes: what cannot be read is left out.
// The error is about the folder.
func readFolder(from CertificateFiles, path string) (files [][]byte, err error) {
	if err := from.CheckFolder(path); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	size := 0
	var leftOut []error
	defer func() { from.LeftOut(path, leftOut) }()
	for _, entry := range entries {
		name := filepath.Join(path, entry.Name())
		// A FIFO would be waited for.
		if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
			continue
		}
		data, err := from.File(name)
		if err != nil {
			leftOut = append(leftOut, err)
			continue
		}
		files = append(files, data)
		if size += len(data); size > MaxCertificates {
			return nil, fmt.Errorf("%s: expected %s in its files together, got more: name a folder with those of your own authority", path, MostCertificates)
		}
	}
	return files, nil
}

// anybodysFiles are read whoever could have written them: [CertificateFiles] for a person's own environment.
type anybodysFiles struct{}

func (anybodysFiles) File(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, MaxCertificates+1))
	if err != nil {
		return nil, err
	}
	if len(data) > MaxCertificates {
		return nil, fmt.Errorf("%s: expected %s, got more", path, MostCertificates)
	}
	return data, nil
}

func (anybodysFiles) CheckFolder(string) error { return nil }

func (anybodysFiles) LeftOut(string, []error) {}
