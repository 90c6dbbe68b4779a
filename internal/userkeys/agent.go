package userkeys

import (
	"context"
	"crypto"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"opkssh/pkg/sshcert"
)

// NoAgentError says that there is no ssh-agent to talk to.
type NoAgentError struct{ Detail string }

// Error says why.
func (e *NoAgentError) Error() string { return "no ssh-agent: " + e.Detail }

// Agent is a connection to an ssh-agent (draft-miller-ssh-agent).
type Agent struct {
	agent agent.ExtendedAgent
	conn  *agentConn
	dial  func() (*agentConn, error)

	noLifetimes bool
}

// DialAgent connects to the agent that SSH_AUTH_SOCK names: a Unix socket, or on Windows a named pipe too, where the pipe of
// OpenSSH's service is the default. The end of ctx ends the connection. The error is a *[NoAgentError].
func DialAgent(ctx context.Context, getenv func(string) string) (*Agent, error) {
	a := &Agent{dial: func() (*agentConn, error) { return dialAgentConn(ctx, getenv("SSH_AUTH_SOCK")) }}
	if err := a.connect(); err != nil {
		return nil, &NoAgentError{Detail: err.Error()}
	}
	return a, nil
}

func (a *Agent) connect() error {
	conn, err := a.dial()
	if err != nil {
		return err
	}
	// Without Close in sight, the library reads an answer only when it has asked. Otherwise it always reads, so that a deadline
	// ends the connection between two questions, and a pipe of Windows, which does one thing at a time, takes no question.
	a.agent, a.conn = agent.NewClient(struct{ io.ReadWriter }{conn}), conn
	return nil
}

// Close ends the connection.
func (a *Agent) Close() error { return a.conn.Close() }

// Constraints are those of a key in an agent (draft-miller-ssh-agent, key constraints). The certificate's end is one always.
type Constraints struct {
	Lifetime time.Duration // at most, cut to seconds; 0 is until the certificate's end
	Confirm  bool          // the agent asks before each use
}

// Add gives the agent a key with its certificate, until the certificate's end or the end of the lifetime. Then it takes out older
// certificates of that key, the account's older key under the same alias, unless somebody added that by hand, and keys of ours that have
// expired. An account can have another key under another alias: see [Agent.RemoveReplaced]. now is the time from which the agent counts. An agent that knows no lifetimes
// gets the key without: see [Agent.NoLifetimes].
func (a *Agent) Add(key crypto.Signer, cert *ssh.Certificate, alias string, constraints Constraints, now time.Time) error {
	ours, err := sshcert.FromKey(cert)
	if err != nil {
		return err
	}
	id := identityOf(ours)
	added := agent.AddedKey{PrivateKey: key, Certificate: cert, Comment: agentComment(id, alias), ConfirmBeforeUse: constraints.Confirm}
	lifetime := time.Duration(0)
	if constraints.Lifetime > 0 {
		lifetime = max(constraints.Lifetime/time.Second, 1)
	}
	if !id.ValidBefore.IsZero() {
		left := id.ValidBefore.Sub(now) / time.Second
		if left <= 0 {
			return fmt.Errorf("the certificate ended at %s: no time is left for an agent", id.ValidBefore.UTC().Format(time.RFC3339))
		}
		if lifetime == 0 || left < lifetime {
			lifetime = left
		}
	}
	added.LifetimeSecs = uint32(min(lifetime, math.MaxUint32))
	if err := a.add(added); err != nil {
		return a.failed("take the key", err)
	}
	_, err = a.Remove(func(other Identity) bool {
		return (other.SameKey(id) || other.Same(id) && other.Alias == alias && !other.ByHand || other.Expired(now)) && !other.Is(cert)
	})
	return err
}

// RemoveReplaced takes the other keys of cert's account out of the agent, but for those of providers with hosts (see
// [Identity.IsForHosts]). folder is ~/.ssh.
func (a *Agent) RemoveReplaced(folder string, cert *ssh.Certificate) error {
	id, err := Of(cert)
	if err != nil {
		return err
	}
	list, err := List(folder)
	if err != nil {
		return err
	}
	_, err = a.Remove(func(other Identity) bool {
		needed := slices.ContainsFunc(list, func(id Identity) bool { return id.IsForHosts(folder) && id.Is(other.Certificate) })
		return other.Same(id) && !other.Is(cert) && !needed
	})
	return err
}

// RefusedError says that the agent answered, and does not have the key: what else goes wrong may leave it there.
type RefusedError struct{ answer error }

// Error is the agent's answer.
func (e *RefusedError) Error() string { return e.answer.Error() }

// ask gives the agent a key.
func (a *Agent) ask(key agent.AddedKey) error {
	a.conn.beginAsking()
	err := a.agent.Add(key)
	if err != nil && a.conn.failed == nil {
		return &RefusedError{err}
	}
	return err
}

