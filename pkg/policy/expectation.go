package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"opkssh/pkg/pktoken"
)

// Expectation is one entry of tests.yml: what the host's files should decide about somebody.
type Expectation struct {
	Name string // for people; may be empty

	User     string // the user to log in as
	Issuer   string // a URL or a short name of [KnownProviders]
	ClientID string // "" means that of the issuer's first row
	Subject  string
	Email    string
	// Claims are further claims: texts, or lists of texts as []any.
	Claims map[string]any

	Expect  string  // allow, deny or a reason code
	Options *string // for allow: the options of the rule that decides, as auth_id spells them; nil for any

	File string
	Line int
}

// The words of [Expectation].Expect beside reason codes.
const (
	ExpectAllow = "allow"
	ExpectDeny  = "deny"
)

// expectable are the reasons that somebody with an honest token can be refused for.
var expectable = []string{
	string(ReasonDeniedUser), string(ReasonDeniedEmail), string(ReasonDeniedSubject), string(ReasonDeniedClaim), string(ReasonRevoked),
	string(ReasonEmailNotVerified), string(ReasonRuleExpired), string(ReasonNoRule), string(ReasonPluginRequired),
	string(pktoken.ReasonUnknownIssuer), string(pktoken.ReasonAudience), string(pktoken.ReasonRequiredClaim),
}

// ParseExpectations reads tests.yml. It is as strict as [ParseConfig], and every error is a [*ConfigError]. A file without a test is
// an error, since it would pass.
func ParseExpectations(file string, data []byte) ([]Expectation, error) {
	root, err := parseYAML(file, data)
	if err != nil {
		return nil, err
	}
	nothing := &ConfigError{File: file, Detail: "expected tests, got none"}
	if root == nil {
		return nil, nothing
	}
	r := yamlReader{file}
	var tests []Expectation
	err = r.mapping(root, map[string]func(*yaml.Node) error{
		"tests": r.each(func(n *yaml.Node) error {
			test, err := readExpectation(r, n)
			tests = append(tests, test)
			return err
		}),
	})
	switch {
	case err != nil:
		return nil, asConfigError(err)
	case len(tests) == 0:
		nothing.Line, nothing.Column = root.Line, root.Column
		return nil, nothing
	}
	return tests, nil
}

func readExpectation(r yamlReader, n *yaml.Node) (Expectation, error) {
	e := Expectation{File: r.file, Line: n.Line}
	var verified *bool
	err := r.mapping(n, map[string]func(*yaml.Node) error{
		"name":      r.text(&e.Name, nil),
		"user":      r.text(&e.User, checkPrincipal),
		"issuer":    r.text(&e.Issuer, checkIssuerOrAlias),
		"client_id": r.text(&e.ClientID, checkNotWildcard),
		"sub":       r.text(&e.Subject, checkNotWildcard),
		"email":     r.text(&e.Email, checkDenyEmail),
		"email_verified": func(n *yaml.Node) error {
			verified = new(bool)
			return r.boolean(verified)(n)
		},
		"claims":  r.pairs(e.readClaim(r)),
		"expect":  r.text(&e.Expect, checkExpect),
		"options": func(n *yaml.Node) error { e.Options = new(string); return r.text(e.Options, checkOptions)(n) },
	})
	if verified != nil {
		e.setClaim("email_verified", *verified)
	}
	switch {
	case err != nil:
		return e, err
	case e.User == "":
		return e, r.fail(n, "expected user: whom to log in as")
	case e.Issuer == "":
		return e, r.fail(n, "expected issuer: the provider's URL")
	case e.Subject == "" && e.Email == "" && len(e.Claims) == 0:
		return e, r.fail(n, "expected email, sub or claims: who it is")
	case e.Expect == "":
		return e, r.fail(n, "expected expect: allow, deny or a reason code")
	case e.Options != nil && e.Expect != ExpectAllow:
		return e, r.fail(n, "options: expected expect: allow beside it")
	}
	return e, nil
}

func (e *Expectation) setClaim(name string, value any) {
	if e.Claims == nil {
		e.Claims = map[string]any{}
	}
	e.Claims[name] = value
}

func (e *Expectation) readClaim(r yamlReader) func(key, value *yaml.Node) error {
	return func(key, value *yaml.Node) error {
		if err := CheckFurtherClaim(key.Value); err != nil {
			return r.fail(key, "%s", err)
		}
		if value.Kind != yaml.SequenceNode {
			var text string
			err := r.text(&text, nil)(value)
			e.setClaim(key.Value, text)
			return err
		}
		list := []any{}
		err := r.each(func(n *yaml.Node) error {
			var text string
			err := r.text(&text, nil)(n)
			list = append(list, text)
			return err
		})(value)
		e.setClaim(key.Value, list)
		return err
	}
}

// CheckFurtherClaim refuses the names of claims that a token gets by itself, and those that are said in another way.
func CheckFurtherClaim(name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return errors.New("the claim has no name")
	case slices.Contains([]string{"iss", "aud", "azp", "sub", "email"}, name):
		return fmt.Errorf("claim %s: expected it as issuer, client ID, sub or email", quoteShort(name))
	case slices.Contains([]string{"iat", "exp", "nbf", "nonce", "cnf"}, name):
		return fmt.Errorf("claim %s is part of every token", quoteShort(name))
	}
	return nil
}

func checkIssuerOrAlias(s string) error {
	if _, ok := FindKnownProvider(s); ok {
		return nil
	}
	return checkIssuer(s)
}

func checkExpect(s string) error {
	if s == ExpectAllow || s == ExpectDeny || slices.Contains(expectable, s) {
		return nil
	}
	return unknownName("word", s, append([]string{ExpectAllow, ExpectDeny}, expectable...))
}

// checkOptions takes what stands in the fourth column of auth_id, or nothing.
func checkOptions(s string) error {
	_, err := ParseOptions(s)
	return err
}

// ParseOptions reads the fourth column of auth_id. None are fine.
func ParseOptions(s string) ([]Option, error) {
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	r := row{line: s}
	options, f := r.options()
	switch {
	case f != nil:
		return nil, errors.New(f.detail)
	case r.more():
		return nil, fmt.Errorf("options: expected a comma or the end, got %s", quoteShort(r.line[r.pos:]))
	}
	return options, nil
}
