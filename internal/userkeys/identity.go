package userkeys

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"opkssh/pkg/pktoken"
	"opkssh/pkg/sshcert"
)

// Identity is a key of ours on this computer, and whose it is by its certificate. Nothing in it is verified: it says what the
// person's own files and agent say.
type Identity struct {
	Issuer, ClientID string
	clients          []string // whose hosts accept the ID token; ClientID is what accounts and files are named after
	Subject, Email   string
	Alias            string // of the provider at the login, if that is known

	IssuedAt     time.Time // of the ID token
	TokenIssued  time.Time // of the refreshed ID token, if there is one, else of the ID token
	TokenExpires time.Time // of the same
	ValidBefore  time.Time // of the certificate; zero: it has no end

	Certificate  *ssh.Certificate
	Pair         Pair // zero if it is in an agent alone
	Mark         Mark
	HasKeyFile   bool
	InAgent      bool // set by [Agent.Complete] and [Agent.List]
	ByHand       bool // somebody gave it to the agent with ssh-add, and no login did; set by the same
	PlainInAgent bool // without its certificate: see [Agent.RemovePlain]; set by [Agent.Complete]

	// Problem says why the files cannot be used, "" if they can. A private key that is to be in an agent is no problem of the
	// files.
	Problem string
}

// List gives the identities whose certificates are in folder, which is ~/.ssh, under a default name or in the folder opkssh:
// those that [Find] finds, also beside an error. A pair that cannot be used is among them, with its problem.
func List(folder string) (list []Identity, err error) {
	pairs, err := Find(folder)
	for _, pair := range pairs {
		if id, found := Read(pair); found {
			list = append(list, id)
		}
	}
	return list, err
}

// Read gives the identity in a pair's files; found is false if no certificate of ours is there.
func Read(pair Pair) (id Identity, found bool) {
	id, found, _ = Look(pair)
	return id, found
}

// Look is [Read] that says why it could not look, so that what is not seen is not taken for what is gone. A folder that is not there
// is no error.
func Look(pair Pair) (id Identity, found bool, err error) {
	line, found, err := pair.certificateLine()
	if !found {
		return Identity{}, false, err
	}
	cert, comment, err := sshcert.ParseLine(line)
	if err != nil {
		return Identity{}, false, err
	}
	id = identityOf(cert)
	id.Pair = pair
	id.Mark, _ = parseMark(comment)
	id.Alias = id.Mark.Alias
	data, present, err := readOwn(pair.Key)
	id.HasKeyFile = present
	if id.Problem != "" {
		return id, true, nil
	}
	switch {
	case err != nil:
		id.Problem = err.Error()
	case present:
		public, err := publicPart(data)
		if err != nil {
			id.Problem = pair.Key + ": not a private key that can be read"
		} else if !bytes.Equal(public.Marshal(), id.Certificate.Key.Marshal()) {
			id.Problem = pair.Key + ": not the certificate's private key"
		}
	case !id.Mark.InAgent:
		id.Problem = pair.Key + ": no private key there"
	}
	return id, true, nil
}

// Of gives the identity in a certificate, which is in no file and no agent yet.
func Of(cert *ssh.Certificate) (Identity, error) {
	ours, err := sshcert.FromKey(cert)
	if err != nil {
		return Identity{}, err
	}
	return identityOf(ours), nil
}

// identityOf reads what the certificate says.
func identityOf(cert *sshcert.Certificate) Identity {
	id := Identity{Certificate: cert.SSH()}
	if end := cert.SSH().ValidBefore; end != ssh.CertTimeInfinity {
		id.ValidBefore = time.Unix(int64(min(end, maxUnixTime)), 0)
	}
	token, err := cert.PKToken()
	if err != nil {
		id.Problem = fmt.Sprintf("the PK token cannot be read: %v", err)
		return id
	}
	claims := token.UnverifiedClaims()
	id.Issuer = token.UnverifiedIssuer()
	id.Subject, _ = claims["sub"].(string)
	id.Email, _ = claims["email"].(string)
	id.clients = clients(claims, token.Commitment())
	id.ClientID = clientID(claims, id.clients)
	id.IssuedAt = numericDate(claims["iat"])
	if refreshed := token.UnverifiedRefreshedClaims(); refreshed != nil {
		claims = refreshed
	}
	id.TokenIssued, id.TokenExpires = numericDate(claims["iat"]), numericDate(claims["exp"])
	return id
}

