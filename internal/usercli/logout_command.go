package usercli

import (
	"errors"

	"github.com/spf13/cobra"
)

// logoutReport is what logout --json prints.
type logoutReport struct {
	Removed   []string   `json:"removed"`
	FromAgent []agentKey `json:"removed_from_agent"`
	Kept      []keptFile `json:"kept"`
	Forgotten []string   `json:"forgotten_refresh_tokens,omitempty"` // the accounts
	// ForgottenOthers is the number of refresh tokens whose keys were gone before.
	ForgottenOthers int `json:"forgotten_other_refresh_tokens,omitempty"`
	// Unseen are the private key files of refresh tokens that were kept, since nobody could see whether the key is still there.
	Unseen []string `json:"kept_refresh_tokens_of,omitempty"`
	// Away are the accounts whose refresh tokens are in a keychain that is not here.
	Away []string `json:"refresh_tokens_in_other_keychain,omitempty"`

	errs []error
}

type agentKey struct {
	Account     string `json:"account"`
	Issuer      string `json:"issuer"`
	Fingerprint string `json:"key_fingerprint"`
}

type keptFile struct {
	File   string `json:"file"`
	Reason string `json:"reason"`
}

func logoutCommand(t *terminal) *cobra.Command {
	var s keySelection
	var all, asJSON bool
	c := &cobra.Command{
		Use:   "logout [ALIAS]",
		Short: "remove the keys that login wrote",
		Long: `logout removes the private keys and certificates that login wrote to ~/.ssh and ~/.ssh/opkssh, takes them out of the
ssh-agent and forgets their refresh tokens, and nothing else: with ALIAS those of one provider, without it all. A certificate that login wrote
stays, and is named, if the private key beside it is another one, or in an ssh-agent that cannot be reached. Keys that were written with -i
are removed with -i, which also forgets the refresh token of one that is gone. Without ALIAS and -i it also removes what logins left behind
that were killed, and forgets refresh tokens whose keys are gone. If it cannot do one thing it does the others, and fails at the end,
as it does where a key was given to an ssh-agent that cannot be reached, or is locked.

It ends no session at the provider, and copies of a key elsewhere stay valid until they expire.`,
		Example: `  opkssh logout
  opkssh logout work
  opkssh logout -i ~/work/key`,
		Args: arguments(0, 1, "at most one ALIAS"),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				s.alias = args[0]
			}
			if err := s.check(); err != nil {
				return err
			}
			if all && (s.alias != "" || s.file != "") {
				return wrongUsage(errors.New("expected --all, an alias or -i, got two of them"))
			}
			report, err := logout(c.Context(), t, s)
			if asJSON {
				return errors.Join(t.json(report), err)
			}
			report.print(t, err == nil)
			return err
		},
	}
	f := c.Flags()
	f.BoolVar(&all, "all", false, "remove the keys of every provider, which is the default without ALIAS")
	f.StringVarP(&s.file, "private-key-file", "i", "", "remove this private key and its certificate")
	f.StringVar(&s.configPath, "config-path", "", "read this configuration `FILE` (default ~/.opk/config.yml)")
	f.BoolVar(&asJSON, "json", false, "print what was removed as JSON")
	t.verboseFlag(c)
	return c
}

func (r *logoutReport) print(t *terminal, done bool) {
	t.detail("looked at what login writes: %s removed, %d kept", count(len(r.Removed), "file"), len(r.Kept))
	for _, name := range r.Removed {
		t.result("removed %s", name)
	}
	for _, key := range r.FromAgent {
		t.result("removed from the ssh-agent: %s at %s", key.Account, key.Issuer)
	}
	for _, account := range r.Forgotten {
		t.result("forgot the refresh token of %s", account)
	}
	if r.ForgottenOthers > 0 {
		t.result("forgot %s whose keys are gone", count(r.ForgottenOthers, "refresh token"))
	}
	for _, kept := range r.Kept {
		t.note("kept %s: %s", kept.File, kept.Reason)
	}
	for _, file := range r.Unseen {
		t.note("kept the refresh token of the key %s, which cannot be seen from here; to forget it: opkssh logout -i %s", file, file)
	}
	for _, account := range r.Away {
		t.note("warning: the refresh token of %s is in a keychain that is not reached here: to forget it, run opkssh logout on the desktop", account)
	}
	if done && len(r.Removed) == 0 && len(r.FromAgent) == 0 {
		t.note("no key that login wrote is here")
	}
}
