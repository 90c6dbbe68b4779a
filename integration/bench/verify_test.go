package bench_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"opkssh/integration/issuer"
)

// BenchmarkStart: somebody else's key, which the verifier leaves to others.
func BenchmarkStart(b *testing.B) {
	o := issuer.Start(b)
	h, key := newHost(b, o, 10), o.Login(b, alice).Certificate.Key
	comparison{Name: "`verifier verify` of a key without a token", Against: helloName}.
		measure(b, 300, h.question(key).timed(b, ""), hello(b))
}

// BenchmarkVerify: the provider's keys are in the cache.
func BenchmarkVerify(b *testing.B) {
	o := issuer.Start(b)
	h, cert := newHost(b, o, 10), o.Login(b, alice).Certificate
	verify := h.verify(b, cert)
	verify()
	asked := o.Requests()
	comparison{Name: "`verifier verify`, keys cached", Against: helloName, most: 3}.measure(b, 500, verify, hello(b))
	figure{Name: "`verifier verify`, keys cached: requests", Value: float64(o.Requests() - asked), budget: atMost(0)}.add(b)
}

// BenchmarkSandbox: what it costs, and what the monitor costs where one may be needed.
func BenchmarkSandbox(b *testing.B) {
	o := issuer.Start(b)
	cert := o.Login(b, alice).Certificate
	inside, outside, monitored := newHost(b, o, 10), newHost(b, o, 10), newHostOf(b, o, directoryUser, 10)
	write(b, filepath.Join(outside.config, "config.yml"), quietConfig+"sandbox: false\n")
	comparison{Name: "`verifier verify`, keys cached", Against: "`sandbox: false`"}.measure(b, 300, inside.verify(b, cert), outside.verify(b, cert))
	comparison{Name: "`verifier verify`, keys cached, for a user who is not in `/etc/passwd`", Against: helloName}.
		measure(b, 300, monitored.verify(b, cert), hello(b))
}

// BenchmarkColdVerify: the provider is on the same machine, and answers at once.
func BenchmarkColdVerify(b *testing.B) {
	o := issuer.Start(b)
	cert := o.Login(b, alice).Certificate
	cold, cached := newHost(b, o, 10), newHost(b, o, 10)
	verify := cold.verify(b, cert)
	forgetful := func() time.Duration {
		cold.forgetKeys(b)
		return verify()
	}
	comparison{Name: "`verifier verify`, nothing cached", Against: "keys cached"}.
		measure(b, 100, forgetful, cached.verify(b, cert))
}

// BenchmarkRules: those of other people, before the one that counts.
func BenchmarkRules(b *testing.B) {
	o := issuer.Start(b)
	cert := o.Login(b, alice).Certificate
	few := newHost(b, o, 10)
	for _, rules := range []int{1_000, 100_000} {
		b.Run(fmt.Sprint(rules), func(b *testing.B) {
			many := newHost(b, o, rules)
			comparison{Name: fmt.Sprintf("`verifier verify`, %d rules", rules), Against: "10 rules", most: 2}.
				measure(b, 200, many.verify(b, cert), few.verify(b, cert))
		})
	}
}

// BenchmarkPlugin: a shell script lets in whom no rule does.
func BenchmarkPlugin(b *testing.B) {
	o := issuer.Start(b)
	cert := o.Login(b, alice).Certificate
	ruled, asking := newHost(b, o, 10), newHost(b, o, 10)
	write(b, filepath.Join(asking.config, "auth_id"), "")
	program := filepath.Join(asking.config, "allow")
	write(b, program, "#!/bin/sh\necho allow\n")
	if err := os.Chmod(program, 0o755); err != nil {
		b.Fatal(err)
	}
	write(b, filepath.Join(asking.config, "policy.d", "allow.yml"), "name: allow\ncommand: "+program+"\n")
	comparison{Name: "`verifier verify`, one plugin, a shell script", Against: "a rule"}.
		measure(b, 200, asking.verify(b, cert), ruled.verify(b, cert))
}
