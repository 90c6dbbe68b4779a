package usercli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"opkssh/internal/userkeys"
)

// statusReport is what status --json prints.
type statusReport struct {
	State keyState    `json:"state"` // good, expiring, none or broken
	Keys  []keyReport `json:"keys"`
}

// keyReport is about one key. Nothing in it is verified.
type keyReport struct {
	State       keyState   `json:"state"` // good, expiring, expired or broken
	Problem     string     `json:"problem,omitempty"`
	Issuer      string     `json:"issuer"`
	ClientID    string     `json:"client_id"`
	Subject     string     `json:"subject"`
	Email       string     `json:"email,omitempty"`
	Alias       string     `json:"alias,omitempty"`
	IssuedAt    time.Time  `json:"issued_at"`
	ExpiresAt   time.Time  `json:"id_token_expires_at"`
	ValidBefore *time.Time `json:"certificate_valid_before,omitempty"` // left out: it has no end
	Key         string     `json:"private_key_file,omitempty"`
	Certificate string     `json:"certificate_file,omitempty"`
	InAgent     bool       `json:"in_agent"`
	PlainKey    bool       `json:"plain_key_in_agent,omitempty"` // without its certificate, as ssh adds it
	Fingerprint string     `json:"key_fingerprint"`
}

func statusCommand(t *terminal) *cobra.Command {
	var s keySelection
	soon := endMargin{percent: 90}
	var asJSON bool
	c := &cobra.Command{
		Use:   "status [ALIAS]",
		Short: "show the keys that login wrote, and how long they last",
		Long: `status shows each key that login wrote: who, at which issuer, since when, until when, and whether the private key is in a
file, in the ssh-agent or in both. With ALIAS, those of one provider alone.

The end is the certificate's: ssh and the ssh-agent stop offering the key then. Hosts may end it earlier.

Exit codes:
  0  a key is good
  1  a key is about to expire: 90% of its life is over, or what --expires-in says
  2  there is no key, or all have expired
  3  a key is broken: its files do not go together, or no ssh-agent has its private key

Of several keys, the worst counts, and one that has expired does not count beside one that has not.`,
		Example: `  opkssh status
  opkssh status work --expires-in 1h || opkssh login work
  opkssh status --expires-in 75% --json`,
		Args: arguments(0, 1, "at most one ALIAS"),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				s.alias = args[0]
			}
			if err := s.check(); err != nil {
				return err
			}
			return status(c.Context(), t, s, &soon, asJSON)
		},
	}
	f := c.Flags()
	f.StringVarP(&s.file, "private-key-file", "i", "", "show the key in `FILE` alone")
	f.StringVar(&s.configPath, "config-path", "", "read this configuration `FILE` (default ~/.opk/config.yml)")
	f.Var(&soon, "expires-in", "a key is about to expire when less than this `DURATION` is left, or when this share of its life is over, such as 75%")
	f.BoolVar(&asJSON, "json", false, "print the keys as JSON")
	t.verboseFlag(c)
	return c
}

func (s keySelection) check() error {
	if s.alias != "" && s.file != "" {
		return wrongUsage(errors.New("expected an alias or -i, got both"))
	}
	return nil
}

func status(ctx context.Context, t *terminal, s keySelection, soon *endMargin, asJSON bool) error {
	list, err := ownKeys(ctx, t, s.file)
	if err != nil {
		return err
	}
	match, err := s.matcher(t, list)
	if err != nil {
		return err
	}
	now := time.Now()
	report := statusReport{Keys: []keyReport{}}
	var states []keyState
	for _, id := range list {
		if match(id) {
			key := reportKey(id, soon, now)
			report.Keys = append(report.Keys, key)
			states = append(states, key.State)
		}
	}
	report.State = worst(states)
	if asJSON {
		if err := t.json(report); err != nil {
			return err
		}
	} else {
		for i := range report.Keys {
			report.Keys[i].print(t, now)
		}
	}
	return report.end(s)
}

// end is the exit code, with what to do about it.
func (r *statusReport) end(s keySelection) error {
	again := strings.TrimSpace("opkssh login " + s.alias)
	switch {
	case r.State == keyGood:
		return nil
	case r.State == keyNone && len(r.Keys) == 0:
		return &commandError{errors.New("there is no key that login wrote"), exitCodes[r.State], again}
	case r.State == keyNone:
		return &commandError{errors.New("every key has expired"), exitCodes[r.State], again}
	case r.State == keyBroken:
		return &commandError{errors.New("a key is broken"), exitCodes[r.State], again}
	}
	return &commandError{errors.New("a key is about to expire"), exitCodes[r.State], again}
}

func reportKey(id userkeys.Identity, soon *endMargin, now time.Time) keyReport {
	state, problem := stateOf(id, soon, now)
	r := keyReport{
		State:       state,
		Problem:     problem,
		Issuer:      id.Issuer,
		ClientID:    id.ClientID,
		Subject:     id.Subject,
		Email:       id.Email,
		Alias:       id.Alias,
		IssuedAt:    id.IssuedAt.UTC(),
		ExpiresAt:   id.TokenExpires.UTC(),
		Certificate: id.Pair.Certificate,
		InAgent:     id.InAgent,
		PlainKey:    id.PlainInAgent,
		Fingerprint: ssh.FingerprintSHA256(id.Certificate.Key),
	}
	if id.HasKeyFile {
		r.Key = id.Pair.Key
	}
	if !id.ValidBefore.IsZero() {
		end := id.ValidBefore.UTC()
		r.ValidBefore = &end
	}
	return r
}

func (r *keyReport) print(t *terminal, now time.Time) {
	field := func(name, format string, args ...any) { t.result("  %-8s "+format, append([]any{name}, args...)...) }
	t.result("%s at %s", accountText(r.Email, r.Subject), r.Issuer)
	if r.Alias != "" {
		field("alias", "%s", r.Alias)
	}
	field("state", "%s", stateText(r))
	field("since", "%s", startText(r.IssuedAt, now))
	if r.ValidBefore == nil {
		field("until", "no end: each host says how long it accepts the key")
	} else {
		field("until", "%s", expiryText(*r.ValidBefore, now))
	}
	switch {
	case r.Key != "" && r.InAgent:
		field("key", "%s, and in the ssh-agent", r.Key)
	case r.Key != "":
		field("key", "%s", r.Key)
	case r.InAgent:
		field("key", "in the ssh-agent alone")
	}
	if r.PlainKey {
		field("agent", "has the key without its certificate, by ssh-add or AddKeysToAgent: opkssh logout takes it out")
	}
	if r.Key == "" && r.Certificate != "" {
		field("file", "%s", r.Certificate)
	}
}

func stateText(r *keyReport) string {
	switch {
	case r.Problem != "":
		return fmt.Sprintf("%s: %s", r.State, r.Problem)
	case r.State == keyExpiring:
		return "about to expire"
	}
	return string(r.State)
}

// accountText is an e-mail address with the subject, or the subject alone.
func accountText(email, subject string) string {
	if email == "" {
		return subject
	}
	return fmt.Sprintf("%s (sub %s)", email, subject)
}
