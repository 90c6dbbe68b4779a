package usercli

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"testing"
	"time"

	"opkssh/pkg/pktoken"
	"opkssh/pkg/pktoken/pktokentest"
)

// bind makes a PK token for an ID token with these claims, whatever it commits to.
func bind(t *testing.T, claims map[string]any) *pktoken.Token {
	t.Helper()
	client, err := pktoken.NewClientInstance(rand.Reader, pktokentest.UserKey(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := client.Bind(pktokentest.NewIssuer(t, "https://op.example.com", "ES256").IDToken(t, claims))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestATokenForAnotherKey(t *testing.T) {
	// Another user's key, as a provider with key binding writes it.
	_, client := bind(t, nil).UnverifiedHeaders()
	for name, claims := range map[string]map[string]any{
		"nothing":       {},
		"another nonce": {"nonce": "another"},
		"another key":   {"cnf": map[string]any{"jwk": client["upk"]}},
		"a strange cnf": {"cnf": "key"},
	} {
		if in := reportToken(bind(t, claims), nil).CommitmentIn; in != "nowhere" {
			t.Errorf("%s: expected nowhere, got %s", name, in)
		}
	}
}

func TestTimesThatNoCalendarHas(t *testing.T) {
	report := reportToken(bind(t, map[string]any{"iat": -1, "exp": json.Number("9000000000000000000"), "nbf": "soon"}), nil)
	if report.IssuedAt != nil {
		t.Errorf("issued at %s", report.IssuedAt)
	}
	var out bytes.Buffer
	if err := (&terminal{out: &out}).json(report); err != nil {
		t.Error(err)
	}
	if end := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC); report.ExpiresAt == nil || !report.ExpiresAt.Equal(end) {
		t.Errorf("expected %s, got %v", end, report.ExpiresAt)
	}
}
