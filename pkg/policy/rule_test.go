package policy_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"opkssh/pkg/policy"
)

const (
	op     = "https://op.example.com"
	github = "https://token.actions.githubusercontent.com"
)

func TestIdentities(t *testing.T) {
	for _, test := range []struct {
		column, issuer string
		want           policy.Identity
	}{
		{"alice@example.com", op, policy.Identity{Kind: policy.IdentityEmail, Value: "alice@example.com"}},
		{"Alice+tag@Example.com", op, policy.Identity{Kind: policy.IdentityEmail, Value: "Alice+tag@Example.com"}},
		{"oidc:groups:team:developers", op, policy.Identity{Kind: policy.IdentityClaim, Claim: "groups", Value: "team:developers"}},
		{"oidc:mail:alice@example.com", op, policy.Identity{Kind: policy.IdentityClaim, Claim: "mail", Value: "alice@example.com"}},
		{"'oidc:groups:Domain Users'", op, policy.Identity{Kind: policy.IdentityClaim, Claim: "groups", Value: "Domain Users"}},
		{`oidc:groups:DOMAIN\\users`, op, policy.Identity{Kind: policy.IdentityClaim, Claim: "groups", Value: `DOMAIN\users`}},
		{`oidc:\"https://acme.com/groups\":x:y`, op, policy.Identity{Kind: policy.IdentityClaim, Claim: "https://acme.com/groups", Value: "x:y"}},
		{`oidc:"https://acme.com/groups":x`, op, policy.Identity{Kind: policy.IdentityClaim, Claim: "https://acme.com/groups", Value: "x"}},
		{`oidc:"http://acme.com:80/groups":x`, op, policy.Identity{Kind: policy.IdentityClaim, Claim: "http://acme.com:80/groups", Value: "x"}},
		{`oidc:\"urn:acme:groups\":x`, op, policy.Identity{Kind: policy.IdentityClaim, Claim: "urn:acme:groups", Value: "x"}},
		{"oidc-match-end:email:@example.com", op, policy.Identity{Kind: policy.IdentityEmailSuffix, Value: "@example.com"}},
		{"oidc-match-end:email:.example.com", op, policy.Identity{Kind: policy.IdentityEmailSuffix, Value: ".example.com"}},
		{"oidc-match-end:email:.a", op, policy.Identity{Kind: policy.IdentityEmailSuffix, Value: ".a"}},
		{"repo:acme/app:ref:refs/heads/*", github, policy.Identity{Kind: policy.IdentitySubjectGlob, Value: "repo:acme/app:ref:refs/heads/*"}},
		{"repo:acme/app", op, policy.Identity{Kind: policy.IdentitySubjectGlob, Value: "repo:acme/app"}}, // up to the row of providers
		{"repo:acme/*", "https://forge.example.com/api/actions", policy.Identity{Kind: policy.IdentitySubjectGlob, Value: "repo:acme/*"}},
		{"1234", op, policy.Identity{Kind: policy.IdentitySubject, Value: "1234"}},
		{"auth0|1234", op, policy.Identity{Kind: policy.IdentitySubject, Value: "auth0|1234"}},
		{"urn:x:y", op, policy.Identity{Kind: policy.IdentitySubject, Value: "urn:x:y"}},
	} {
		rules, problems := policy.ParseRules("auth_id", []byte("alice "+test.column+" "+test.issuer))
		want := policy.Rule{Principal: "alice", Issuer: test.issuer, Identity: test.want, File: "auth_id", Line: 1}
		if len(problems) != 0 || len(rules) != 1 || !reflect.DeepEqual(rules[0], want) {
			t.Errorf("%s: expected %+v, got %+v, %v", test.column, want, rules, problems)
			continue
		}
		// What an identity is written as, in quotes for the row, means it again.
		again, problems := policy.ParseRules("auth_id", []byte("alice '"+test.want.String()+"' "+test.issuer))
		if len(problems) != 0 || len(again) != 1 || again[0].Identity != test.want {
			t.Errorf("%s: %s: got %+v, %v", test.column, test.want, again, problems)
		}
	}
}

