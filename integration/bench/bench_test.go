// Package bench measures what DESIGN calls budgets, as ratios of two things measured in turn in the same run. `make bench` runs it.
package bench

import (
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/integration/endtoend"
	"opkssh/integration/issuer"
	"opkssh/integration/sshd"
	"opkssh/pkg/pktoken/pktokentest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	endtoend.RemovePrograms()
	os.Exit(code)
}

var alice = map[string]any{"email": "alice@example.com", "email_verified": true}

func write(b *testing.B, file, text string) {
	b.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
}

// config writes a host's files into dir: the provider, alice's rule, and further rules before it.
func config(b *testing.B, o *issuer.Issuer, dir string, rules int) {
	b.Helper()
	write(b, filepath.Join(dir, "providers"), o.URL+" "+pktokentest.ClientID+" 24h\n")
	var text strings.Builder
	for i := 1; i < rules; i++ {
		_, _ = fmt.Fprintf(&text, "user%d person%d@example.com %s\n", i, i, o.URL)
	}
	write(b, filepath.Join(dir, "auth_id"), text.String()+"alice alice@example.com "+o.URL+"\n")
	write(b, filepath.Join(dir, "config.yml"), "log: {to: stderr}\n")
	if err := os.Chmod(dir, 0o755); err != nil {
		b.Fatal(err)
	}
}

// compare runs two things in turn and reports the medians' ratio, and that of the first one.
func compare(b *testing.B, rounds int, ours, theirs func()) {
	b.Helper()
	var a, c []time.Duration
	for range rounds {
		a, c = append(a, measure(ours)), append(c, measure(theirs))
	}
	slices.Sort(a)
	slices.Sort(c)
	b.ReportMetric(float64(a[len(a)/2])/float64(c[len(c)/2]), "ratio")
	b.ReportMetric(float64(a[len(a)/2].Microseconds())/1000, "ms")
	b.ReportMetric(0, "ns/op")
}

func measure(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

// verify is a run of the verifier as sshd makes it. It returns the largest resident size in MiB.
func verify(b *testing.B, dir string, cert *ssh.Certificate) float64 {
	b.Helper()
	cmd := exec.Command(endtoend.Verifier(b), "verify", "--config-dir", filepath.Join(dir, "opk"), "--cache-dir", filepath.Join(dir, "cache"),
		"alice", base64.StdEncoding.EncodeToString(cert.Marshal()), cert.Type())
	cmd.Env = []string{}
	out, err := cmd.Output()
	if err != nil || !strings.HasPrefix(string(out), "cert-authority,") {
		b.Fatalf("verify: %v\n%s", err, out)
	}
	return float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) / 1024
}

const hello = `package main

import "fmt"

func main() { fmt.Println("hello") }
`

// buildHello builds a Go program that prints one line.
func buildHello(b *testing.B) string {
	b.Helper()
	dir := b.TempDir()
	write(b, filepath.Join(dir, "go.mod"), "module hello\n")
	write(b, filepath.Join(dir, "main.go"), hello)
	cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", "hello", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	return filepath.Join(dir, "hello")
}

func host(b *testing.B, o *issuer.Issuer, rules int) (dir string) {
	b.Helper()
	dir = b.TempDir()
	config(b, o, filepath.Join(dir, "opk"), rules)
	if err := os.Mkdir(filepath.Join(dir, "cache"), 0o700); err != nil {
		b.Fatal(err)
	}
	return dir
}

// BenchmarkVerifyCached: the whole process with the provider's keys cached, against a Go program that prints one line.
func BenchmarkVerifyCached(b *testing.B) {
	o := issuer.Start(b)
	cert := o.Login(b, alice).Certificate
	dir, program := host(b, o, 10), buildHello(b)
	verify(b, dir, cert)
	asked := o.Requests()
	var size float64
	compare(b, 300, func() { size = max(size, verify(b, dir, cert)) }, func() {
		if err := exec.Command(program).Run(); err != nil {
			b.Fatal(err)
		}
	})
	b.ReportMetric(size, "MiB")
	b.ReportMetric(float64(o.Requests()-asked), "requests")
}

// BenchmarkRules: 100 000 rules against 10.
func BenchmarkRules(b *testing.B) {
	o := issuer.Start(b)
	cert := o.Login(b, alice).Certificate
	many, few := host(b, o, 100_000), host(b, o, 10)
	verify(b, many, cert)
	verify(b, few, cert)
	compare(b, 100, func() { verify(b, many, cert) }, func() { verify(b, few, cert) })
}

