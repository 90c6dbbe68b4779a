package attacks_test

import (
	"os/exec"
	"testing"

	"opkssh/integration/endtoend"
	"opkssh/integration/issuer"
)

// TestExplainOfCIJobs.
//
// Power: a CI job that gets in.
// Move: none: the administrator asks verifier explain and verifier test whether it does, and widens the rules until they say yes.
// Expected: they say what the login says, whichever form the client ID in the row has.
func TestExplainOfCIJobs(t *testing.T) {
	t.Parallel()
	op := issuer.Start(t)
	const sub = "project_path:acme/app"
	for name, row := range map[string]struct {
		text string
		want string
	}{
		"the whole audience": {ciAudience + " 24h commitment=gq", allowed},
		"a plain word":       {"infra 24h commitment=gq", allowed},
		"a list":             {"infra 24h commitment=gq aud=array", allowed},
		"people's":           {"infra 24h", "audience"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, op.URL+" "+row.text+"\n", "alice "+sub+" "+op.URL+"\n")
			f := forge(t, op.Issuer)
			ciJob(f)
			keyID := sub
			f.keyID = &keyID
			h.attack(t, f.offer(), row.want)
			if row.want != allowed {
				return // a person of this subject would get in
			}
			h.write(t, "tests.yml", "tests: [{user: alice, issuer: "+op.URL+", sub: '"+sub+"', expect: allow}]\n")
			for _, args := range [][]string{{"explain", "alice", "--issuer", op.URL, "--sub", sub}, {"test"}} {
				if out, err := exec.Command(endtoend.Verifier(t), append(args, "--config-dir", h.config)...).CombinedOutput(); err != nil {
					t.Errorf("%s: expected that it is allowed, got %v\n%s", args[0], err, out)
				}
			}
		})
	}
}