func TestBadRules(t *testing.T) {
	for _, row := range []string{
		"alice",
		"alice alice@example.com",
		"'' alice@example.com " + op,
		"' ' alice@example.com " + op,
		"'al ice' alice@example.com " + op,
		"al,ice alice@example.com " + op,
		`al\"ice alice@example.com ` + op,
		`al\'ice alice@example.com ` + op,
		"* alice@example.com " + op,
		"al?ce alice@example.com " + op,
		"al\u200bice alice@example.com " + op,
		"al\u00a0ice alice@example.com " + op,
		strings.Repeat("a", 257) + " alice@example.com " + op,
		"alice '' " + op,
		"alice ' ' " + op,
		"alice * " + op,
		"alice @ " + op,
		"alice @example.com " + op,
		"alice alice@ " + op,
		"alice *@example.com " + op,
		"alice oidc: " + op,
		"alice oidc:groups " + op,
		"alice oidc:groups: " + op,
		"alice 'oidc:groups: ' " + op,
		"alice oidc::x " + op,
		"alice OIDC:groups:x " + op,
		`alice oidc:\"groups:x ` + op,
		`alice oidc:\"groups\"x:y ` + op,
		`alice oidc:\"\":y ` + op,
		`alice oidc:\"groups\": ` + op,
		"alice oidc:https://acme.com/groups " + op,
		"alice oidc:https://:x " + op,
		"alice oidc:https://acme.com/groups: " + op,
		"alice oidc-match-end:email:@ " + op,
		"alice oidc-match-end:email:. " + op,
		"alice oidc-match-end:email: " + op,
		"alice oidc-match-end:email:example.com " + op,
		"alice oidc-match-end:sub:@example.com " + op,
		"alice oidc-match-start:email:alice@ " + op,
		"alice OIDC-match-end:email:@example.com " + op,
		"alice repo: " + github,
		"alice repo:* " + github,
		"alice repo:*/app:* " + github,
		"alice repo:?*/app " + github,
		"alice repo:[a-z]*/app " + github,
		`alice repo:\\*/app ` + github,
		"alice repo:/app " + github,
		"alice 'repo:acme/app[' " + github,
		"alice Repo:acme/app " + github,
		"alice alice@example.com google",
		"alice alice@example.com http://op.example.com",
		"alice alice@example.com ''",
		"alice alice@example.com " + op + " ''",
		"alice alice@example.com " + op + " restrict pty",
		"alice alice@example.com " + op + " restrict, pty",
		"alice alice@example.com " + op + " nonsense",
		"alice 'alice@example.com " + op,
		`alice alice@example.com ` + op + `\`,
		"alice\x00 alice@example.com " + op,
		"alice alice@example.com\x1b[2K " + op,
	} {
		good := "bob bob@example.com " + op
		rules, problems := policy.ParseRules("auth_id", []byte(good+"\n"+row+"\n"+good+"\n"))
		if len(rules) != 2 || rules[0].Line != 1 || rules[1].Line != 3 {
			t.Errorf("%q: expected the good rows alone, got %+v", row, rules)
		}
		if len(problems) != 1 || problems[0].Line != 2 {
			t.Errorf("%q: expected one problem on line 2, got %v", row, problems)
		}
	}
}

func TestPrincipals(t *testing.T) {
	for word, want := range map[string]string{
		"alice": "alice", "Alice.B": "Alice.B", "alice@example.com": "alice@example.com", `DOMAIN\\alice`: `DOMAIN\alice`,
		`'DOMAIN\alice'`: `DOMAIN\alice`, `"ali"ce`: "alice", "--help": "--help", "host$": "host$", "jürgen": "jürgen", `\alice`: "alice",
	} {
		data := []byte(word + " alice@example.com " + op)
		rules, problems := policy.ParseRules("auth_id", data)
		if len(rules) != 1 || rules[0].Principal != want {
			t.Errorf("%s: expected %s, got %+v, %v", word, want, rules, problems)
		}
		if rules, _ := policy.ParseRulesFor("auth_id", data, want); len(rules) != 1 {
			t.Errorf("%s: ParseRulesFor(%s) does not find it", word, want)
		}
		for _, other := range []string{want + "x", want[:len(want)-1], "x", "", strings.ToUpper(want)} {
			if rules, _ := policy.ParseRulesFor("auth_id", data, other); len(rules) != 0 {
				t.Errorf("%s: ParseRulesFor(%s) finds it", word, other)
			}
		}
	}
}

func TestParseRulesForReportsItsOwnProblems(t *testing.T) {
	data := []byte(strings.Join([]string{
		"alice alice@example.com", // 1: alice's
		"bob bob@example.com",     // 2: another's
		`"alice`,                  // 3: cannot be told
		"ali\\",                   // 4: cannot be told
		"ali\x01ce x y",           // 5: cannot be told
		"bob\x01",                 // 6: begins like another's
		"alicia oidc: https://op", // 7: another's
		"'bob' oidc: https://op",  // 8: another's
		"'alice' oidc: https://o", // 9: alice's
		"ali\x7fce x y",           // 10: cannot be told
		"ali\xffce x y",           // 11: cannot be told
	}, "\n"))
	_, problems := policy.ParseRulesFor("auth_id", data, "alice")
	var got []int
	for _, p := range problems {
		got = append(got, p.Line)
	}
	if want := []int{1, 3, 4, 5, 9, 10, 11}; !slices.Equal(got, want) {
		t.Errorf("expected problems on lines %v, got %v", want, got)
	}
	if _, all := policy.ParseRules("auth_id", data); len(all) != 11 {
		t.Errorf("expected 11 problems for everybody, got %v", all)
	}
}

