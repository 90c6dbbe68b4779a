package usercli_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh"

	"opkssh/pkg/sshcert"
)

// countAndBrowse leaves a line behind for each page that it opens.
func countAndBrowse(url string) {
	file, err := os.OpenFile(filepath.Join(os.Getenv("WORK"), "browser-opened"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		panic(err)
	}
	_, err = file.WriteString("opened\n")
	if err = errors.Join(err, file.Close()); err != nil {
		panic(err)
	}
	browse(url)
}

// count LINES FILE checks how many lines a file has; a file that is missing has none.
func count(ts *testscript.TestScript, _ bool, args []string) {
	data, err := os.ReadFile(ts.MkAbs(args[1]))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		ts.Check(err)
	}
	if got := strconv.Itoa(bytes.Count(data, []byte("\n"))); got != args[0] {
		ts.Fatalf("%s: expected %s lines, got %s", args[1], args[0], got)
	}
}

// expire CERTIFICATE lets a certificate have ended a second ago, signed again with the private key beside it.
func expire(ts *testscript.TestScript, _ bool, args []string) {
	file := ts.MkAbs(args[0])
	line, err := os.ReadFile(file)
	ts.Check(err)
	cert, comment, err := sshcert.ParseLine(line)
	ts.Check(err)
	pem, err := os.ReadFile(strings.TrimSuffix(file, "-cert.pub"))
	ts.Check(err)
	key, err := ssh.ParsePrivateKey(pem)
	ts.Check(err)
	cert.SSH().ValidBefore = uint64(time.Now().Unix() - 1)
	ts.Check(cert.SSH().SignCert(rand.Reader, key))
	ts.Check(os.WriteFile(file, sshcert.MarshalLine(cert.SSH(), comment), 0o600))
}

// waitChange FILE COPY waits until a file is not what it was.
func waitChange(ts *testscript.TestScript, _ bool, args []string) {
	before, err := os.ReadFile(ts.MkAbs(args[1]))
	ts.Check(err)
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if now, err := os.ReadFile(ts.MkAbs(args[0])); err == nil && !bytes.Equal(now, before) {
			return
		}
	}
	ts.Fatalf("%s is the same after a minute", args[0])
}
