package pktoken

import (
	"strings"
	"time"
)

// Commitment says where an ID token holds the commitment to the user's key. It comes from the host's configuration, never
// from the token.
type Commitment int

// The kinds of commitment.
const (
	// CommitmentNonce: the claim `nonce`. People at a standard OpenID provider.
	CommitmentNonce Commitment = iota
	// CommitmentAudience: the claim `aud`, a single string. GitHub Actions, Forgejo Actions. Needs a GQ256 proof.
	CommitmentAudience
	// CommitmentGQ: the member `cic` of the GQ256 protected header. GitLab CI.
	CommitmentGQ
	// CommitmentKeyBinding: the claim `cnf.jwk`. Providers with OpenID Connect Key Binding.
	CommitmentKeyBinding
)

var commitmentNames = []string{"nonce", "aud", "gq", "cnf"}

// String gives the name that configuration files use.
func (c Commitment) String() string {
	if c < 0 || int(c) >= len(commitmentNames) {
		return "unknown"
	}
	return commitmentNames[c]
}

// ParseCommitment reads nonce, aud, gq or cnf.
func ParseCommitment(name string) (Commitment, bool) {
	for i, n := range commitmentNames {
		if n == name {
			return Commitment(i), true
		}
	}
	return 0, false
}

// GQAudiencePrefix is how the audience of an ID token for [CommitmentGQ] starts, so that it cannot serve as another login.
const GQAudiencePrefix = "OPENPUBKEY-PKTOKEN:"

// ExpiryKind selects one of the expiration policies.
type ExpiryKind int

// The expiration policies.
const (
	// ExpiryOIDC: until the ID token's `exp`.
	ExpiryOIDC ExpiryKind = iota
	// ExpiryOIDCRefreshed: until `exp` of the ID token or of the refreshed one.
	ExpiryOIDCRefreshed
	// ExpiryMaxAge: for a fixed time after `iat`.
	ExpiryMaxAge
	// ExpiryNever: for ever.
	ExpiryNever
)

// Expiry is a provider row's expiration policy.
type Expiry struct {
	Kind   ExpiryKind
	MaxAge time.Duration // for ExpiryMaxAge alone
}

// ClaimRequirement is a claim that a token must hold, as [Verified.HasClaim] compares it.
type ClaimRequirement struct {
	Name, Value string
}

// Provider is one row of a host's configuration: which tokens of which issuer are believed, and for how long.
type Provider struct {
	Issuer     string // compared whole with `iss`
	ClientID   string // compared whole with `aud`; not for CommitmentAudience, and see [GQAudiencePrefix] for CommitmentGQ
	Commitment Commitment
	Expiry     Expiry

	AllowAccessTokenType bool               // `typ` at+jwt too
	AllowAudienceArray   bool               // an array of one string too, where Commitment wants `aud` to be a single string
	Require              []ClaimRequirement // all of them
	ACR                  string             // the claim `acr` (OpenID Connect Core §2), if not empty
	MaxAuthAge           time.Duration      // most time since `auth_time` (OpenID Connect Core §2), if not zero

	Origin string // file and line of the row, for messages
}

// anyAudience is whether the row's client ID says nothing about `aud`: for CommitmentAudience `aud` is the commitment itself,
// and for CommitmentGQ hosts have rows with a plain client ID, which accept every audience with [GQAudiencePrefix].
func (p Provider) anyAudience() bool {
	return p.Commitment == CommitmentAudience ||
		p.Commitment == CommitmentGQ && !strings.HasPrefix(p.ClientID, GQAudiencePrefix)
}
