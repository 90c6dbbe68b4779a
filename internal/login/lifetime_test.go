package login_test

import (
	"testing"
	"time"

	"opkssh/internal/login"
)

func TestParseLifetime(t *testing.T) {
	for text, want := range map[string]login.Lifetime{
		"12h":   login.Lifetime(12 * time.Hour),
		"1s":    login.Lifetime(time.Second),
		"never": login.Forever,
		"0":     login.Forever,
	} {
		if got, err := login.ParseLifetime(text); err != nil || got != want {
			t.Errorf("%q: expected %d, got %d, %v", text, want, got, err)
		}
	}
	for _, text := range []string{"", "12", "0s", "-1h", "999ms", "Never", "12h ", "99999999h"} {
		if got, err := login.ParseLifetime(text); err == nil {
			t.Errorf("%q: expected an error, got %d", text, got)
		}
	}
}

func TestLifetimeEnd(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for lifetime, want := range map[login.Lifetime]time.Time{
		0:                             now.Add(24 * time.Hour),
		login.Lifetime(2 * time.Hour): now.Add(2 * time.Hour),
		login.Forever:                 {},
	} {
		if got := lifetime.End(now); !got.Equal(want) {
			t.Errorf("%d: expected %s, got %s", lifetime, want, got)
		}
	}
}

// TestKeyMembers are the members of a provider that say what becomes of its keys.
func TestKeyMembers(t *testing.T) {
	const provider = "providers: [{alias: a, issuer: https://op.example.com, client_id: b, "
	config, err := login.ParseConfig("config.yml", []byte(provider+"expires_in: 12h, add_to_agent: only, agent_confirm: true}]"))
	if err != nil {
		t.Fatal(err)
	}
	p := config.Providers[0]
	if p.ExpiresIn != login.Lifetime(12*time.Hour) || p.AddToAgent != login.AgentOnly || !p.AgentConfirm {
		t.Errorf("got %v, %q, %v", p.ExpiresIn, p.AddToAgent, p.AgentConfirm)
	}
	if config, err = login.ParseConfig("config.yml", []byte(provider+"add_to_agent: no, expires_in: 0}]")); err != nil {
		t.Fatal(err)
	}
	if p := config.Providers[0]; p.AddToAgent != login.AgentNo || p.ExpiresIn != login.Forever {
		t.Errorf("got %q, %v", p.AddToAgent, p.ExpiresIn)
	}
	for _, member := range []string{"expires_in: soon", "expires_in: -1h", "add_to_agent: maybe", "add_to_agent: [no]", "agent_confirm: 1"} {
		if _, err := login.ParseConfig("config.yml", []byte(provider+member+"}]")); err == nil {
			t.Errorf("%s: expected an error", member)
		}
	}
}
