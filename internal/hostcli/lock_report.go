package hostcli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"opkssh/internal/printable"
	"opkssh/pkg/policy"
)

// lockReport is a lock as --json shows it.
type lockReport struct {
	// Result is locked, already-locked, unlocked or not-locked; of the list of locks it is empty.
	Result string `json:"result,omitempty"`
	DryRun bool   `json:"dry_run,omitempty"` // nothing was written
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"` // of an unlocked one, where it stood
	Member string `json:"member"`         // of config.yml
	Email  string `json:"email,omitempty"`
	User   string `json:"user,omitempty"`
	Sub    string `json:"sub,omitempty"`
	Issuer string `json:"issuer,omitempty"`
	Claim  string `json:"claim,omitempty"`
	Value  string `json:"value,omitempty"`
	Key    string `json:"key,omitempty"`
	Before string `json:"before,omitempty"`

	lock policy.Lock
}

func newLockReport(file string, l policy.Lock) lockReport {
	r := lockReport{File: file, Line: l.Line, Member: string(l.Kind), lock: l}
	switch l.Kind {
	case policy.LockEmail:
		r.Email = l.Name
	case policy.LockUser:
		r.User = l.Name
	case policy.LockEntry:
		r.Sub, r.Issuer, r.Claim, r.Value, r.Key = l.Entry.Subject, l.Entry.Issuer, l.Entry.Claim, l.Entry.Value, l.Entry.Key
	case policy.LockUntilNewLogin:
		r.Before = l.Before.UTC().Format(time.RFC3339)
		if strings.Contains(l.Name, "@") {
			r.Email = l.Name
		} else {
			r.Sub = l.Name
		}
	}
	return r
}

// whom names somebody in a line of text.
func (r lockReport) whom() string {
	text := r.Email
	switch {
	case r.User != "":
		text = "user " + r.User
	case r.Sub != "":
		text = "subject " + r.Sub
	case r.Claim != "":
		text = "claim " + r.Claim + ":" + r.Value
	case r.Key != "":
		text = "key " + r.Key
	}
	if r.Issuer != "" {
		text += " of " + r.Issuer
	}
	return text
}

// duration says until when, of those that end.
func (r lockReport) duration() string {
	if r.lock.Kind != policy.LockUntilNewLogin {
		return ""
	}
	return " until a login after " + r.Before
}

func (r lockReport) place() string { return fmt.Sprintf("%s:%d", r.File, r.Line) }

// sentence says what happened.
func (r lockReport) sentence() string {
	would := ""
	if r.DryRun {
		would = "would be "
	}
	switch r.Result {
	case "locked":
		return fmt.Sprintf("%s: %slocked%s (%s)", r.whom(), would, r.duration(), r.place())
	case "already-locked":
		return fmt.Sprintf("%s: already locked%s (%s)", r.whom(), r.duration(), r.place())
	case "unlocked":
		return fmt.Sprintf("%s: %sunlocked (was %s)", r.whom(), would, r.place())
	}
	return fmt.Sprintf("%s: not locked (%s)", r.whom(), r.File)
}

// writeLockReports writes a JSON array, also of none.
func writeLockReports(w io.Writer, reports []lockReport) error {
	if reports == nil {
		reports = []lockReport{}
	}
	return printable.JSON(w, reports)
}