// BenchmarkLogin: ssh through the verifier, against ssh through a shell script that prints the same line.
func BenchmarkLogin(b *testing.B) {
	o := issuer.Start(b)
	id := o.Login(b, alice)
	start := func(command string) *sshd.Server {
		s := sshd.Start(b, sshd.Config{AuthorizedKeysCommand: command + " %u %k %t"})
		config(b, o, s.ConfigDir, 10)
		return s
	}
	ours, fixed := start(sshd.BinDir+"/verifier verify"), start(sshd.BinDir+"/fixed")
	ours.InstallBinary(b, endtoend.Verifier(b), "verifier")
	public := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(id.Certificate.Key)))
	fixed.InstallScript(b, "fixed", "#!/bin/sh\necho 'cert-authority,principals=\"opkssh-wildcard\" "+public+"'\n")
	login := func(s *sshd.Server) func() {
		client := s.Client(b, id.Key, id.Key+"-cert.pub")
		return func() {
			if r := client.SSH(b, "alice", "true"); r.ExitCode != 0 {
				b.Fatalf("%+v\n%s", r, s.Log())
			}
		}
	}
	a, c := login(ours), login(fixed)
	a()
	c()
	compare(b, 60, a, c)
}

// BenchmarkColdCrowd: 200 logins at once on a host that has never asked the provider.
func BenchmarkColdCrowd(b *testing.B) {
	o := issuer.Start(b)
	id := o.Login(b, alice)
	s := sshd.Start(b, sshd.Config{AuthorizedKeysCommand: sshd.BinDir + "/verifier verify %u %k %t"})
	s.InstallBinary(b, endtoend.Verifier(b), "verifier")
	config(b, o, s.ConfigDir, 10)
	client := s.Client(b, id.Key, id.Key+"-cert.pub")
	// The crowd is no part of this process, which has to answer for the provider meanwhile.
	const crowd = `n=0; while [ $n -lt 200 ]; do ssh -F "$1" alice@"$2" echo in & n=$((n+1)); done; wait`
	cmd := exec.Command("sh", "-c", crowd, "sh", client.Config, sshd.HostName)
	cmd.Env = []string{"HOME=" + client.Home, "PATH=" + os.Getenv("PATH")}
	var out []byte
	took := measure(func() {
		var err error
		if out, err = cmd.Output(); err != nil {
			b.Fatal(err)
		}
	})
	b.ReportMetric(float64(strings.Count(string(out), "in\n")), "logins")
	b.ReportMetric(float64(o.Discovery.Load()), "discovery")
	b.ReportMetric(float64(o.JWKS.Load()), "jwks")
	b.ReportMetric(took.Seconds(), "s")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkSize: the verifier, stripped, in MB.
func BenchmarkSize(b *testing.B) {
	info, err := os.Stat(endtoend.Verifier(b))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(info.Size())/1e6, "MB")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkEnsure: what ssh waits for at each login while the key is good, against a Go program that prints one line.
func BenchmarkEnsure(b *testing.B) {
	o := issuer.Start(b)
	id := o.Login(b, alice)
	home, program := b.TempDir(), buildHello(b)
	write(b, filepath.Join(home, ".opk", "config.yml"), fmt.Sprintf(
		"providers:\n  - alias: work\n    issuer: %s\n    client_id: %s\n    hosts: [\"*.example.com\"]\n", o.URL, pktokentest.ClientID))
	for suffix, mode := range map[string]os.FileMode{"": 0o600, "-cert.pub": 0o644} {
		data, err := os.ReadFile(id.Key + suffix)
		if err != nil {
			b.Fatal(err)
		}
		file := filepath.Join(home, ".ssh", "opkssh", "work"+suffix)
		write(b, file, string(data))
		if err := os.Chmod(file, mode); err != nil {
			b.Fatal(err)
		}
	}
	opkssh := endtoend.Opkssh(b)
	compare(b, 300, func() {
		cmd := exec.Command(opkssh, "ensure", "www.example.com")
		cmd.Env = []string{"HOME=" + home}
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			b.Fatalf("ensure: %v\n%s", err, out)
		}
	}, func() {
		if err := exec.Command(program).Run(); err != nil {
			b.Fatal(err)
		}
	})
}
