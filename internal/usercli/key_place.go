package usercli

import (
	"context"
	"crypto"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/internal/login"
	"opkssh/internal/userkeys"
)

// keyPlace is where a login leaves its key: in files, in an agent, or in both.
type keyPlace struct {
	sshFolder string         // ~/.ssh, "" where -i names the file
	pair      *userkeys.Pair // nil: a pair of the account's own in ~/.ssh/opkssh
	alias     string
	use       login.AgentUse
	limits    userkeys.Constraints
	agent     *userkeys.Agent // nil: none
	forHosts  bool            // pair is that of a provider with hosts, in ~/.ssh/opkssh
	printed   bool            // the key goes to standard output, and nowhere else

	written userkeys.Pair // zero: not yet
	mark    userkeys.Mark // of what was written
	until   time.Time     // when the agent drops the key, if that is known
}

// openKeyPlace finds out what can be found out before somebody is sent to the provider, who would have gone there for nothing.
func openKeyPlace(ctx context.Context, t *terminal, provider login.Provider, o *loginOptions) (*keyPlace, error) {
	if o.printKey {
		return &keyPlace{printed: true}, nil
	}
	p := &keyPlace{use: provider.AddToAgent, limits: agentConstraints(provider)}
	if o.addToAgent != "" {
		p.use = o.addToAgent
	}
	if len(provider.Aliases) > 0 {
		p.alias = provider.Aliases[0]
	}
	if err := p.choosePair(t, provider, o); err != nil {
		return nil, keyFileError(err)
	}
	if err := o.checkRenewable(p); err != nil {
		return nil, err
	}
	if err := p.openAgent(ctx, t); err != nil {
		return nil, err
	}
	if p.agent == nil && !o.asBefore && (o.agentConfirm || o.agentLifetime != 0) {
		t.note("warning: this login gives the key to no ssh-agent, for which --agent-confirm and --lifetime are: see --add-to-agent")
	}
	return p, nil
}

func (p *keyPlace) choosePair(t *terminal, provider login.Provider, o *loginOptions) (err error) {
	if o.file != "" {
		pair := userkeys.At(o.file)
		p.pair = &pair
		return pair.Available()
	}
	if p.sshFolder, err = keyFolder(); err != nil {
		return err
	}
	if len(provider.Hosts) > 0 {
		return p.chooseForHosts(p.sshFolder, provider)
	}
	if userkeys.Configured(p.sshFolder) {
		return nil
	}
	pair, err := userkeys.Choose(p.sshFolder, userkeys.KeyType(o.keyType))
	if err != nil {
		return err
	}
	p.pair = &pair
	if own, second := strings.CutSuffix(pair.Key, "_sk"); second {
		t.note("%s is not a key of opkssh and stays as it is: the key is %s", own, pair.Key)
	}
	return nil
}

func (p *keyPlace) openAgent(ctx context.Context, t *terminal) error {
	if p.use == "" || p.use == login.AgentNo {
		return nil
	}
	agent, err := userkeys.DialAgent(ctx, os.Getenv)
	switch {
	case err == nil:
		p.agent = agent
		return nil
	case p.use == login.AgentAuto:
		t.detail("%v", err)
		return nil
	}
	return noAgent(err)
}

// agentConstraints are those that the settings ask for.
func agentConstraints(p login.Provider) userkeys.Constraints {
	return userkeys.Constraints{Lifetime: time.Duration(p.AgentLifetime), Confirm: p.AgentConfirm}
}

// noAgent says how to get one.
func noAgent(err error) error {
	return withHint(err, `start one, such as with eval "$(ssh-agent)", or log in with --add-to-agent no`)
}

// close ends the connection to the agent.
func (p *keyPlace) close() {
	if p.agent != nil {
		_ = p.agent.Close() // everything that was sent has been answered
	}
}

// store writes the files, and returns where the key is. An agent comes before only if the private key is to be nowhere else: the rest is
// for [keyPlace.updateAgent].
func (p *keyPlace) store(t *terminal, key crypto.Signer, cert *ssh.Certificate) (stored storedKey, err error) {
	if p.printed {
		return storedKey{printed: true}, nil
	}
	if stored.pair, err = p.place(cert); err != nil {
		return stored, keyFileError(err)
	}
	if p.use == login.AgentOnly {
		if err := p.addToAgent(t, key, cert); err != nil {
			return stored, withHint(err, "without --add-to-agent only, the key is written to a file")
		}
		stored.inAgent = true
	}
	old, replaces := userkeys.Read(stored.pair)
	if stored.pair, err = p.write(stored.pair, key, cert); err != nil {
		if stored.inAgent {
			_, _ = p.agent.Remove(func(id userkeys.Identity) bool { return id.Is(cert) })
		}
		return stored, keyFileError(err)
	}
	p.written = stored.pair
	if replaces {
		stored.replaced = &old
	}
	if p.forHosts {
		if err := userkeys.UpdateHostConfig(p.sshFolder, p.alias, p.use == login.AgentOnly); err != nil {
			t.note("warning: ssh may look for the key in the wrong place: %v; see opkssh ssh-config", err)
		}
	}
	stored.inFile = p.use != login.AgentOnly
	return stored, nil
}

