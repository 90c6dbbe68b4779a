package userkeys_test

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/internal/userkeys"
	"opkssh/pkg/pktoken"
	"opkssh/pkg/pktoken/pktokentest"
	"opkssh/pkg/sshcert"
)

func TestMark(t *testing.T) {
	cases := map[userkeys.Mark]string{
		{}:                                 "openpubkey",
		{Alias: "work"}:                    "openpubkey: alias=work",
		{InAgent: true}:                    "openpubkey: key=agent",
		{Alias: "work", AlsoInAgent: true}: "openpubkey: alias=work key=file+agent",
		{Alias: "work", AlsoInAgent: true, Until: time.Unix(1<<31, 0)}: "openpubkey: alias=work key=file+agent until=2147483648",
		{InAgent: true, Until: time.Unix(1, 0)}:                        "openpubkey: key=agent until=1",
		{Alias: "work", Until: time.Unix(1, 0)}:                        "openpubkey: alias=work",
		{Alias: "arbeit-ä", InAgent: true}:                             "openpubkey: alias=arbeit-ä key=agent",
		{Alias: "two words"}:                                           "openpubkey",
		{Alias: "a\nb"}:                                                "openpubkey",
	}
	for mark, want := range cases {
		if got := mark.Comment(); got != want {
			t.Errorf("%+v: expected %q, got %q", mark, want, got)
		}
	}
}

func TestRead(t *testing.T) {
	end := time.Now().Add(time.Hour).Truncate(time.Second)
	who := alice
	who.end = end
	cases := map[string]struct {
		mark    userkeys.Mark
		change  func(t *testing.T, p userkeys.Pair)
		keyFile bool
		problem bool
	}{
		"a pair":             {keyFile: true},
		"with an alias":      {mark: userkeys.Mark{Alias: "work"}, keyFile: true},
		"in an agent":        {mark: userkeys.Mark{Alias: "work", InAgent: true}},
		"in both":            {mark: userkeys.Mark{Alias: "work", AlsoInAgent: true}, keyFile: true},
		"in both for a time": {mark: userkeys.Mark{AlsoInAgent: true, Until: end.Add(-time.Minute)}, keyFile: true},
		"without its key":    {change: func(t *testing.T, p userkeys.Pair) { remove(t, p.Key) }, problem: true},
		"with another key":   {change: func(t *testing.T, p userkeys.Pair) { write(t, p.Key, ownKey(t, "")) }, keyFile: true, problem: true},
		"with no key at all": {change: func(t *testing.T, p userkeys.Pair) { write(t, p.Key, []byte("?")) }, keyFile: true, problem: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			pair := userkeys.At(filepath.Join(t.TempDir(), "id"))
			key, cert := who.login(t, userkeys.ECDSA)
			if err := pair.WriteMarked(key, cert, c.mark); err != nil {
				t.Fatal(err)
			}
			if c.change != nil {
				c.change(t, pair)
			}
			id, found := userkeys.Read(pair)
			if !found {
				t.Fatal("not found")
			}
			if id.HasKeyFile != c.keyFile || (id.Problem != "") != c.problem {
				t.Errorf("key file %v, problem %q", id.HasKeyFile, id.Problem)
			}
			if id.Issuer != alice.issuer || id.ClientID != alice.clientID || id.Subject != alice.subject || id.Email != alice.email ||
				id.Mark != c.mark || id.Alias != c.mark.Alias || !id.ValidBefore.Equal(end) || id.IssuedAt.IsZero() || !id.TokenExpires.After(id.IssuedAt) {
				t.Errorf("got %+v", id)
			}
			if id.Expired(end.Add(-time.Second)) || !id.Expired(end) {
				t.Error("expires at another time than its end")
			}
			dropped := end
			if !c.mark.Until.IsZero() {
				dropped = c.mark.Until
			}
			if id.AgentDropped(dropped.Add(-time.Second)) || !id.AgentDropped(dropped) {
				t.Errorf("expected that the agent drops it at %s", dropped)
			}
		})
	}
}

func remove(t *testing.T, name string) {
	t.Helper()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
}

