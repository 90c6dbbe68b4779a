package faults_test

import (
	"testing"

	"opkssh/integration/issuer"
	"opkssh/pkg/pktoken/pktokentest"
)

// TestNetworkGone: the name of a provider cannot be resolved, or there is no way to it but a proxy that is gone. It harms its own users
// alone.
func TestNetworkGone(t *testing.T) {
	for name, config := range map[string]string{
		"DNS":                       "log: {to: stderr}\n",
		"proxy":                     "log: {to: stderr}\nenv_vars: {HTTPS_PROXY: \"http://127.0.0.1:1\"}\n",
		"proxy that cannot be read": "log: {to: stderr}\nenv_vars: {HTTPS_PROXY: \"ftp://127.0.0.1\"}\n",
	} {
		t.Run(name, func(t *testing.T) {
			const elsewhere = "https://op.invalid" // RFC 6761 §6.4: resolves nowhere
			h := newHost(t)
			h.warm(t)
			h.write(t, "config.yml", config)
			h.write(t, "providers", h.op.url+" "+pktokentest.ClientID+" 24h\n"+elsewhere+" "+pktokentest.ClientID+" 24h\n")
			h.write(t, "auth_id", "alice alice@example.com "+h.op.url+"\nalice alice@example.com "+elsewhere+"\n")
			h.guardFiles(t)
			there := &issuer.Issuer{Issuer: pktokentest.NewIssuer(t, elsewhere, "ES256")}
			h.wantReason(t, there.Login(t, claims("alice@example.com")), "keys-unavailable")
			h.wantIn(t)
			h.wantOthersOut(t)
			h.wantCacheSound(t)
		})
	}
}
