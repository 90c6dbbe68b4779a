package policy

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// Rule is a row of auth_id: the people with Identity at Issuer may log in as Principal. The zero Rule lets nobody in.
type Rule struct {
	Principal string // a user of the host, compared exactly
	Issuer    string // compared exactly
	Identity  Identity
	Options   []Option
	File      string
	Line      int

	// Doubt says why the file is not to be trusted; "" if it is. The caller of [ParseRules] sets it. Such a rule lets nobody in: where it
	// would, the login is refused, because it may have limits that a rule behind it has not. A rule without a principal
	// stands for a file that cannot be read at all, and does that to everybody.
	Doubt string
}

// NewRule makes a rule of the columns of a row, given as words without quotes; options is the fourth column, or "". It accepts
// what [ParseRules] accepts.
func NewRule(principal, identity, issuer, options string) (Rule, error) {
	r := row{line: strings.Join([]string{quoteWord(principal), quoteWord(identity), quoteWord(issuer), options}, " ")}
	first, _, f := r.next()
	var rule Rule
	if f == nil {
		rule, f = r.rule(first)
	}
	switch {
	case f != nil:
		return Rule{}, errors.New(f.detail)
	case options != "" && len(rule.Options) == 0:
		return Rule{}, fmt.Errorf("options: expected authorized_keys options, got %s", quoteShort(options))
	}
	return rule, nil
}

// String gives the rule as a row that [ParseRules] reads back.
func (r Rule) String() string {
	columns := []string{quoteWord(r.Principal), quoteWord(r.Identity.String()), quoteWord(r.Issuer)}
	if len(r.Options) > 0 {
		columns = append(columns, FormatOptions(r.Options))
	}
	return strings.Join(columns, " ")
}

// ParseRules reads auth_id or a file of auth_id.d: rows of principal, identity, issuer and options.
//
// The first three columns are words of a shell, so that a backslash in a principal is written twice or inside single quotes.
// The fourth is read as sshd(8) reads the options of authorized_keys: its double quotes are part of it, \" inside them is a
// quote, and it ends at the first blank outside them.
//
// file is for messages and goes into each rule.
func ParseRules(file string, data []byte) ([]Rule, []Problem) {
	return parseRules(file, data, func([]byte) bool { return true }, func(string) bool { return true })
}

// ParseRulesFor gives the rules of [ParseRules] that have this principal, without the cost of the others. Of the problems it
// gives those of rows that have it, and of rows whose first word cannot be read and does not begin like another's.
func ParseRulesFor(file string, data []byte, principal string) ([]Rule, []Problem) {
	return parseRules(file, data,
		func(line []byte) bool { return MaybeRuleFor(line, principal) },
		func(p string) bool { return p == principal })
}

// parseRules reads the lines that are worth it, and of these the rows with a principal that is wanted.
func parseRules(file string, data []byte, worth func([]byte) bool, wanted func(string) bool) (rules []Rule, problems []Problem) {
	for number, line := range lines(data) {
		if !worth(line) {
			continue
		}
		r := row{line: string(line)}
		principal, ok, f := r.next()
		if f == nil && (!ok || !wanted(principal.text)) {
			continue
		}
		var rule Rule
		if f == nil {
			rule, f = r.rule(principal)
		}
		if f != nil {
			problems = append(problems, f.problem(file, number))
			continue
		}
		rule.File, rule.Line = file, number
		rules = append(rules, rule)
	}
	return rules, problems
}

// MaybeRuleFor is for reading a large file: lines for which it is false give [ParseRulesFor] nothing, and might as well be empty. It
// is false only for a line whose first word already differs from principal before any quote, backslash or control
// character, and for comments. It allocates nothing.
func MaybeRuleFor(line []byte, principal string) bool {
	start := 0
	for start < len(line) && isBlank(line[start]) {
		start++
	}
	if start < len(line) && line[start] == '#' {
		return false
	}
	for i, c := range line[start:] {
		switch {
		case isBlank(c):
			return i == len(principal)
		case c < ' ' || c == '"' || c == '\'' || c == '\\' || c >= 0x7f:
			return true
		case i >= len(principal) || c != principal[i]:
			return false
		}
	}
	return true
}

// rule reads what follows the principal.
func (r *row) rule(principal word) (Rule, *fault) {
	identity, ok, f := r.next()
	if f != nil {
		return Rule{}, f
	}
	issuer := word{}
	if ok {
		if issuer, ok, f = r.next(); f != nil {
			return Rule{}, f
		}
	}
	if !ok {
		return Rule{}, faultAt(principal.column, "expected principal, identity and issuer")
	}
	rule := Rule{Principal: principal.text, Issuer: issuer.text}
	if err := checkPrincipal(principal.text); err != nil {
		return Rule{}, faultAt(principal.column, "%s", err)
	}
	if err := checkIssuer(issuer.text); err != nil {
		return Rule{}, faultAt(issuer.column, "%s", err)
	}
	var err error
	if rule.Identity, err = parseIdentity(identity.text); err != nil {
		return Rule{}, faultAt(identity.column, "%s", err)
	}
	if r.more() {
		if rule.Options, f = r.options(); f != nil {
			return Rule{}, f
		}
	}
	if r.more() {
		return Rule{}, faultAt(r.pos+1, "more than four columns")
	}
	return rule, nil
}

// checkPrincipal takes the user names that hosts have, those of directories with \, @, dots and capitals among them.
func checkPrincipal(name string) error {
	const most = 256
	switch {
	case name == "":
		return errors.New("the principal is empty")
	case len(name) > most:
		return fmt.Errorf("principal: expected at most %d bytes, got %d", most, len(name))
	}
	for _, c := range name {
		if unicode.IsSpace(c) || !unicode.IsGraphic(c) || strings.ContainsRune(`,"'*?`, c) {
			return fmt.Errorf("principal: expected a user name, got %s", quoteShort(name))
		}
	}
	return nil
}