// add tries without a lifetime where one is refused, as the agent service of Windows does. Some versions end the connection over
// it. The certificate ends all the same. A key that is to be confirmed is not given away without that.
func (a *Agent) add(key agent.AddedKey) error {
	err := a.ask(key)
	if err == nil || key.LifetimeSecs == 0 || key.ConfirmBeforeUse || a.conn.isSilent() {
		return err
	}
	_ = a.conn.Close()
	if a.connect() != nil {
		return err
	}
	key.LifetimeSecs = 0
	if again := a.ask(key); again != nil {
		if a.conn.failed != nil { // it may have the key
			return again
		}
		return err
	}
	a.noLifetimes = true
	return nil
}

// NoLifetimes is whether the agent refused a lifetime, and keeps the key until somebody takes it out.
func (a *Agent) NoLifetimes() bool { return a.noLifetimes }

// Until is when the agent drops a key that it has had since now at the latest, where that is before the certificate's end; else the zero time.
func (a *Agent) Until(cert *ssh.Certificate, constraints Constraints, now time.Time) time.Time {
	if constraints.Lifetime <= 0 || a.noLifetimes {
		return time.Time{}
	}
	lifetime := min(max(constraints.Lifetime, time.Second), math.MaxUint32*time.Second)
	end := now.Add(lifetime + time.Second).Truncate(time.Second) // agents count in seconds
	if !end.Before(time.Unix(int64(min(cert.ValidBefore, maxUnixTime)), 0)) {
		return time.Time{}
	}
	return end
}

// agentComment is what ssh-add -l shows. Hosts see it nowhere.
func agentComment(id Identity, alias string) string {
	end := "for ever"
	if !id.ValidBefore.IsZero() {
		end = "until " + id.ValidBefore.UTC().Format(time.RFC3339)
	}
	words := []string{id.Account(), id.Issuer, end}
	if text, ok := strings.CutPrefix((Mark{Alias: alias}).Comment(), sshcert.Comment+": "); ok {
		words = append([]string{text}, words...)
	}
	// A terminal would obey some characters.
	return sshcert.Comment + ": " + strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.Join(words, " "))
}

// List gives the keys of ours that the agent holds: those whose comment and certificate are as login makes them.
func (a *Agent) List() ([]Identity, error) {
	keys, err := a.list()
	if err != nil {
		return nil, err
	}
	return oursAmong(keys), nil
}

// list gives everything that the agent holds, with a deadline for what is asked next too.
func (a *Agent) list() ([]*agent.Key, error) {
	a.conn.beginAsking()
	keys, err := a.agent.List()
	if err != nil {
		return nil, a.failed("list its keys", err)
	}
	return keys, nil
}

func oursAmong(keys []*agent.Key) (list []Identity) {
	for _, key := range keys {
		mark, ours := parseMark(key.Comment)
		if !ours {
			continue
		}
		public, err := ssh.ParsePublicKey(key.Blob)
		if err != nil {
			continue
		}
		cert, err := sshcert.FromKey(public)
		if err != nil {
			continue
		}
		id := identityOf(cert)
		id.Alias, id.InAgent = mark.Alias, true
		id.ByHand = key.Comment == sshcert.Comment // of the private key's file: see agentComment
		list = append(list, id)
	}
	return list
}

// Remove takes the keys of ours that match out of the agent, and returns them.
func (a *Agent) Remove(match func(Identity) bool) ([]Identity, error) {
	list, err := a.List()
	if err != nil {
		return nil, err
	}
	var removed []Identity
	for _, id := range list {
		if !match(id) {
			continue
		}
		if err := a.agent.Remove(id.Certificate); err != nil {
			return removed, a.failed("remove a key", err)
		}
		removed = append(removed, id)
	}
	return removed, nil
}

// Complete adds to what is in files what the agent holds: InAgent where it has the same certificate, PlainInAgent where it has the key
// without one, and the identities that it alone has.
func (a *Agent) Complete(list []Identity) ([]Identity, error) {
	keys, err := a.list()
	if err != nil {
		return list, err
	}
	for _, id := range oursAmong(keys) {
		known := false
		for i := range list {
			if list[i].Is(id.Certificate) {
				list[i].InAgent, known = true, true
			}
		}
		if !known {
			list = append(list, id)
		}
	}
	for i := range list {
		list[i].PlainInAgent = holdsPlain(keys, list[i])
	}
	return list, nil
}

// failed names what the agent was asked for. Its own answer is no more than that it failed.
func (a *Agent) failed(what string, err error) error {
	if a.conn.failed != nil {
		err = a.conn.failed
	}
	return fmt.Errorf("the ssh-agent did not %s: %w", what, err)
}
