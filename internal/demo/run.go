package demo

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/crypto/ssh"

	"opkssh/internal/idp"
	"opkssh/internal/userkeys"
	"opkssh/pkg/pktoken"
	"opkssh/pkg/policy"
	"opkssh/pkg/sshauth"
	"opkssh/pkg/sshcert"
)

const clientID = "opkssh-demo"

// account is the user of the SSH server that both people ask for.
const account = "alice"

var (
	alice = User{Name: "alice", Password: "wonderland", Email: "alice@example.com", EmailVerified: true, Groups: []string{"ops"}}
	bob   = User{Name: "bob", Password: "builder", Email: "bob@example.com", EmailVerified: true, Groups: []string{"guests"}}
)

// Options are the choices of a run.
type Options struct {
	// Browser leaves the login form to the person at the keyboard.
	Browser bool

	rules func(issuer string) string // auth_id in the place of the demo's own
}

var errInterrupted = errors.New("interrupted")

// demo is one run.
type demo struct {
	transcript
	options  Options
	folder   string
	provider *providerServer
	host     *sshServer
	ssh      *sshClient
	people   map[string]*person // by name
}

// person is somebody who logged in.
type person struct {
	token *pktoken.Token
	key   crypto.Signer
	file  string // private key, relative to the folder
}

// Run shows the whole job on out and checks what it shows. The error is nil only if everything was as it should be: alice got
// in, bob and the forgeries did not, each for the right reason. It leaves nothing behind, also when ctx ends it.
func Run(ctx context.Context, options Options, out io.Writer) (err error) {
	program, err := findSSH()
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "opkssh-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	d := &demo{transcript: transcript{out: out}, options: options, folder: folder, people: map[string]*person{}}
	defer func() { err = errors.Join(err, d.close()) }()

	d.text("SSH login with OpenID Connect, on this computer alone: an OpenID provider, an\n" +
		"SSH server, and your own ssh. All files are in a folder that goes away again:")
	d.shown(folder)
	for _, step := range []func(context.Context) error{
		d.startProvider,
		func(context.Context) error { return d.startHost(program) },
		func(ctx context.Context) error { return d.login(ctx, alice) },
		d.aliceGetsIn,
		d.bobIsRefused,
		d.forgeriesAreRefused,
		d.loginWithoutProvider,
	} {
		if err := step(ctx); err != nil {
			if ctx.Err() != nil {
				return errInterrupted
			}
			return fmt.Errorf("step %d: %w", d.steps, err)
		}
	}
	d.text("\nEverything was as it should be. Both servers end now, and the folder is removed.")
	return nil
}

func (d *demo) close() error {
	var errs []error
	if d.host != nil {
		errs = append(errs, d.host.close())
	}
	if d.provider != nil {
		errs = append(errs, d.provider.close())
	}
	return errors.Join(errs...)
}

func (d *demo) startProvider(ctx context.Context) (err error) {
	d.step("An OpenID provider starts.")
	if d.provider, err = startProvider(ProviderConfig{ClientID: clientID, Users: []User{alice, bob}}); err != nil {
		return err
	}
	metadata, err := (&idp.Cache{}).Discover(ctx, d.provider.Issuer())
	if err != nil {
		return err
	}
	d.detail("issuer", metadata.Issuer)
	d.detail("users", alice.Email+", "+bob.Email)
	d.proof("its discovery document names the issuer and its endpoints.")
	return nil
}

// startHost starts the SSH server with a policy that lets alice in.
func (d *demo) startHost(program string) error {
	d.step("An SSH server starts. Two rows say whom it lets in; it has no list of keys.")
	providers := fmt.Sprintf("%s %s 24h\n", d.provider.Issuer(), clientID)
	rules := fmt.Sprintf("%s %s %s\n", account, alice.Email, d.provider.Issuer())
	if d.options.rules != nil {
		rules = d.options.rules(d.provider.Issuer())
	}
	source, err := readPolicy(providers, rules)
	if err != nil {
		return err
	}
	cache := &idp.Cache{Dir: filepath.Join(d.folder, "cache")}
	if d.host, err = startSSHServer(&sshauth.Authenticator{Source: source, Keys: cache}); err != nil {
		return err
	}
	if d.ssh, err = newSSHClient(program, d.folder, d.host); err != nil {
		return err
	}
	d.detail("address", d.host.Address)
	d.detail(providersFile, "# issuer, client ID, how long after its issue a token is good")
	d.shown(providers)
	d.detail(rulesFile, "# user of the host, who may be that, issuer")
	d.shown(rules)
	d.proof("both rows were read as a host reads /etc/opk.")
	return nil
}

// login is `opkssh login` with the demo's folder in the place of ~/.ssh.
func (d *demo) login(ctx context.Context, user User) error {
	d.step(fmt.Sprintf("%s runs `opkssh login`.", user.Name))
	p, err := d.logIn(ctx, user)
	if err != nil {
		return err
	}
	d.people[user.Name] = p
	line, err := os.ReadFile(filepath.Join(d.folder, p.file+"-cert.pub"))
	if err != nil {
		return err
	}
	cert, _, err := sshcert.ParseLine(line)
	if err != nil {
		return err
	}
	token, err := cert.PKToken()
	if err != nil {
		return err
	}
	if token.Compact() != p.token.Compact() {
		return errors.New("expected the token of this login in the certificate, got another")
	}
	nonce, _ := token.UnverifiedClaims()["nonce"].(string)
	d.detail("private key", p.file)
	d.detail("certificate", p.file+"-cert.pub, with these inside:")
	d.detail("  key", ssh.FingerprintSHA256(cert.SSH().Key))
	d.detail("  ID token", fmt.Sprintf("of %d bytes, from the provider, for %s", len(token.Compact()), cert.SSH().KeyId))
	d.detail("  its nonce", fmt.Sprintf("%.20s… is a hash over the key", nonce))
	d.proof("the provider's signature is good, and commits to the key made just now.")
	return nil
}

