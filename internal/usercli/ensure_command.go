package usercli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"
	"golang.org/x/term"

	"opkssh/internal/filelock"
	"opkssh/internal/keychain"
	"opkssh/internal/login"
	"opkssh/internal/userkeys"
)

func ensureCommand(t *terminal) *cobra.Command {
	var configPath string
	c := &cobra.Command{
		Use:   "ensure HOST",
		Short: "log in if the key for a host is not good for a while yet",
		Long: `ensure is what ssh runs, by the lines that "opkssh ssh-config" prints, before it connects to HOST. If the key of the
provider that has HOST among its hosts is good for a while yet, it ends at once. Else it renews the key, where the
provider's settings say refresh: true, or logs in.

It needs a terminal or a display to log in, and fails at once where there is neither. Of several at the same time one
logs in, and the others wait for it: up to seven minutes, which is longer than a login takes, or one minute where there
is neither a terminal nor a display. It prints nothing to standard output.`,
		Example: `  opkssh ensure web1.example.com && ssh web1.example.com`,
		Args:    arguments(1, 1, "a HOST"),
		RunE: func(c *cobra.Command, args []string) error {
			// The line of ssh-config has the name in quotes, which cmd.exe leaves on. No name has any.
			return ensure(c.Context(), t, configPath, strings.Trim(args[0], "'"))
		},
	}
	c.Flags().StringVar(&configPath, "config-path", "", "read this configuration `FILE` (default ~/.opk/config.yml)")
	t.verboseFlag(c)
	return c
}

// ensure looks at the key and, most of the time, at nothing else: no network, no lock.
func ensure(ctx context.Context, t *terminal, configPath, host string) error {
	config, err := clientConfig(t, configPath)
	if err != nil {
		return err
	}
	provider, found := config.ForHost(host)
	if !found {
		return withHint(fmt.Errorf("no provider is configured for the host %q", host), hostsHint("name it under hosts of a provider", configPath))
	}
	pair, err := hostPair(provider)
	if err != nil || isGood(ctx, t, pair, provider) {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	leave := goToTerminal(t)
	defer leave()
	alias := provider.Aliases[0]
	unlock, waited, err := lockKey(ctx, t, host, alias, pair)
	if err != nil {
		return err
	}
	defer unlock()
	if isGood(ctx, t, pair, provider) {
		return nil
	}
	store, err := refreshTokens()
	if err != nil {
		return err
	}
	var notRenewed error
	if provider.Refresh {
		if notRenewed = renewInTime(ctx, t, config, provider, pair, store); notRenewed == nil || isGood(ctx, t, pair, provider) {
			return nil // a login of somebody else's may have been faster
		}
	}
	if waited {
		// Ten logins in a row is not what somebody wants who closed the first one.
		err = withHint(errors.New("another ssh waited for the login at the same time, and nobody has logged in"), "opkssh login "+alias)
	} else {
		err = logInFor(ctx, t, host, alias, func() *loginOptions { return optionsAsBefore(t, configPath, provider, pair, store) })
	}
	if err != nil && notRenewed != nil {
		t.note("the key was not renewed: %v", notRenewed)
	}
	return err
}

// hostsHint is what to do where a provider has no hosts, or not this one.
func hostsHint(what, configPath string) string {
	if os.Getenv("OPKSSH_PROVIDERS") != "" {
		return "unset OPKSSH_PROVIDERS: its providers count in the place of the file's, and have no hosts"
	}
	return what + " in " + cmp.Or(configPath, "~/.opk/config.yml")
}

// hostPair is the key for a provider's hosts.
func hostPair(provider login.Provider) (userkeys.Pair, error) {
	folder, err := keyFolder()
	if err != nil {
		return userkeys.Pair{}, err
	}
	return userkeys.ForHosts(folder, provider.Aliases[0]), nil
}

// mostLeft is what has to be left of a key at least; of a short-lived one it is a tenth of its life.
const mostLeft = 5 * time.Minute

// isGood is whether ssh can use the key for a while yet. A key of another issuer or client is for other hosts: the alias, which
// names the file, may have had another provider when somebody logged in.
func isGood(ctx context.Context, t *terminal, pair userkeys.Pair, provider login.Provider) bool {
	id, found := userkeys.Read(pair)
	if !found || id.Problem != "" || !id.At(provider.Issuer, provider.ClientID, nil) {
		return false
	}
	if !id.HasKeyFile && !isInAgent(ctx, t, id) {
		return false
	}
	return lastsAWhile(id.TokenIssued, id.ValidBefore, wallClock())
}

// lastsAWhile is true for a key without an end.
func lastsAWhile(issued, end, now time.Time) bool {
	return end.IsZero() || now.Add(min(mostLeft, end.Sub(issued)/10)).Before(end)
}

func isInAgent(ctx context.Context, t *terminal, id userkeys.Identity) bool {
	agent, err := userkeys.DialAgent(ctx, os.Getenv)
	if err != nil {
		t.detail("%v", err)
		return false
	}
	defer func() { _ = agent.Close() }()
	list, err := agent.Complete([]userkeys.Identity{id})
	return err == nil && list[0].InAgent
}

// How long to wait for what somebody else has started, who may have been stopped.
const (
	renewalPatience    = time.Minute
	attendedPatience   = renewalPatience + login.DefaultTimeout + time.Minute // what a login takes at most, with its renewal before
	unattendedPatience = time.Minute                                          // a renewal, or somebody who is about to finish
)

// errWaitedLong tells our own patience from Ctrl-C.
var errWaitedLong = errors.New("waited long enough")

// lockKey lets one process at a time see to a key. waited is whether another one did.
func lockKey(ctx context.Context, t *terminal, host, alias string, pair userkeys.Pair) (unlock func(), waited bool, err error) {
	folder := filepath.Dir(pair.Key)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, false, err
	}
	patience := unattendedPatience
	if login.CanLogIn(surroundings(t)) {
		patience = attendedPatience
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errWaitedLong)
	defer cancel()
	name := pair.Key + ".lock"
	if err := checkLockFile(name); err != nil {
		return nil, false, err
	}
	release, waited, err := filelock.Lock(ctx, name, func() { t.note("waiting for the login that another ssh has started") })
	if errors.Is(err, errWaitedLong) {
		return nil, waited, withHint(fmt.Errorf("no good key for %s, and the login that another ssh has started has not ended within %s", host, patience),
			"end that one, and run this where you can log in: opkssh login "+alias)
	}
	if err != nil {
		return nil, waited, err
	}
	return func() {
		if checkLockFile(name) == nil {
			_ = os.Remove(name)
		}
		release()
	}, waited, nil
}