// A key is at the clients whose hosts accept it, and at no other.
func TestAtOneOfSeveralClients(t *testing.T) {
	two, proof := []string{"a", "b"}, pktoken.GQAudiencePrefix+"infra"
	for name, c := range map[string]struct {
		aud, azp any
		clientID string // which accounts and files are named after
		at       []string
	}{
		"one":                        {"a", nil, "a", []string{"a"}},
		"one, for it":                {"a", "a", "a", []string{"a"}},
		"one, for another party":     {"a", "b", "b", []string{"a"}},
		"a list of one":              {two[:1], nil, "a", two[:1]},
		"a list of one, for another": {two[:1], "b", "b", nil},
		"several":                    {two, nil, "a", two},
		"several, for the first":     {two, "a", "a", two[:1]},
		"several, for the second":    {two, "b", "b", two[1:]},
		"several, for another":       {two, "c", "c", nil},
		"a job":                      {proof, nil, proof, nil},
		"a job, as a list":           {[]string{proof}, nil, proof, nil},
		"a job, for a party":         {proof, "a", "a", nil},
	} {
		op := pktokentest.NewIssuer(t, "https://op.example.com", "ES256")
		key, err := userkeys.Generate(userkeys.ECDSA)
		if err != nil {
			t.Fatal(err)
		}
		signer, err := ssh.NewSignerFromKey(key)
		if err != nil {
			t.Fatal(err)
		}
		token := op.Token(t, key, map[string]any{"aud": c.aud, "azp": c.azp})
		cert, err := sshcert.New(rand.Reader, signer, token, sshcert.Template{})
		if err != nil {
			t.Fatal(err)
		}
		id, err := userkeys.Of(cert)
		if err != nil || id.ClientID != c.clientID {
			t.Errorf("%s: expected client %q, got %q, %v", name, c.clientID, id.ClientID, err)
		}
		for _, client := range []string{"a", "b", "c", ""} {
			want := slices.Contains(c.at, client)
			if got := id.At(op.URL, client, nil); got != want {
				t.Errorf("%s, at client %q: expected %t, got %t", name, client, want, got)
			}
			host := &pktoken.Verifier{Providers: []pktoken.Provider{{Issuer: op.URL, ClientID: client}}, Keys: pktokentest.KeySet(t, op)}
			if _, err := host.Verify(t.Context(), token); (err == nil) != want {
				t.Errorf("%s, a host for client %q: expected it to accept %t, got %v", name, client, want, err)
			}
		}
	}
}

func TestAt(t *testing.T) {
	_, cert := alice.login(t, userkeys.ECDSA)
	id, err := userkeys.Of(cert)
	if err != nil {
		t.Fatal(err)
	}
	id.Alias = "work"
	for name, c := range map[string]struct {
		issuer, clientID string
		aliases          []string
		want             bool
	}{
		"the provider":      {id.Issuer, id.ClientID, []string{"sso", "work"}, true},
		"without an alias":  {id.Issuer, id.ClientID, nil, true},
		"the other account": {id.Issuer, id.ClientID, []string{"private"}, false},
		"another client":    {id.Issuer, "other", []string{"work"}, false},
		"another issuer":    {"https://other.example.com", id.ClientID, []string{"work"}, false},
	} {
		if got := id.At(c.issuer, c.clientID, c.aliases); got != c.want {
			t.Errorf("%s: expected %v", name, c.want)
		}
	}
}

func TestBaseName(t *testing.T) {
	for _, c := range []struct{ issuer, clientID, want string }{
		{"https://op.example.com", "opkssh", "op.example.com-opkssh"},
		{"https://op.example.com/realms/work", "opkssh", "op.example.com_realms_work-opkssh"},
		{"http://localhost:8080", "a b", "http_localhost_8080-a_b"},
		{"https://accounts.google.com", "206584157355-7cbe4s640tvm7naoludob4ut1emii7sf", "accounts.google.com-206584157355-7cbe4s6"},
		{"https://op.example.com/../..", "../../x", "op.example.com_.._..-.._.._x"},
	} {
		if got := userkeys.BaseName(c.issuer, c.clientID); got != c.want {
			t.Errorf("%s %s: expected %s, got %s", c.issuer, c.clientID, c.want, got)
		}
	}
}

