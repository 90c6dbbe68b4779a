package sshauth_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"opkssh/pkg/pktoken"
	"opkssh/pkg/policy"
	"opkssh/pkg/sshauth"
	"opkssh/pkg/sshcert"
)

// judge gives a fixed answer; without one it hands on what it got.
type judge struct {
	decision *policy.Decision
	err      error
	silent   bool // neither a decision nor an error

	asked  int
	user   string
	denied error
}

func (j *judge) Judge(
	_ context.Context, v *pktoken.Verified, r policy.Request, decision *policy.Decision, denied error,
) (*policy.Decision, error) {
	j.asked++
	j.user, j.denied = r.User, denied
	switch {
	case v.Subject() != "1":
		return nil, errors.New("expected the verified token")
	case j.silent:
		return nil, nil
	case j.decision != nil || j.err != nil:
		return j.decision, j.err
	}
	return decision, denied
}

func TestJudge(t *testing.T) {
	const otherRule = "alice bob@example.com " + issuerURL + "\n"
	allow := &policy.Decision{Plugin: "p", Rule: policy.Rule{File: "p.yml", Line: 1}}
	deny := &policy.Denied{Reason: policy.ReasonPluginRequired, Plugin: "p"}
	tests := []struct {
		name, rules, config string
		verified            bool // the claim email_verified
		judge               judge
		reason              string // "" for a grant
		plugin              string
		asked               bool
	}{
		{"a rule fits, no objection", aliceRule, "", true, judge{}, "", "", true},
		{"a rule fits, an objection", aliceRule, "", true, judge{err: deny}, "plugin-required", "", true},
		{"no rule fits, no help", otherRule, "", true, judge{}, "no-rule", "", true},
		{"no rule fits, help", otherRule, "", true, judge{decision: allow}, "", "p", true},
		{"no rules, help", "", "", true, judge{decision: allow}, "", "p", true},
		{"email not verified, help", aliceRule, "require_email_verified: true", false, judge{decision: allow}, "", "p", true},
		{"rule expired, help", `alice alice@example.com ` + issuerURL + ` expiry-time="20200101"`, "", true, judge{decision: allow}, "", "p", true},
		{"denied user", aliceRule, "deny_users: [alice]", true, judge{decision: allow}, "denied-user", "", false},
		{"denied email", aliceRule, "deny_emails: [alice@example.com]", true, judge{decision: allow}, "denied-email", "", false},
		{"denied subject", aliceRule, "deny: [{sub: '1', issuer: " + issuerURL + "}]", true, judge{decision: allow}, "denied-subject", "", false},
		{"denied claim", otherRule, "deny: [{claim: 'email:alice@example.com'}]", true, judge{decision: allow}, "denied-claim", "", false},
		{"revoked", otherRule, "revoked_before: {'1': 2999-01-01T00:00:00Z}", true, judge{decision: allow}, "revoked", "", false},
		{"an error of its own", aliceRule, "", true, judge{err: errors.New("x")}, "configuration", "", true},
		{"no answer", aliceRule, "", true, judge{silent: true}, "configuration", "", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t, test.rules)
			h.source.Policy.Config = parseConfig(t, test.config)
			h.authenticator.Judge = &test.judge
			alice := claims()
			alice["email_verified"] = test.verified
			grant, err := h.authenticator.Authorize(t.Context(), "alice", h.login(t, alice, sshcert.Template{}))
			var refusal *sshauth.Refusal
			switch {
			case test.reason == "" && (err != nil || grant.Decision.Plugin != test.plugin):
				t.Errorf("expected a grant by plugin %q, got %+v, %v", test.plugin, grant, err)
			case test.reason != "" && (!errors.As(err, &refusal) || refusal.Reason() != test.reason || grant != nil):
				t.Errorf("expected the reason %s, got %+v, %v", test.reason, grant, err)
			}
			if test.asked != (test.judge.asked == 1) || test.asked && test.judge.user != "alice" {
				t.Errorf("the judge was asked %d times, about %q", test.judge.asked, test.judge.user)
			}
		})
	}
}

// TestJudgeComesAfterHomeRules, and is not asked about what was never verified.
func TestJudgeComesAfterHomeRules(t *testing.T) {
	h := newHost(t, "")
	j := &judge{}
	h.authenticator.Source, h.authenticator.Judge = &homeSource{StaticSource: h.source, home: parseRules(t, aliceRule)}, j
	if _, err := h.authenticator.Authorize(t.Context(), "alice", h.login(t, claims(), sshcert.Template{})); err != nil || j.asked != 1 || j.denied != nil {
		t.Errorf("got %v, asked %d times, with %v", err, j.asked, j.denied)
	}
	h.authenticator.Now = func() time.Time { return time.Now().Add(48 * time.Hour) }
	if _, err := h.authenticator.Authorize(t.Context(), "alice", h.login(t, claims(), sshcert.Template{})); err == nil || j.asked != 1 {
		t.Errorf("expired: got %v, asked %d times", err, j.asked)
	}
}