// checkLockFile is for a file in the lock's place that is somebody's own. The lock is removed at the end.
func checkLockFile(name string) error {
	if info, err := os.Lstat(name); err == nil && (!info.Mode().IsRegular() || info.Size() > 0) {
		return withHint(fmt.Errorf("%s: expected an empty file or none, for a lock, found something of somebody's own", name), "move it away")
	}
	return nil
}

// renewInTime gives up on a refresh in time for a login.
func renewInTime(ctx context.Context, t *terminal, config *login.Config, provider login.Provider, pair userkeys.Pair, store *keychain.Store) error {
	ctx, cancel := context.WithTimeout(ctx, renewalPatience) // another process may hold the refresh token's lock
	defer cancel()
	r := renewal{
		pair: pair, provider: &provider, configured: config.Providers, agentLifetime: config.AgentLifetime,
		store: store, due: func(userkeys.Identity) bool { return true },
	}
	_, _, err := r.run(ctx, t)
	if err != nil {
		t.detail("not renewed: %v", err)
	}
	return err
}

// goToTerminal: ssh gives us no standard input, so that the terminal is what standard error goes to.
func goToTerminal(t *terminal) (leave func()) {
	if !t.interactive() && isTerminal(t.err) {
		if in, err := os.Open(terminalDevice()); err == nil {
			t.in = in
			return func() { _ = in.Close() }
		}
	}
	return func() {}
}

// logInFor is a login for somebody who wanted to use ssh. A keychain is asked for its options, but not where nobody can log in.
func logInFor(ctx context.Context, t *terminal, host, alias string, options func() *loginOptions) error {
	if !login.CanLogIn(surroundings(t)) {
		return withHint(fmt.Errorf("no good key for %s, and nobody can log in here: no terminal and no display", host),
			"run this where you can log in: opkssh login "+alias)
	}
	t.note("ssh to %s needs a login with %s", host, alias)
	return runLogin(ctx, t, alias, options())
}

// optionsAsBefore are those of the login before, as far as its key and what is kept with its refresh token tell them.
func optionsAsBefore(t *terminal, configPath string, provider login.Provider, pair userkeys.Pair, store *keychain.Store) *loginOptions {
	o := &loginOptions{keyType: string(userkeys.ECDSA), configPath: configPath, timeout: login.DefaultTimeout, asBefore: true}
	id, found := userkeys.Read(pair)
	if !found {
		return o
	}
	if id.Certificate.Key.Type() == ssh.KeyAlgoED25519 {
		o.keyType = string(userkeys.Ed25519)
	}
	if !id.At(provider.Issuer, provider.ClientID, nil) {
		return o
	}
	o.principals = id.Certificate.ValidPrincipals
	before, err := store.Get(keyOf(id))
	if err != nil {
		t.detail("what the login before was told is not known: %v", err)
	}
	switch {
	case id.Mark.InAgent:
		o.addToAgent = login.AgentOnly
	case before.AddToAgent == string(login.AgentNo):
		o.addToAgent = login.AgentNo
	case id.Mark.AlsoInAgent, before.AddToAgent != "":
		o.addToAgent = login.AgentAuto // ssh works without an agent, too
	}
	o.expiresIn = login.Lifetime(before.ExpiresIn)
	o.agentConfirm, o.confirmSaid = before.AgentConfirm, before.AgentConfirm || before.NoConfirm
	o.agentLifetime = login.AgentLifetime(before.AgentLifetime)
	return o
}

func terminalDevice() string {
	if runtime.GOOS == "windows" {
		return "CONIN$"
	}
	return "/dev/tty"
}

func isTerminal(w any) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