// TestPlace: each account keeps its name, and a second one gets a name of its own.
func TestPlace(t *testing.T) {
	folder := t.TempDir()
	now := time.Now()
	store := func(who account) string {
		t.Helper()
		key, cert := who.login(t, userkeys.ECDSA)
		id, err := userkeys.Of(cert)
		if err != nil {
			t.Fatal(err)
		}
		pair, err := userkeys.Place(folder, id, now)
		if err != nil {
			t.Fatal(err)
		}
		if err := pair.Write(key, cert); err != nil {
			t.Fatal(err)
		}
		return filepath.Base(pair.Key)
	}
	bob, carol, dave := alice, alice, alice
	bob.subject, bob.email = "user-2", "bob@example.com"
	carol.subject, carol.email = "user-3", "bob+example.com" // whose name is bob's, after what a file name cannot have
	carol.email = "bob!example.com"
	bob.email = "bob@example.com"
	dave.subject, dave.email = "user-4", ""
	const base = "op.example.com-opkssh"
	if got := store(alice); got != base {
		t.Errorf("the first account: %s", got)
	}
	if got := store(bob); got != base+"-bob_example.com" {
		t.Errorf("the second: %s", got)
	}
	if got := store(carol); len(got) != len(base+"-bob_example.com-")+16 {
		t.Errorf("one with the second's name: %s", got)
	}
	if got := store(dave); got != base+"-user-4" {
		t.Errorf("one without an e-mail address: %s", got)
	}
	if got := store(alice); got != base {
		t.Errorf("the first account again: %s", got)
	}
	// bob keeps his name, also when a shorter one becomes free.
	if _, err := userkeys.At(filepath.Join(folder, base)).Remove(); err != nil {
		t.Fatal(err)
	}
	if got := store(bob); got != base+"-bob_example.com" {
		t.Errorf("the second account again: %s", got)
	}
	// An expired key takes no name.
	over := alice
	over.end = now.Add(-time.Second)
	store(over)
	erin := alice
	erin.subject = "user-5"
	if got := store(erin); got != base {
		t.Errorf("beside an expired key: %s", got)
	}
}

func TestPlaceAmongOwnKeys(t *testing.T) {
	folder := t.TempDir()
	_, cert := alice.login(t, userkeys.ECDSA)
	id, err := userkeys.Of(cert)
	if err != nil {
		t.Fatal(err)
	}
	for {
		pair, err := userkeys.Place(folder, id, time.Now())
		if err != nil {
			var taken *userkeys.TakenError
			if !errors.As(err, &taken) || len(taken.Foreign) != 3 {
				t.Errorf("expected a TakenError with three files, got %v", err)
			}
			return
		}
		write(t, pair.Key, ownKey(t, ""))
	}
}

// TestEarlyClients put the certificate where a public key belongs.
func TestEarlyClients(t *testing.T) {
	folder := t.TempDir()
	pair := userkeys.At(filepath.Join(folder, "id_ecdsa"))
	early := func() {
		key, cert := alice.login(t, userkeys.ECDSA)
		write(t, pair.Key, privateKeyFile(t, key, ""))
		write(t, pair.Key+".pub", sshcert.MarshalLine(cert, sshcert.Comment))
	}
	early()
	if list, err := userkeys.List(folder); err != nil || len(list) != 1 || list[0].Problem != "" || list[0].Subject != alice.subject {
		t.Errorf("got %+v, %v", list, err)
	}
	login(t, pair)
	if left := names(t, folder); len(left) != 2 || left[1] != "id_ecdsa-cert.pub" {
		t.Errorf("after a login: %q", left)
	}
	if _, err := pair.Remove(); err != nil {
		t.Fatal(err)
	}
	early()
	if removed, err := pair.Remove(); err != nil || len(removed) != 2 || len(names(t, folder)) > 0 {
		t.Errorf("removed %q, %v", removed, err)
	}
	// Somebody's own key beside such a certificate is somebody's own.
	early()
	write(t, pair.Key, ownKey(t, ""))
	_, err := pair.Remove()
	checkForeign(t, "Remove", err, "id_ecdsa")
}

// TestWriteForAnAgent leaves no private key behind, not even that of the login before.
func TestWriteForAnAgent(t *testing.T) {
	folder := t.TempDir()
	pair := userkeys.At(filepath.Join(folder, "id"))
	login(t, pair)
	write(t, pair.Key+".opkssh-new", ownKey(t, "")) // of a crash
	key, cert := credential(t, userkeys.ECDSA)
	if err := pair.WriteMarked(key, cert, userkeys.Mark{InAgent: true}); err != nil {
		t.Fatal(err)
	}
	if left := names(t, folder); len(left) != 1 || left[0] != "id-cert.pub" {
		t.Errorf("left %q", left)
	}
	if err := pair.Available(); err != nil {
		t.Errorf("not recognised: %v", err)
	}
}

func TestOfOtherCertificates(t *testing.T) {
	_, cert := credential(t, userkeys.ECDSA)
	delete(cert.Extensions, sshcert.ExtensionPKToken)
	if _, err := userkeys.Of(cert); !errors.Is(err, sshcert.ErrNotOurs) {
		t.Errorf("got %v", err)
	}
	cert.Extensions[sshcert.ExtensionPKToken] = "nonsense"
	cert.ValidBefore = ssh.CertTimeInfinity - 1
	id, err := userkeys.Of(cert)
	if err != nil || id.Problem == "" || id.Expired(time.Now()) {
		t.Errorf("got %+v, %v", id, err)
	}
}
