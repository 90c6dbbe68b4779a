package hostcli

import (
	"fmt"
	"slices"
	"time"

	"opkssh/pkg/policy"
	"opkssh/pkg/sshauth"
)

// newRule is a rule that add puts into a file, unless it is there.
type newRule struct {
	policy.Rule
	host     *sshauth.Configuration // without it
	home     bool                   // it is for the user's home folder, whose rules come behind the host's
	now      time.Time
	report   ruleReport
	findings []policy.Finding // about the rule, and about others because of it
}

// addTo puts the rule at the end of a file, and gives the lines that differ.
func (n *newRule) addTo(file ruleFile, dryRun bool) (changes []string, err error) {
	if !n.home {
		if there, err := n.standsIn(file.path, n.host.Policy.System, n.host.Policy.System); there || err != nil {
			return nil, err
		}
	}
	return file.edit(dryRun, func(data []byte) ([]byte, error) { return n.edit(file.path, data) })
}

// edit is for a file that nobody else edits meanwhile.
func (n *newRule) edit(path string, data []byte) ([]byte, error) {
	rules, _ := policy.ParseRulesFor(path, data, n.Principal)
	if there, err := n.standsIn(path, rules, n.amongHosts(path, rules)); there || err != nil {
		return data, err
	}
	if len(data) == 0 {
		data = []byte(newRulesHeader)
	}
	edited, err := policy.AddRule(path, data, n.Rule)
	if err != nil {
		return nil, err
	}
	rules, _ = policy.ParseRulesFor(path, edited, n.Principal)
	n.report = newRuleReport("added", rules[len(rules)-1])
	return edited, n.lint(n.amongHosts(path, rules))
}

// amongHosts are the rules of a file and the host's others, in the order of a login.
func (n *newRule) amongHosts(path string, rules []policy.Rule) []policy.Rule {
	others := slices.DeleteFunc(slices.Clone(n.host.Policy.System), func(r policy.Rule) bool { return r.File == path })
	if n.home {
		return append(others, rules...)
	}
	return append(slices.Clip(rules), others...)
}

// standsIn finds a rule that says the same and decides. One for the same people with other options in the file at path, at whose end the new one
// will stand, is an error: only the first of two ever decides, unless its time is over. Behind the end of that file nothing is in the new
// one's way: neither such a rule, nor one that is not to be trusted, which lets nobody in.
func (n *newRule) standsIn(path string, rules, all []policy.Rule) (there bool, err error) {
	for _, r := range rules {
		unread := r.Doubt != "" && r.Principal == "" // it may hold a rule for these people
		switch {
		case !unread && !r.SamePeople(n.Rule):
		case r.Doubt != "":
			return false, nil
		case r.Same(n.Rule):
			n.report = newRuleReport("unchanged", r)
			return true, n.lint(all)
		case r.Expired(n.now):
		case r.File != path:
			return false, nil
		default:
			return false, &exitError{
				text: fmt.Sprintf("%s: a rule for the same people is there, with other options, and the first one decides: %s", place(r.File, r.Line, 0), r),
				hint: "verifier remove takes it away", code: exitRefused,
			}
		}
	}
	return false, nil
}

// lint holds the rule, which is one of all, against the others. A new one must not be the end of limits, be they its own or those of a rule
// behind it. That another rule does not decide any more is said.
func (n *newRule) lint(all []policy.Rule) error {
	before := map[policy.Finding]bool{}
	for _, f := range n.findingsOf(n.host.Policy.System) {
		before[f] = true
	}
	for _, f := range n.findingsOf(all) {
		own := f.File == n.report.File && f.Line == n.report.Line
		shadowed := f.Code == policy.FindingShadowedRule && !before[f] && n.report.Result == "added"
		switch {
		case shadowed && f.Severity == policy.SeverityError:
			text := n.String()
			if !own {
				text = place(f.File, f.Line, 0)
			}
			return &exitError{
				text: text + ": " + f.Detail, code: exitRefused,
				hint: "a rule with limits stands in front of a wider one: write the row there by hand, or take the other one away with verifier remove",
			}
		case shadowed, own && !isAboutIssuer(f):
			n.findings = append(n.findings, f)
		}
	}
	return nil
}

// findingsOf leaves out files that are not to be trusted, whose rules let nobody in.
func (n *newRule) findingsOf(rules []policy.Rule) []policy.Finding {
	rules = slices.DeleteFunc(slices.Clone(rules), func(r policy.Rule) bool { return r.Doubt != "" })
	lint := &policy.Lint{Config: n.host.Policy.Config, Providers: n.host.Providers, Rules: rules, Now: n.now}
	return lint.Findings()
}

// isAboutIssuer is whether it is about what [checkIssuerIsKnown] has looked at, or could not see.
func isAboutIssuer(f policy.Finding) bool {
	return slices.Contains([]policy.FindingCode{policy.FindingUnknownIssuer, policy.FindingIssuerNearMiss, policy.FindingNoAudienceRow}, f.Code)
}
