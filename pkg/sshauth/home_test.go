package sshauth_test

import (
	"context"
	"errors"
	"testing"

	"golang.org/x/crypto/ssh"

	"opkssh/pkg/policy"
	"opkssh/pkg/sshauth"
	"opkssh/pkg/sshcert"
)

// homeSource is a host with rules in home folders, and counts how often somebody looks.
type homeSource struct {
	*sshauth.StaticSource
	home  []policy.Rule
	asked int
}

func (s *homeSource) Configuration(context.Context, string) (*sshauth.Configuration, error) {
	c := sshauth.Configuration(*s.StaticSource)
	c.Home = func(context.Context) []policy.Rule {
		s.asked++
		return s.home
	}
	return &c, nil
}

func TestHomeRules(t *testing.T) {
	for name, test := range map[string]struct {
		system, home, config string
		change               func(cert *ssh.Certificate)
		file                 string        // of the rule that lets alice in
		reason               policy.Reason // otherwise
		asked                int
	}{
		"a home rule":               {home: aliceRule, file: "home", asked: 1},
		"a system rule comes first": {system: aliceRule, home: aliceRule, file: "auth_id"},
		"after an expired rule": {
			system: "alice alice@example.com " + issuerURL + " expiry-time=\"20000101\"\n", home: aliceRule, file: "home", asked: 1,
		},
		"no rule":               {reason: policy.ReasonNoRule, asked: 1},
		"denied":                {home: aliceRule, config: "deny_emails: [alice@example.com]\n", reason: policy.ReasonDeniedEmail},
		"denied user":           {home: aliceRule, config: "deny_users: [alice]\n", reason: policy.ReasonDeniedUser},
		"email not vouched for": {home: aliceRule, config: "require_email_verified: true\n", reason: policy.ReasonEmailNotVerified, asked: 1},
		"a stranger's token":    {home: aliceRule, change: func(c *ssh.Certificate) { c.Extensions[sshcert.ExtensionPKToken] = "not:a:token" }},
		"a forged certificate":  {home: aliceRule, change: func(c *ssh.Certificate) { c.Signature.Blob[8] ^= 1 }},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, test.system)
			source := &homeSource{StaticSource: h.source}
			h.authenticator.Source = source
			h.source.Policy.Config = parseConfig(t, test.config)
			var problems []policy.Problem
			if source.home, problems = policy.ParseRulesFor("home", []byte(test.home), "alice"); len(problems) > 0 {
				t.Fatal(problems)
			}
			who := claims()
			if test.reason == policy.ReasonEmailNotVerified {
				who["email_verified"] = false
			}
			cert := h.login(t, who, sshcert.Template{})
			if test.change != nil {
				test.change(cert)
			}
			grant, err := h.authenticator.Authorize(t.Context(), "alice", cert)
			var denied *policy.Denied
			switch {
			case test.file != "" && (err != nil || grant.Decision.Rule.File != test.file):
				t.Errorf("expected a grant by a rule of %s, got %+v, %v", test.file, grant, err)
			case test.file == "" && err == nil:
				t.Error("expected a refusal")
			case test.reason != "" && (!errors.As(err, &denied) || denied.Reason != test.reason):
				t.Errorf("expected the reason %s, got %v", test.reason, err)
			}
			if source.asked != test.asked {
				t.Errorf("expected that home rules are read %d times, got %d", test.asked, source.asked)
			}
			if len(h.source.Policy.Home) != 0 {
				t.Error("the host's policy was changed")
			}
		})
	}
}
