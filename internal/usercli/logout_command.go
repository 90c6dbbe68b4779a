package usercli

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"opkssh/internal/userkeys"
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
that were killed, and forgets refresh tokens whose keys are gone. If it cannot do one thing it does the others, and fails at the end.

It ends no session at the provider, and copies of a key elsewhere stay valid until they expire.`,
		Example: `  opkssh logout
  opkssh logout work
  opkssh logout -i ~/work/key`,
		Args: arguments(0, 1, "at most one ALIAS"),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				s.alias = args[0]
			}
			if err := s.check(); err != nil {
				return err
			}
			if all && (s.alias != "" || s.file != "") {
				return wrongUsage(errors.New("expected --all, an alias or -i, got two of them"))
			}
			report, err := logout(t, s)
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
	if done && len(r.Removed) == 0 && len(r.FromAgent) == 0 {
		t.note("no key that login wrote is here")
	}
}

// logout removes the keys of the selection. A file that was named, and that is somebody's own, is an error. The report says
// what was done until the error.
func logout(t *terminal, s keySelection) (*logoutReport, error) {
	report := &logoutReport{Removed: []string{}, FromAgent: []agentKey{}, Kept: []keptFile{}}
	list, err := ownKeys(t, s.file)
	if err != nil {
		return report, err
	}
	match, err := s.matcher(t, list)
	if err != nil {
		return report, err
	}
	rest := slices.DeleteFunc(slices.Clone(list), match)
	list = slices.DeleteFunc(list, func(id userkeys.Identity) bool { return !match(id) })
	// One place that cannot be cleaned is no reason to leave the others: a private key in a file is worth the most.
	left, err := report.emptyAgent(t, list)
	errs := []error{err}
	isLeft := func(id userkeys.Identity) bool { return slices.ContainsFunc(left, id.SameKey) }
	switch {
	case s.file == "":
		errs = append(errs, report.removeFiles(slices.DeleteFunc(slices.Clone(list), isLeft), s.alias == ""))
	case !slices.ContainsFunc(list, isLeft):
		removed, err := userkeys.At(s.file).Remove()
		report.Removed = append(report.Removed, removed...)
		errs = append(errs, err)
	}
	return report, errors.Join(append(errs, report.forget(s, list, rest))...)
}

// emptyAgent takes the keys out of the agent, with and without their certificates. left are those whose private keys an agent alone has, which
// could not be reached or did not do it: their certificate files stay, as the only thing that tells of them.
func (r *logoutReport) emptyAgent(t *terminal, list []userkeys.Identity) (left []userkeys.Identity, err error) {
	reached := false
	var removed []userkeys.Identity
	err = withAgent(func(agent *userkeys.Agent) error {
		reached = true
		certified, err := agent.Remove(func(held userkeys.Identity) bool { return slices.ContainsFunc(list, held.SameKey) })
		plain, errPlain := agent.RemovePlain(list)
		removed = append(certified, plain...)
		return errors.Join(err, errPlain)
	})
	for _, id := range removed {
		key := agentKey{id.Account(), id.Issuer, ssh.FingerprintSHA256(id.Certificate.Key)}
		if !slices.Contains(r.FromAgent, key) {
			r.FromAgent = append(r.FromAgent, key)
		}
	}
	for _, id := range list {
		switch {
		case !id.Mark.InAgent || id.HasKeyFile || id.Expired(time.Now()) || slices.ContainsFunc(removed, id.SameKey):
		case reached && err == nil:
			t.note("warning: the ssh-agent does not have the key of %s: if it is locked, or another one has the key, it stays there", id.Account())
		default:
			left = append(left, id)
			r.Kept = append(r.Kept, keptFile{id.Pair.Certificate, "its private key may still be in an ssh-agent"})
		}
	}
	if len(left) > 0 && !reached {
		err = withHint(fmt.Errorf("%s may still be in an ssh-agent, and none can be reached", count(len(left), "key")),
			"set SSH_AUTH_SOCK to that agent's socket and log out again, or remove the file that was kept if that agent has ended")
	}
	return left, err
}

// removeFiles goes on after an error. all is whether to remove what interrupted logins left behind, too.
func (r *logoutReport) removeFiles(list []userkeys.Identity, all bool) error {
	var errs []error
	for _, id := range list {
		if id.Pair.Key == "" {
			continue
		}
		removed, err := id.Pair.Remove()
		r.Removed = append(r.Removed, removed...)
		var foreign *userkeys.ForeignError
		if errors.As(err, &foreign) {
			r.Kept = append(r.Kept, keptFile{foreign.File, foreign.Detail})
		} else {
			errs = append(errs, err)
		}
	}
	folder, err := keyFolder()
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	if all {
		removed, err := userkeys.RemoveUnfinished(folder)
		r.Removed = append(r.Removed, removed...)
		errs = append(errs, err)
	}
	if userkeys.Configured(folder) {
		_, err = userkeys.UpdateFolderConfig(folder, time.Now())
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
