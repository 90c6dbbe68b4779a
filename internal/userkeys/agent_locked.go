package userkeys

import (
	"crypto/ed25519"
	"crypto/rand"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// sessionBind is an extension that OpenSSH's agent has since version 8.9, and uses where keys are for some hosts alone (PROTOCOL.agent).
const sessionBind = "session-bind@openssh.com"

// MayBeLocked is whether the agent shows no keys, and may do so because it is locked: then it refuses whatever else it is asked. One that is
// not is told of a session of ours, which changes nothing beyond this connection. Others do not know such sessions, and are given a key of no
// use.
func (a *Agent) MayBeLocked() bool {
	keys, err := a.list()
	if err != nil || len(keys) > 0 {
		return err != nil
	}
	session, err := ownSession()
	if err != nil {
		return true
	}
	a.conn.beginAsking()
	_, err = a.agent.Extension(sessionBind, session)
	return err != nil && (a.conn.failed != nil || a.refusesKeys())
}

// refusesKeys gives the agent a key that nobody knows, for a second at most if it knows lifetimes, and takes it out again.
func (a *Agent) refusesKeys() bool {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return true
	}
	plain, err := ssh.NewPublicKey(public)
	if err != nil {
		return true
	}
	if a.add(agent.AddedKey{PrivateKey: &key, Comment: "opkssh logout", LifetimeSecs: 1}) != nil {
		return true
	}
	_ = a.agent.Remove(plain) // the second may be over
	return false
}

// ownSession is a session with a host that does not exist: the host's signature of the session's ID is what an agent checks.
func ownSession() ([]byte, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	host, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return nil, err
	}
	id := []byte(rand.Text())
	signature, err := host.Sign(rand.Reader, id)
	if err != nil {
		return nil, err
	}
	return ssh.Marshal(struct {
		HostKey, ID, Signature []byte
		Forwarded              bool
	}{host.PublicKey().Marshal(), id, ssh.Marshal(signature), false}), nil
}
