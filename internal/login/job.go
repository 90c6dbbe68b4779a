package login

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"opkssh/internal/idp"
	"opkssh/pkg/pktoken"
)

// jobTimeout is for a job's whole login: nobody has to type anything.
const jobTimeout = 2 * time.Minute

// Job is a login without a person. Whoever holds the ID token of a job can be that job, so that hosts get a GQ256 proof of the
// provider's signature instead of the signature itself.
type Job struct {
	Issuer string // "" takes the issuer that the ID token names
	Source IDTokenSource
	Keys   pktoken.KeySet
	// Now is the clock for the ID token; nil is time.Now.
	Now func() time.Time
}

// Login gets an ID token, makes the proof, and verifies the whole as a host does: under [pktoken.CommitmentAudience] where the
// token's audience is the commitment, under [pktoken.CommitmentGQ] otherwise. An audience that is a list of one needs
// [pktoken.Provider.AllowAudienceArray] on hosts, which the row in the result then has. The provider's signature is overwritten.
// Every error is an [*Error].
func (j *Job) Login(ctx context.Context, client *pktoken.ClientInstance) (*Result, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, jobTimeout, errTimeUp)
	defer cancel()
	result, err := j.login(ctx, client)
	if err == nil {
		return result, nil
	}
	switch cause := context.Cause(ctx); {
	case cause == nil:
		return nil, err
	case errors.Is(cause, errTimeUp), errors.Is(cause, context.DeadlineExceeded):
		return nil, &Error{Code: CodeTimeout, Detail: fmt.Sprintf("no ID token and keys within %s", jobTimeout), Err: err}
	default:
		return nil, &Error{Code: CodeCanceled, Detail: "the login was given up"}
	}
}

func (j *Job) login(ctx context.Context, client *pktoken.ClientInstance) (*Result, error) {
	jwt, err := j.Source.IDToken(ctx, client.Commitment())
	if err != nil {
		return nil, err
	}
	defer clear(jwt)
	header, claims, err := readUnverified(jwt)
	if err != nil {
		return nil, &Error{Code: CodeIDToken, Detail: "what was given is not an ID token (a JWT)", Err: err}
	}
	issuer, _ := claims["iss"].(string)
	if j.Issuer != "" && issuer != j.Issuer {
		return nil, jobError(&pktoken.RejectError{
			Reason: pktoken.ReasonUnknownIssuer, Detail: "the ID token comes from another issuer", Expected: j.Issuer, Got: issuer,
		})
	}
	if err := idp.CheckIssuer(issuer); err != nil {
		return nil, &Error{Code: CodeIDToken, Detail: "iss of the ID token", Err: err}
	}
	row, err := jobRow(issuer, claims["aud"], client.Commitment())
	if err != nil {
		return nil, jobError(err)
	}
	keys, err := j.Keys.Keys(ctx, issuer, func(set *pktoken.JWKS) bool { return holdsKey(set, header) })
	if err != nil {
		return nil, jobError(&pktoken.RejectError{Reason: pktoken.ReasonKeysUnavailable, Detail: "the issuer's keys", Err: err})
	}
	token, err := client.BindGQ(jwt, keys, row.Commitment)
	if err != nil {
		return nil, jobError(err)
	}
	verifier := pktoken.Verifier{Providers: []pktoken.Provider{row}, Keys: j.Keys, Now: j.Now}
	verified, err := verifier.Verify(ctx, token)
	if err != nil {
		return nil, jobError(err)
	}
	return &Result{Token: token, Verified: verified}, nil
}

// jobRow is the row that a host needs for a token with this audience. An audience that no row accepts is found here, before the
// proof, which takes longer and has no words for it.
func jobRow(issuer string, audience any, commitment string) (pktoken.Provider, error) {
	row := pktoken.Provider{
		Issuer:     issuer,
		Commitment: pktoken.CommitmentGQ,
		Expiry:     pktoken.Expiry{Kind: pktoken.ExpiryOIDC},
	}
	aud, _ := audience.(string)
	if list, ok := audience.([]any); ok && len(list) == 1 {
		aud, _ = list[0].(string)
		row.AllowAudienceArray = true
	}
	switch {
	case aud == commitment:
		row.Commitment = pktoken.CommitmentAudience
	case !strings.HasPrefix(aud, pktoken.GQAudiencePrefix):
		return row, &pktoken.RejectError{
			Reason: pktoken.ReasonAudience, Detail: "aud of the ID token",
			Expected: pktoken.GQAudiencePrefix + "... or the commitment", Got: fmt.Sprint(audience),
		}
	}
	return row, nil
}

// readUnverified reads what is not secret of a JWT.
func readUnverified(jwt []byte) (header, claims map[string]any, err error) {
	parts := bytes.Split(jwt, []byte("."))
	if len(parts) != 3 {
		return nil, nil, fmt.Errorf("expected three parts, got %d", len(parts))
	}
	var objects [2]map[string]any
	for i := range objects {
		data, err := base64.RawURLEncoding.Strict().DecodeString(string(parts[i]))
		if err != nil {
			return nil, nil, err
		}
		if objects[i], err = pktoken.ParseObject(data); err != nil {
			return nil, nil, err
		}
	}
	return objects[0], objects[1], nil
}

func holdsKey(set *pktoken.JWKS, header map[string]any) bool {
	kid, named := header["kid"].(string)
	if !named {
		return set.Usable() > 0
	}
	for _, id := range set.KeyIDs() {
		if id == kid {
			return true
		}
	}
	return false
}

func jobError(err error) error {
	e := &Error{Code: CodeIDToken, Detail: "the job's ID token cannot be used", Err: err}
	if reject := (*pktoken.RejectError)(nil); errors.As(err, &reject) {
		e.Hint = jobHints[reject.Reason]
	}
	return e
}

// gitlabSnippet is what a job in .gitlab-ci.yml needs.
const gitlabSnippet = "id_tokens: {OPENPUBKEY_JWT: {aud: \"" + pktoken.GQAudiencePrefix + "NAME\"}}"

var jobHints = map[pktoken.Reason]string{
	pktoken.ReasonTooLarge:      TooLargeHint,
	pktoken.ReasonNotYetValid:   "the issuer's clock is ahead of this computer's: set this computer's date and time",
	pktoken.ReasonExpired:       "log in right after the token is made, and check this computer's clock",
	pktoken.ReasonUnknownIssuer: "for an issuer of your own, get the token with --id-token-command or --id-token-file",
	pktoken.ReasonAudience: "choose the commitment as the audience ({commitment} in --id-token-command), or an audience that starts with " +
		pktoken.GQAudiencePrefix + ", in GitLab CI by " + gitlabSnippet,
	pktoken.ReasonAlgorithm:       "let the issuer sign with RS256: a GQ256 proof is made of no other signature",
	pktoken.ReasonKeysUnavailable: "check the network (a proxy is named by HTTPS_PROXY); the issuer's keys must be at its jwks_uri",
	pktoken.ReasonNoKey:           "the issuer signs with a key that it does not publish at its jwks_uri",
}
