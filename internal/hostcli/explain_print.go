package hostcli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"opkssh/internal/printable"
	"opkssh/pkg/policy"
)

// print writes the explanation for people: what was looked at, who it is, each rule, and the answer last.
func (x *explanation) print(w io.Writer, verbose bool) error {
	var b strings.Builder
	line := func(indent int, format string, args ...any) {
		b.WriteString(strings.Repeat("  ", indent) + printable.Text(fmt.Sprintf(format, args...)) + "\n")
	}
	line(0, "files")
	for _, f := range x.Files {
		line(1, "%s: %s", f.Path, f.State)
	}
	for _, n := range x.Findings {
		line(1, "%s", n)
		if n.Hint != "" {
			line(1, "hint: %s", n.Hint)
		}
	}
	switch x.HomeRules {
	case "off":
		line(1, "home rules: off in config.yml")
	case "not-needed":
		line(1, "home rules: not looked at, the answer is there without them")
	case "none":
		line(1, "home rules: none for %s", x.User)
	case "not-read":
		line(1, "home rules: left out")
	}
	x.printIdentity(line, verbose)
	if x.verified != nil {
		line(0, "rules for %s, in order", x.User)
		for _, r := range x.Rules {
			rule := r.Rule
			if rule == "" {
				rule = "not read"
			}
			line(1, "%s: %s", place(r.File, r.Line, 0), rule)
			detail := r.Detail
			switch {
			case r.Decides:
				detail += ", and decides"
			case r.Outcome == policy.Fits.String() && x.Decision == decisionAllow && x.Plugin == "":
				detail += ", but the first that fits decides"
			}
			line(2, "%s", detail)
		}
		if len(x.Rules) == 0 {
			line(1, "none")
		}
	}
	for _, warning := range x.Warnings {
		line(0, "warning: %s", warning)
	}
	x.printAnswer(line)
	_, err := io.WriteString(w, b.String())
	return err
}

func (x *explanation) printIdentity(line func(int, string, ...any), verbose bool) {
	if x.verified == nil {
		if x.Unverified != "" {
			line(0, "identity, not verified")
			line(1, "issuer: %s", quoted(x.Unverified))
		}
		return
	}
	line(0, "identity")
	line(1, "issuer: %s (%s)", quoted(x.Issuer), x.ProviderRow)
	names := []string{"sub", "email", "email_verified", "groups"}
	if verbose {
		names = append(names, slices.DeleteFunc(slices.Sorted(maps.Keys(x.Claims)), func(name string) bool {
			return name == "iss" || slices.Contains(names, name)
		})...)
	}
	for _, name := range names {
		if value, ok := x.Claims[name]; ok {
			line(1, "%s: %s", name, claimText(value))
		}
	}
	if x.ValidUntil != "" && !x.Hypothetical {
		line(1, "valid until %s", x.ValidUntil)
	}
}

func (x *explanation) printAnswer(line func(int, string, ...any)) {
	switch x.Decision {
	case decisionAllow:
		by := place(x.RuleFile, x.RuleLine, 0)
		if x.Plugin != "" {
			by = fmt.Sprintf("the plugin %s (%s)", quoted(x.Plugin), by)
		}
		line(0, "allowed as %s by %s", x.User, by)
		line(0, "sshd gets: %s", x.Line)
	case decisionUndecided:
		line(0, "undecided as %s: %s", x.User, x.Detail)
		line(0, "hint: --plugins asks them, --without-plugins leaves them out")
	default:
		line(0, "refused as %s: %s", x.User, x.Detail)
		line(0, "hint: docs/reasons.md explains %s", x.Reason)
	}
}
