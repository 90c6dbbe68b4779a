package hostcli

import (
	"fmt"
	"io"

	"opkssh/internal/printable"
	"opkssh/pkg/policy"
)

// ruleReport is a rule as --json shows it.
type ruleReport struct {
	// Result is added, unchanged, removed, left or not-there; of a list it is empty.
	Result    string `json:"result,omitempty"`
	DryRun    bool   `json:"dry_run,omitempty"` // nothing was written
	File      string `json:"file"`
	Line      int    `json:"line,omitempty"` // of a removed one, where it stood
	Principal string `json:"principal,omitempty"`
	Identity  string `json:"identity,omitempty"`
	Issuer    string `json:"issuer,omitempty"`
	Options   string `json:"options,omitempty"`

	row string
}

func newRuleReport(result string, rule policy.Rule) ruleReport {
	return ruleReport{
		Result: result, File: rule.File, Line: rule.Line, Principal: rule.Principal, Identity: rule.Identity.String(), Issuer: rule.Issuer,
		Options: policy.FormatOptions(rule.Options), row: rule.String(),
	}
}

// sentence says what happened.
func (r ruleReport) sentence() string {
	would := ""
	if r.DryRun {
		would = "would be "
	}
	at := place(r.File, r.Line, 0)
	switch r.Result {
	case "added":
		return fmt.Sprintf("%s: %sadded (%s)", r.row, would, at)
	case "unchanged":
		return fmt.Sprintf("%s: already there (%s)", r.row, at)
	case "removed":
		return fmt.Sprintf("%s: %sremoved (was %s)", r.row, would, at)
	case "left":
		return fmt.Sprintf("%s: still there (%s)", r.row, at)
	case "not-there":
		return fmt.Sprintf("%s: not there (%s)", r.row, at)
	}
	return fmt.Sprintf("%s: %s", at, r.row)
}

// writeRuleReports writes a JSON array, also of none.
func writeRuleReports(w io.Writer, reports []ruleReport) error {
	if reports == nil {
		reports = []ruleReport{}
	}
	return printable.JSON(w, reports)
}