func (d *demo) aliceGetsIn(ctx context.Context) error {
	d.step("alice runs ssh, with no password and no key that the server knew before.")
	return d.expectIn(ctx, "the server knows who she is, and which row let her in.")
}

// expectIn has alice log in, and takes nothing for a login but the server's whole answer.
func (d *demo) expectIn(ctx context.Context, proof string) error {
	result, decisions, err := d.runSSH(ctx, d.people[alice.Name].file)
	if err != nil {
		return err
	}
	want := identity(alice.Email, d.provider.Issuer(), rulesFile+":1", account)
	if result.status != 0 || result.stdout != want {
		return fmt.Errorf("expected alice to be let in, got status %d from ssh\n%s%s", result.status, result.stdout, result.stderr)
	}
	if len(decisions) != 1 || decisions[0].grant == nil {
		return fmt.Errorf("expected one grant, got %d decisions of the server", len(decisions))
	}
	d.shown(result.stdout)
	d.proof(proof)
	return nil
}

func (d *demo) bobIsRefused(ctx context.Context) error {
	d.step("bob logs in at the same provider, gets a key as good as hers, and runs ssh.")
	p, err := d.logIn(ctx, bob)
	if err != nil {
		return err
	}
	d.people[bob.Name] = p
	if err := d.expectRefused(ctx, p.file, string(policy.ReasonNoRule)); err != nil {
		return err
	}
	d.proof("the provider says who somebody is; the host alone says what for.")
	return nil
}

func (d *demo) forgeriesAreRefused(ctx context.Context) error {
	d.step("bob has copied what alice sends, and tries to be her.")
	victim, thief := d.people[alice.Name], d.people[bob.Name]
	copied, err := copiedToken(victim.token, thief.key)
	if err != nil {
		return err
	}
	rebound, err := reboundIDToken(victim.token, thief.key)
	if err != nil {
		return err
	}
	edited, err := editedIDToken(thief.token, thief.key, bob.Email, alice.Email)
	if err != nil {
		return err
	}
	for i, forgery := range []struct {
		what   string
		cert   *ssh.Certificate
		reason pktoken.Reason
	}{
		{"her whole token in a certificate for his key:", copied, sshcert.ReasonCertificateKey},
		{"her ID token, signed once more with his key:", rebound, pktoken.ReasonCommitment},
		{"his own ID token, with her address written into it:", edited, pktoken.ReasonSignature},
	} {
		d.text("   - " + forgery.what)
		pair := userkeys.At(filepath.Join(d.folder, "forged", fmt.Sprintf("id_%d", i+1)))
		if err := pair.Write(thief.key, forgery.cert); err != nil {
			return err
		}
		file, err := filepath.Rel(d.folder, pair.Key)
		if err != nil {
			return err
		}
		if err := d.expectRefused(ctx, file, string(forgery.reason)); err != nil {
			return err
		}
	}
	d.proof("a token is good for one key, and only its owner has that.")
	return nil
}

// loginWithoutProvider stops the provider and makes sure of it.
func (d *demo) loginWithoutProvider(ctx context.Context) error {
	d.step("The provider is stopped, and alice runs ssh again.")
	if err := d.provider.close(); err != nil {
		return err
	}
	if conn, err := net.Dial("tcp", d.provider.address); err == nil {
		return errors.Join(errors.New("expected nobody at the provider's address, got a connection"), conn.Close())
	}
	return d.expectIn(ctx, "a host asks for the provider's keys once in a while, not at each login.")
}

// expectRefused runs ssh, and takes nothing for a refusal but the server's decision with the reason, and no session.
func (d *demo) expectRefused(ctx context.Context, file, reason string) error {
	result, decisions, err := d.runSSH(ctx, file)
	if err != nil {
		return err
	}
	if result.status != sshFailure || result.stdout != "" {
		return fmt.Errorf("expected ssh to be refused, got status %d\n%s%s", result.status, result.stdout, result.stderr)
	}
	if slices.ContainsFunc(decisions, func(d decision) bool { return d.grant != nil }) || len(decisions) == 0 {
		return fmt.Errorf("expected refusals, got %d decisions of the server, not all of them refusals", len(decisions))
	}
	for _, decision := range decisions {
		var refusal *sshauth.Refusal
		if !errors.As(decision.err, &refusal) || refusal.Reason() != reason {
			return fmt.Errorf("expected the reason %s, got %w", reason, decision.err)
		}
	}
	d.shown(result.stderr)
	d.shown("(the server's log: " + reason + ")")
	return nil
}

func (d *demo) runSSH(ctx context.Context, file string) (*sshResult, []decision, error) {
	d.shown("$ " + d.ssh.commandLine(account, file))
	d.host.takeDecisions()
	result, err := d.ssh.run(ctx, account, file)
	return result, d.host.takeDecisions(), err
}
