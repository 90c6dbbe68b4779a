package hostcli

import (
	"encoding/json"
	"fmt"
	"strings"

	"opkssh/pkg/pktoken"
	"opkssh/pkg/policy"
)

// whyNot says where a rule that was held against a token failed, or what it is for.
func whyNot(step policy.Step, v *pktoken.Verified) string {
	rule := step.Rule
	switch step.Outcome {
	case policy.Fits:
		return "fits"
	case policy.OtherIssuer:
		return fmt.Sprintf("issuer: expected %s, token has %s", quoted(rule.Issuer), quoted(v.Issuer()))
	case policy.RuleExpired:
		for _, o := range rule.Options {
			if o.Name == "expiry-time" {
				return fmt.Sprintf("expiry-time: %s has passed", quoted(o.Value))
			}
		}
	case policy.RuleUntrusted:
		if rule.Principal == "" {
			return "may hold a rule that comes first: " + rule.Doubt
		}
		return "fits, and refuses, since its file is not to be trusted: " + rule.Doubt
	case policy.EmailNotVerified:
		return "email: fits, but require_email_verified is set, and the provider does not say email_verified"
	case policy.OtherIdentity:
		return identityMismatch(rule.Identity, v)
	}
	return step.Outcome.String()
}

func identityMismatch(i policy.Identity, v *pktoken.Verified) string {
	claim, expected := "sub", quoted(i.Value)
	switch i.Kind {
	case policy.IdentityEmail:
		claim = "email"
	case policy.IdentityEmailSuffix:
		claim, expected = "email", "something that ends in "+quoted(i.Value)
	case policy.IdentityClaim:
		claim = i.Claim
	case policy.IdentitySubjectGlob:
		expected = "something like " + quoted(i.Value)
		if v.Provider().Commitment != pktoken.CommitmentAudience {
			return fmt.Sprintf("sub: %s is for tokens of CI jobs, the provider's row (%s) is not", expected, v.Provider().Origin)
		}
	}
	value, ok := v.Claim(claim)
	if !ok {
		return fmt.Sprintf("%s: expected %s, token has no such claim", claim, expected)
	}
	return fmt.Sprintf("%s: expected %s, token has %s", claim, expected, claimText(value))
}

// maxClaim bounds what is printed of one claim.
const maxClaim = 40

// claimText writes a claim's values one by one.
func claimText(value any) string {
	switch value := value.(type) {
	case string:
		return quoted(value)
	case []any:
		if len(value) == 0 {
			return "an empty list"
		}
		var texts []string
		for _, v := range value[:min(len(value), maxClaim)] {
			texts = append(texts, claimText(v))
		}
		if more := len(value) - maxClaim; more > 0 {
			texts = append(texts, fmt.Sprintf("and %d more", more))
		}
		return strings.Join(texts, ", ")
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprintf("a %T", value)
	}
	return quoted(string(text))
}

// quoted sets off what files and tokens hold. What a terminal would obey is escaped where it is printed.
func quoted(s string) string {
	const most = 200
	short, _ := cut(s, most)
	if len(short) < len(s) {
		return "`" + short + "`…"
	}
	return "`" + s + "`"
}
