package bench_test

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"opkssh/integration/endtoend"
	"opkssh/integration/issuer"
	"opkssh/integration/sshd"
)

// BenchmarkHomeRules: alice's home folder is closed to the verifier's user, so that sudo has to read her rules.
func BenchmarkHomeRules(b *testing.B) {
	o := issuer.Start(b)
	cert := o.Login(b, alice).Certificate
	system, home := startHost(b, o), startHost(b, o)
	write(b, filepath.Join(home.ConfigDir, "auth_id"), "")
	rules := filepath.Join(home.Home("alice"), ".opk", "auth_id")
	write(b, rules, aliceRule(o, "alice"))
	for _, path := range []string{rules, filepath.Dir(rules)} {
		home.Chown(b, path, "alice")
	}
	if err := os.Chmod(home.Home("alice"), 0o700); err != nil {
		b.Fatal(err)
	}
	if r := home.Exec(b, "root", "sh", "-c", "umask 337; echo 'opksshuser ALL=(root) NOPASSWD: "+verifierPath+" readhome *' >/etc/sudoers.d/opkssh"); r.ExitCode != 0 {
		b.Fatalf("sudoers: %+v", r)
	}

	// Many runs for each entry into the host's mounts, which takes as long as a few of them.
	const runs = 20
	const loop = `n=0; while [ $n -lt "$1" ]; do ` + verifierPath + ` verify "$2" "$3" "$4"; n=$((n+1)); done`
	args := append([]string{"sh", "-euc", loop, "sh", strconv.Itoa(runs)}, tokens("alice", cert)...)
	verify := func(s *sshd.Server) timed {
		return func() time.Duration {
			start := time.Now()
			r := s.Exec(b, sshd.CommandUser, args...)
			took := time.Since(start)
			if lines := countLines(r.Stdout, grantedLine); r.ExitCode != 0 || lines != runs {
				b.Fatalf("expected %d grants, got %d, %+v", runs, lines, r)
			}
			return took / runs
		}
	}
	comparison{Name: "`verifier verify`, home rules by sudo", Against: "a system rule"}.measure(b, 10, verify(home), verify(system))
}

const verifierPath = sshd.BinDir + "/verifier"

// startHost runs sshd with the verifier, and 10 rules, of which the last is alice's.
func startHost(b *testing.B, o *issuer.Issuer) *sshd.Server {
	b.Helper()
	s := sshd.Start(b, sshd.Config{AuthorizedKeysCommand: verifierPath + " verify %u %k %t"})
	s.InstallBinary(b, endtoend.Verifier(b), "verifier")
	writeConfig(b, o, s.ConfigDir, "alice", 10)
	return s
}