func TestNewRule(t *testing.T) {
	for _, test := range []struct {
		principal, identity, issuer, options string
		ok                                   bool
	}{
		{"alice", "alice@example.com", op, "", true},
		{`DOMAIN\alice`, `oidc:"https://acme.com/groups":a b'c"d\e#f`, op, `restrict,command="say \"x\" # y"`, true},
		{"#alice", "#1", op, "", true},
		{"alice", "alice@example.com " + op, op, "", true}, // a strange address, and one word
		{"", "alice@example.com", op, "", false},
		{"alice", "", op, "", false},
		{"alice", "alice@example.com", "", "", false},
		{"alice", "alice@example.com", op, "#", false},
		{"alice", "alice@example.com", op, " ", false},
		{"alice", "alice@example.com", op, "pty restrict", false},
		{"alice", "alice@example.com", op, "pty\nroot alice@example.com " + op, false},
		{"alice\nroot", "alice@example.com", op, "", false},
		{"alice", "a\nroot b@example.com", op, "", false},
		{"alice", "alice@example.com", op + "\n", "", false},
		{"\talice", "alice@example.com", op, "", false},
		{"alice\talice@example.com", op, "", "restrict", false},
	} {
		rule, err := policy.NewRule(test.principal, test.identity, test.issuer, test.options)
		if (err == nil) != test.ok {
			t.Errorf("%+v: got %v", test, err)
			continue
		}
		if err != nil {
			continue
		}
		if rule.Principal != test.principal || rule.Issuer != test.issuer || rule.Identity.String() != test.identity {
			t.Errorf("%+v: got %+v", test, rule)
		}
		if text := rule.String(); strings.TrimSpace(text) != text {
			t.Errorf("expected no blank around %q", text)
		}
		again, problems := policy.ParseRules("", []byte(rule.String()))
		rule.Line = 1
		if len(again) != 1 || !reflect.DeepEqual(again[0], rule) {
			t.Errorf("%s: expected %+v, got %+v, %v", rule, rule, again, problems)
		}
	}
}