// maxUnixTime is the end of the year 9999, after which RFC 3339 has no words.
const maxUnixTime = 253402300799

// clientID is whom the ID token was made for: the client ID of the row that hosts have for it. Where the audience is a commitment to
// the key, as in some CI jobs, it is nobody: "". Of several clients, where no party is named, it is the first, which need not be the one
// that has logged in.
func clientID(claims map[string]any, clients []string) string {
	if party, ok := claims["azp"].(string); ok {
		return party
	}
	if len(clients) > 0 {
		return clients[0]
	}
	for _, audience := range audiences(claims) {
		if strings.HasPrefix(audience, pktoken.GQAudiencePrefix) {
			return audience
		}
	}
	return ""
}

// clients are those whose hosts accept an ID token: its audience, and of a list the authorized party alone, where one is named.
func clients(claims map[string]any, commitment string) (all []string) {
	_, isList := claims["aud"].([]any)
	party, named := claims["azp"]
	for _, audience := range audiences(claims) {
		if audience != commitment && !strings.HasPrefix(audience, pktoken.GQAudiencePrefix) && (!isList || !named || party == audience) {
			all = append(all, audience)
		}
	}
	return all
}

// audiences are what `aud` names, as a string or as a list (RFC 7519 §4.1.3).
func audiences(claims map[string]any) (all []string) {
	list, _ := claims["aud"].([]any)
	for _, audience := range append(slices.Clone(list), claims["aud"]) {
		if text, ok := audience.(string); ok {
			all = append(all, text)
		}
	}
	return all
}

// numericDate reads a NumericDate (RFC 7519 §2); what is none is the zero time.
func numericDate(claim any) time.Time {
	number, _ := claim.(json.Number)
	seconds, err := strconv.ParseFloat(string(number), 64)
	if err != nil || seconds < 0 || seconds > maxUnixTime {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0)
}

// Same is whether both are keys of one account at one provider, logged in to with one client.
func (id Identity) Same(other Identity) bool {
	return id.Issuer == other.Issuer && id.ClientID == other.ClientID && id.Subject == other.Subject && id.Subject != ""
}

// At is whether it can come from a login with this provider: hosts that know the provider accept the ID token. aliases are the
// provider's names: they tell two providers apart that are one client of one issuer, for two accounts.
func (id Identity) At(issuer, clientID string, aliases []string) bool {
	return id.Issuer == issuer && slices.Contains(id.clients, clientID) &&
		(id.Alias == "" || len(aliases) == 0 || slices.Contains(aliases, id.Alias))
}

// Is is whether the certificate is the identity's.
func (id Identity) Is(cert *ssh.Certificate) bool {
	return bytes.Equal(id.Certificate.Marshal(), cert.Marshal())
}

// Account is the e-mail address, else the subject.
func (id Identity) Account() string {
	if id.Email != "" {
		return id.Email
	}
	return id.Subject
}

// Expired is whether the certificate has ended. Hosts may have stopped accepting it earlier.
func (id Identity) Expired(now time.Time) bool {
	return !id.ValidBefore.IsZero() && !now.Before(id.ValidBefore)
}

// AgentDropped is whether an agent that a login gave the key to holds it no more, by what the files say, or holds it to no use.
func (id Identity) AgentDropped(now time.Time) bool {
	return id.Expired(now) || !id.Mark.Until.IsZero() && !now.Before(id.Mark.Until)
}
