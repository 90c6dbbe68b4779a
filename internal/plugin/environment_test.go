//go:build linux

package plugin

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"opkssh/pkg/pktoken"
	"opkssh/pkg/pktoken/pktokentest"
	"opkssh/pkg/policy"
	"opkssh/pkg/sshcert"
)

// printed is the environment as a plugin finds it.
func printed(t *testing.T, f *folder, v *pktoken.Verified) map[string]string {
	t.Helper()
	out := filepath.Join(f.dir, "environment")
	f.files = nil
	// Not what env prints: the shell adds variables of its own.
	f.add(t, "p", "allow", "cat /proc/$$/environ >"+out+"; echo allow")
	if _, err := f.ask(t, v); err != nil {
		t.Fatalf("%v\n%s", err, f.log.String())
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	environment := map[string]string{}
	for variable := range strings.SplitSeq(strings.TrimSuffix(string(data), "\x00"), "\x00") {
		name, value, _ := strings.Cut(variable, "=")
		if _, ok := environment[name]; ok {
			t.Errorf("%s stands twice", name)
		}
		environment[name] = value
	}
	return environment
}

func base64JSON(t *testing.T, s string) map[string]any {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal(data, &object); err != nil {
		t.Fatal(err)
	}
	return object
}

func TestEnvironment(t *testing.T) {
	t.Setenv("SECRET", "of ours")
	user := pktokentest.UserKey(t)
	issuer := pktokentest.NewIssuer(t, "https://op.example.com", "ES256")
	v := issuer.Verified(t, user, map[string]any{
		"email": "alice@example.com", "email_verified": true, "jti": "id-1", "nbf": 1_700_000_000, "iat": 1_700_000_001, "exp": 4_000_000_000,
		"aud": []string{pktokentest.ClientID, `other"client`}, "azp": pktokentest.ClientID, "groups": []string{"dev", `a "quoted", <one> & \ more`},
	})
	key, err := ssh.NewPublicKey(user.Public())
	if err != nil {
		t.Fatal(err)
	}
	f := newFolder(t)
	f.SSHD = SSHD{Key: base64.StdEncoding.EncodeToString(key.Marshal()), KeyType: key.Type(), Further: []string{"192.0.2.7 51820 192.0.2.1 22", `"$(id)"`}}
	f.programs.Config = &policy.Config{EnvVars: map[string]string{
		"HTTPS_PROXY": "http://proxy:3128", "EMPTY": "", "OPKSSH_PLUGIN_U": "root", "OPKSSH_PLUGIN_OURS": "x", "OPKSSH_PLUGIN_CONFIG": "x",
	}}
	got := printed(t, f, v)
	idToken, _ := v.Token().IDToken()
	want := map[string]string{
		"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HTTPS_PROXY": "http://proxy:3128", "EMPTY": "", "OPKSSH_PLUGIN_OURS": "x",
		"OPKSSH_PLUGIN_U": "alice", "OPKSSH_PLUGIN_K": f.SSHD.Key, "OPKSSH_PLUGIN_T": "ecdsa-sha2-nistp256",
		"OPKSSH_PLUGIN_EXTRA_ARGS": `["192.0.2.7 51820 192.0.2.1 22","\"$(id)\""]`,
		"OPKSSH_PLUGIN_ISS":        "https://op.example.com", "OPKSSH_PLUGIN_SUB": "user-1",
		"OPKSSH_PLUGIN_EMAIL": "alice@example.com", "OPKSSH_PLUGIN_EMAIL_VERIFIED": "true",
		"OPKSSH_PLUGIN_AUD": `["test-client","other\"client"]`,
		"OPKSSH_PLUGIN_EXP": "4000000000", "OPKSSH_PLUGIN_NBF": "1700000000", "OPKSSH_PLUGIN_IAT": "1700000001", "OPKSSH_PLUGIN_JTI": "id-1",
		"OPKSSH_PLUGIN_GROUPS":  `["dev","a \"quoted\", <one> & \\ more"]`,
		"OPKSSH_PLUGIN_PAYLOAD": base64.StdEncoding.EncodeToString(v.Token().UnverifiedPayload()),
		"OPKSSH_PLUGIN_UPK":     got["OPKSSH_PLUGIN_UPK"], // below
		"OPKSSH_PLUGIN_PKT":     v.Token().Compact(), "OPKSSH_PLUGIN_IDT": idToken,
		"OPKSSH_PLUGIN_USERINFO": "", "OPKSSH_PLUGIN_CONFIG": base64.StdEncoding.EncodeToString(f.files[0].Data),
	}
	if !reflect.DeepEqual(got, want) {
		for name := range want {
			if value, ok := got[name]; !ok || value != want[name] {
				t.Errorf("%s: expected %q, got %q (there: %v)", name, want[name], value, ok)
			}
			delete(got, name)
		}
		for name, value := range got {
			t.Errorf("unexpected %s=%q", name, value)
		}
	}
	if upk := base64JSON(t, want["OPKSSH_PLUGIN_UPK"]); upk["kty"] != "EC" || upk["crv"] != "P-256" || upk["alg"] != "ES256" || upk["d"] != nil {
		t.Errorf("UPK: got %v", upk)
	}
	if payload := base64JSON(t, want["OPKSSH_PLUGIN_PAYLOAD"]); payload["email"] != "alice@example.com" {
		t.Errorf("PAYLOAD: got %v", payload)
	}
}

// TestClaimsInTheEnvironment: claims that are missing, or of another type than usual.
func TestClaimsInTheEnvironment(t *testing.T) {
	for _, test := range []struct {
		claims map[string]any
		want   map[string]string
	}{
		{nil, map[string]string{"EMAIL": "", "EMAIL_VERIFIED": "", "JTI": "", "NBF": "", "GROUPS": "", "AUD": pktokentest.ClientID, "EXTRA_ARGS": ""}},
		{map[string]any{"email": []string{"a@example.com"}, "email_verified": false}, map[string]string{"EMAIL": "", "EMAIL_VERIFIED": "false"}},
		{map[string]any{"email_verified": "true"}, map[string]string{"EMAIL_VERIFIED": "true"}},
		{map[string]any{"email_verified": "TRUE"}, map[string]string{"EMAIL_VERIFIED": "TRUE"}},
		{map[string]any{"email_verified": 1}, map[string]string{"EMAIL_VERIFIED": ""}},
		{map[string]any{"aud": []string{pktokentest.ClientID}}, map[string]string{"AUD": `["test-client"]`}},
		{map[string]any{"groups": []string{}}, map[string]string{"GROUPS": "[]"}},
		{map[string]any{"groups": "dev"}, map[string]string{"GROUPS": `["dev"]`}},
		{map[string]any{"groups": []any{1, "1", true, nil, `x","root`}}, map[string]string{"GROUPS": `[1,"1",true,null,"x\",\"root"]`}},
		{map[string]any{"groups": map[string]any{"a": "b"}}, map[string]string{"GROUPS": ""}},
		{map[string]any{"groups": 7}, map[string]string{"GROUPS": ""}},
		{
			map[string]any{"email": "x\n$(id)`id`\"';&|\\ \u202e@example.com", "sub": "-n\r\n", "groups": []string{"a\nb\x00"}},
			map[string]string{"EMAIL": "x\n$(id)`id`\"';&|\\ \u202e@example.com", "SUB": "-n\r\n", "GROUPS": `["a\nb\u0000"]`},
		},
	} {
		got := printed(t, newFolder(t), person(t, test.claims))
		for name, want := range test.want {
			if value, ok := got["OPKSSH_PLUGIN_"+name]; !ok || value != want {
				t.Errorf("%v: %s: expected %q, got %q", test.claims, name, want, value)
			}
		}
	}
}

// TestValuesThatNoEnvironmentCanHold: every plugin says no, and those of mode require deny.
func TestValuesThatNoEnvironmentCanHold(t *testing.T) {
	for _, test := range []struct {
		name   string
		claims map[string]any
		user   string
	}{
		{"NUL in a claim", map[string]any{"email": "alice@example.com\x00"}, "alice"},
		{"NUL in the subject", map[string]any{"sub": "\x00"}, "alice"},
		{"NUL in the user", nil, "alice\x00"},
	} {
		f := newFolder(t)
		v := person(t, test.claims)
		r := policy.Request{User: test.user}
		f.add(t, "a1", "allow", "echo allow")
		if decision, err := f.judge(t.Context(), v, r, nil, noRule, f.files, nil); err != error(noRule) {
			t.Errorf("%s: expected a denial, got %+v, %v", test.name, decision, err)
		}
		f.add(t, "r1", "require", "echo allow")
		decision, err := f.judge(t.Context(), v, r, byRule, nil, f.files, nil)
		wantRefused(t, "r1", decision, err)
		for _, message := range f.messages(t) {
			if message != "plugins cannot be run" {
				t.Errorf("%s: log: got %q", test.name, message)
			}
		}
		if f.log.Len() == 0 {
			t.Errorf("%s: nothing was logged", test.name)
		}
	}
}

// TestUserIsNoText: sshd's %u is bytes.
func TestUserIsNoText(t *testing.T) {
	f := newFolder(t)
	f.add(t, "p", "allow", `[ "$OPKSSH_PLUGIN_U" = "$(printf 'a\377\nb')" ] && echo allow`)
	if _, err := f.judge(t.Context(), alice(t), policy.Request{User: "a\xff\nb"}, nil, noRule, f.files, nil); err != nil {
		t.Error(err)
	}
}

func TestUserinfoInTheEnvironment(t *testing.T) {
	v, err := alice(t).WithUserinfo(map[string]any{
		"sub": "user-1", "email": "other@example.com", "groups": []any{"dev"}, "number": json.Number("12345678901234567890"),
	})
	if err != nil {
		t.Fatal(err)
	}
	got := printed(t, newFolder(t), v)
	if want := `{"email":"other@example.com","groups":["dev"],"number":12345678901234567890,"sub":"user-1"}`; got["OPKSSH_PLUGIN_USERINFO"] != want {
		t.Errorf("USERINFO: expected %s, got %s", want, got["OPKSSH_PLUGIN_USERINFO"])
	}
	// What only the userinfo endpoint says counts, and the ID token's own claims come first.
	if got["OPKSSH_PLUGIN_GROUPS"] != `["dev"]` || got["OPKSSH_PLUGIN_EMAIL"] != "alice@example.com" {
		t.Errorf("got %q and %q", got["OPKSSH_PLUGIN_GROUPS"], got["OPKSSH_PLUGIN_EMAIL"])
	}
	if base64JSON(t, got["OPKSSH_PLUGIN_PAYLOAD"])["groups"] != nil {
		t.Error("PAYLOAD is the ID token's alone")
	}
}

// TestNoIDTokenForAProof: a GQ256 proof is there so that nobody gets the ID token.
func TestNoIDTokenForAProof(t *testing.T) {
	issuer := pktokentest.NewIssuer(t, "https://op.example.com", "RS256")
	client, err := pktoken.NewClientInstance(rand.Reader, pktokentest.UserKey(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	keys := pktokentest.KeySet(t, issuer)
	token, err := client.BindGQ([]byte(issuer.IDToken(t, map[string]any{"nonce": client.Commitment()})), keys[issuer.URL], pktoken.CommitmentNonce)
	if err != nil {
		t.Fatal(err)
	}
	v, err := (&pktoken.Verifier{Providers: []pktoken.Provider{issuer.Provider()}, Keys: keys}).Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	got := printed(t, newFolder(t), v)
	if idToken, ok := got["OPKSSH_PLUGIN_IDT"]; !ok || idToken != "" || got["OPKSSH_PLUGIN_PKT"] != token.Compact() {
		t.Errorf("IDT: expected an empty one, got %q (there: %v)", idToken, ok)
	}
}

// TestNoAccessToken: no plugin gets it, and without one K is what sshd said, byte for byte.
func TestNoAccessToken(t *testing.T) {
	user := pktokentest.UserKey(t)
	issuer := pktokentest.NewIssuer(t, "https://op.example.com", "ES256")
	signer, err := ssh.NewSignerFromSigner(user)
	if err != nil {
		t.Fatal(err)
	}
	v := issuer.Verified(t, user, nil)
	const token = "the-access-token"
	for _, accessToken := range []string{"", token} {
		certificate, err := sshcert.New(rand.Reader, signer, v.Token(), sshcert.Template{AccessToken: accessToken})
		if err != nil {
			t.Fatal(err)
		}
		f := newFolder(t)
		f.SSHD = SSHD{Key: base64.StdEncoding.EncodeToString(certificate.Marshal()), KeyType: certificate.Type()}
		got := printed(t, f, v)
		k := got["OPKSSH_PLUGIN_K"]
		if (k == f.SSHD.Key) != (accessToken == "") {
			t.Errorf("access token %q: K is sshd's: %v", accessToken, k == f.SSHD.Key)
		}
		wire, err := base64.StdEncoding.DecodeString(k)
		if err != nil {
			t.Fatal(err)
		}
		key, err := ssh.ParsePublicKey(wire)
		if err != nil {
			t.Fatal(err)
		}
		names := make([]string, 0, 8)
		for name := range key.(*ssh.Certificate).Extensions {
			names = append(names, name)
		}
		if slices.Contains(names, sshcert.ExtensionAccessToken) || !slices.Contains(names, sshcert.ExtensionPKToken) {
			t.Errorf("extensions of K: %v", names)
		}
		if strings.Contains(string(wire), token) {
			t.Error("K holds the access token")
		}
	}
	for _, bad := range []string{"=", "AAAA"} {
		f := newFolder(t)
		f.SSHD.Key = bad
		f.add(t, "p", "allow", "echo allow")
		if decision, err := f.ask(t, v); err != error(noRule) {
			t.Errorf("key %s: expected a denial, got %+v, %v", strconv.Quote(bad), decision, err)
		}
	}
}
