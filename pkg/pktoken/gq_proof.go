package pktoken

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/subtle"
	"errors"
	"io"

	"opkssh/pkg/pktoken/gq"
)

// verifyGQ checks a proof that the provider signed the original header and this payload with RS256.
func (a *attempt) verifyGQ(ctx context.Context, token *signedHeader, payload64 string, refreshed bool) error {
	original64, _, err := stringMember(token.header, "kid")
	if err != nil {
		return rejectCause(ReasonMalformed, "kid of the GQ256 header", err)
	}
	_, original, err := decodeObject(original64)
	if err != nil {
		return rejectCause(ReasonMalformed, "kid of the GQ256 header: expected the original protected header", err)
	}
	if err := checkCritical(original); err != nil {
		return err
	}
	if original["alg"] != "RS256" {
		return mismatch(ReasonAlgorithm, "alg of the header that a GQ256 proof stands for", "RS256", describe(original["alg"]))
	}
	if err := a.allowTokenType(original, refreshed); err != nil {
		return err
	}
	jkt, _ := token.header["jkt"].(string)
	signed := []byte(original64 + "." + payload64)
	return a.withProviderKey(ctx, "RS256", original, func(key providerKey) error {
		want, err := thumbprint(key.jwk)
		if err != nil {
			return rejectCause(ReasonNoKey, "thumbprint", err)
		}
		if subtle.ConstantTimeCompare([]byte(jkt), []byte(want)) != 1 {
			return mismatch(ReasonSignature, "jkt is not the thumbprint of the provider's key", want, jkt)
		}
		if err := gq.Verify(key.public.(*rsa.PublicKey), token.signature, signed, token.signingInput(payload64)); err != nil {
			return rejectCause(ReasonSignature, "the proof of the provider's signature is false", err)
		}
		return nil
	})
}

// BindGQ is [ClientInstance.Bind] with the provider's RS256 signature replaced by a GQ256 proof, so that nobody who sees the
// PK token can use the ID token elsewhere. The proof is made with the key of keys that the ID token names. For
// [CommitmentGQ] the proof's header carries the commitment.
//
// The signature in jwt is overwritten, also when there is an error: whoever has it can be what the ID token says.
func (c *ClientInstance) BindGQ(jwt []byte, keys *JWKS, commitment Commitment) (*Token, error) {
	id, err := takeIDToken(jwt)
	if err != nil {
		return nil, rejectCause(ReasonMalformed, "ID token", err)
	}
	defer clear(id.signature)
	if id.header["alg"] != "RS256" {
		return nil, mismatch(ReasonAlgorithm, "alg of an ID token that a GQ256 proof is made of", "RS256", describe(id.header["alg"]))
	}
	kid, hasKeyID, err := stringMember(id.header, "kid")
	if err != nil {
		return nil, rejectCause(ReasonNoKey, "kid", err)
	}
	fitting := keys.candidates("RS256", kid, hasKeyID)
	if len(fitting) != 1 {
		return nil, mismatch(ReasonNoKey, "RS256 key of the ID token", "one", describe(len(fitting)))
	}
	jkt, err := thumbprint(fitting[0].jwk)
	if err != nil {
		return nil, err
	}
	header := map[string]any{"alg": AlgorithmGQ256, "jkt": jkt, "kid": id.protected64, "typ": "JWT"}
	if commitment == CommitmentGQ {
		header["cic"] = c.commitment
	}
	encoded, err := canonicalJSON(header)
	if err != nil {
		return nil, err
	}
	protected64 := base64url.EncodeToString(encoded)
	proof, err := proveGQ(c.random, fitting[0], id, protected64)
	if err != nil {
		return nil, rejectCause(ReasonSignature, "GQ256 proof", err)
	}
	return c.bind(id.payload64, protected64, proof)
}

// takeIDToken is parseIDToken with no copy left of the signature but the one in the result.
func takeIDToken(jwt []byte) (*idToken, error) {
	signature64 := jwt[bytes.LastIndexByte(jwt, '.')+1:]
	defer clear(signature64)
	id, err := parseIDToken(string(jwt[:len(jwt)-len(signature64)]))
	if err != nil {
		return nil, err
	}
	if bytes.ContainsAny(signature64, "\r\n") { // as in decodeBase64
		return nil, errors.New("base64url with a line break")
	}
	id.signature = make([]byte, base64url.DecodedLen(len(signature64)))
	n, err := base64url.Decode(id.signature, signature64)
	if err != nil {
		clear(id.signature)
		return nil, err
	}
	id.signature = id.signature[:n]
	return id, nil
}

func proveGQ(random io.Reader, key providerKey, id *idToken, protected64 string) ([]byte, error) {
	return gq.Prove(random, key.public.(*rsa.PublicKey), id.signature, id.signingInput(id.payload64), []byte(protected64+"."+id.payload64))
}
