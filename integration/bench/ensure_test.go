package bench_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"opkssh/integration/endtoend"
	"opkssh/integration/issuer"
	"opkssh/pkg/pktoken/pktokentest"
)

// BenchmarkEnsure: what ssh waits for at each login while the key is good.
func BenchmarkEnsure(b *testing.B) {
	o := issuer.Start(b)
	comparison{Name: "`opkssh ensure`, the key is good", Against: helloName}.
		measure(b, 300, ensure(b, o, o.Login(b, alice)).timed(b, ""), hello(b))
}

// ensure runs in the home folder of somebody who has logged in.
func ensure(b *testing.B, o *issuer.Issuer, id *issuer.Identity) command {
	b.Helper()
	home := b.TempDir()
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
	return command{args: []string{installed(b, endtoend.Opkssh(b)), "ensure", "www.example.com"}, environment: []string{"HOME=" + home}}
}
