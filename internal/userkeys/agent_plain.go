package userkeys

import (
	"bytes"
	"slices"

	"golang.org/x/crypto/ssh/agent"
)

// RemovePlain takes the keys of some identities out of the agent where it holds them without a certificate, and returns whose they were.
// ssh puts them there with AddKeysToAgent, and ssh-add does, for as long as the agent runs. Every host has seen the certificate, so that
// whoever has the agent is the person. No comment tells such a key from others: it is ours if it is the key of a certificate of ours.
func (a *Agent) RemovePlain(list []Identity) (removed []Identity, err error) {
	keys, err := a.list()
	if err != nil {
		return nil, err
	}
	for _, id := range list {
		if !holdsPlain(keys, id) || slices.ContainsFunc(removed, id.SameKey) {
			continue
		}
		if err := a.agent.Remove(id.Certificate.Key); err != nil {
			return removed, a.failed("remove a key", err)
		}
		removed = append(removed, id)
	}
	return removed, nil
}

func holdsPlain(keys []*agent.Key, id Identity) bool {
	return slices.ContainsFunc(keys, func(key *agent.Key) bool { return bytes.Equal(key.Blob, id.Certificate.Key.Marshal()) })
}

// SameKey is whether both are certificates of one key.
func (id Identity) SameKey(other Identity) bool {
	return bytes.Equal(id.Certificate.Key.Marshal(), other.Certificate.Key.Marshal())
}