func (p *keyPlace) addToAgent(t *terminal, key crypto.Signer, cert *ssh.Certificate) error {
	folder, err := keyFolder()
	if err != nil {
		return err
	}
	p.until, err = giveToAgent(t, p.agent, key, cert, p.alias, p.limits)
	if p.written != (userkeys.Pair{}) {
		markAgent(t, p.written, cert, p.mark, p.until, err)
	}
	if err != nil {
		return err
	}
	return p.agent.RemoveReplaced(folder, cert)
}

// markAgent has the certificate's file, which says old, say what the agent did with the key. Without an answer the agent may have it.
func markAgent(t *terminal, pair userkeys.Pair, cert *ssh.Certificate, old userkeys.Mark, until time.Time, answer error) {
	mark := userkeys.Mark{Alias: old.Alias, AlsoInAgent: true, Until: until}
	if refused := (*userkeys.RefusedError)(nil); errors.As(answer, &refused) {
		mark.AlsoInAgent = false
	}
	if mark == old {
		return
	}
	if err := pair.SetMark(cert, mark); err != nil {
		t.note("warning: %s does not say whether the ssh-agent has the key: %v", pair.Certificate, err)
	}
}

// giveToAgent gives [userkeys.Agent.Until], and warns of an agent that does not drop the key.
func giveToAgent(
	t *terminal, agent *userkeys.Agent, key crypto.Signer, cert *ssh.Certificate, alias string, limits userkeys.Constraints,
) (until time.Time, err error) {
	if err := agent.Add(key, cert, alias, limits, time.Now()); err != nil {
		return time.Time{}, err
	}
	if agent.NoLifetimes() {
		t.note("warning: this ssh-agent knows no lifetimes: it holds the key until the next login or logout, also beyond its end")
	}
	return agent.Until(cert, limits, time.Now()), nil
}

// removeReplaced removes the account's certificates under other names whose private keys were in the agent alone, until this
// login's key took their place. Those of other providers with hosts stay.
func (p *keyPlace) removeReplaced(pair userkeys.Pair, cert *ssh.Certificate) error {
	id, err := userkeys.Of(cert)
	if err != nil || p.sshFolder == "" {
		return err
	}
	list, err := userkeys.List(p.sshFolder)
	if err != nil {
		return err
	}
	for _, other := range list {
		if other.Same(id) && other.Mark.InAgent && !other.HasKeyFile && other.Pair != pair && !other.IsForHosts(p.sshFolder) {
			if _, err := other.Pair.Remove(); err != nil {
				return err
			}
		}
	}
	return nil
}

// storedKey is where a key is now.
type storedKey struct {
	pair            userkeys.Pair
	inFile, inAgent bool
	printed         bool
	replaced        *userkeys.Identity // what was in the files before
}

// ownFolder has a key for each account.
func (p *keyPlace) ownFolder() string { return filepath.Join(p.sshFolder, userkeys.Folder) }

// place is the pair that was chosen, or the account's own, as it would be now.
func (p *keyPlace) place(cert *ssh.Certificate) (userkeys.Pair, error) {
	if p.pair != nil {
		return *p.pair, nil
	}
	id, err := userkeys.Of(cert)
	if err != nil {
		return userkeys.Pair{}, err
	}
	return userkeys.Place(p.ownFolder(), id, time.Now())
}

// write leaves the alias out where clients that know no alias may want to replace the files. It returns the pair that it wrote: of
// the account's own names, another login may have taken one in the meantime.
func (p *keyPlace) write(pair userkeys.Pair, key crypto.Signer, cert *ssh.Certificate) (userkeys.Pair, error) {
	p.mark = userkeys.Mark{InAgent: p.use == login.AgentOnly, AlsoInAgent: p.use != login.AgentOnly && p.agent != nil, Until: p.until}
	if p.pair != nil && !p.forHosts {
		return pair, pair.WriteMarked(key, cert, p.mark)
	}
	p.mark.Alias = p.alias
	var err error
	if p.pair != nil {
		err = pair.WriteMarked(key, cert, p.mark)
	} else {
		pair, err = userkeys.WritePlaced(p.ownFolder(), key, cert, p.mark, time.Now())
	}
	if err != nil || p.forHosts && !userkeys.Configured(p.sshFolder) {
		return pair, err
	}
	_, err = userkeys.UpdateFolderConfig(p.sshFolder, time.Now())
	return pair, err
}

// configureFolder is login --configure.
func configureFolder(t *terminal) error {
	folder, err := keyFolder()
	if err != nil {
		return err
	}
	changed, err := userkeys.Configure(folder, time.Now())
	for _, name := range changed {
		t.note("wrote %s", name)
	}
	if err != nil {
		return withHint(err, "ssh needs the line `Include ~/.ssh/opkssh/config` on top of ~/.ssh/config")
	}
	if len(changed) == 0 {
		t.note("%s is set up already", filepath.Join(folder, userkeys.Folder))
	}
	t.hint("opkssh login ALIAS, for each account")
	return nil
}
