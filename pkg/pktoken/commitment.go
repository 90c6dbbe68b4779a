package pktoken

import (
	"context"
	"crypto/subtle"
)

func (a *attempt) checkCommitment(context.Context) error {
	want := a.token.Commitment()
	var got any
	switch a.row.Commitment {
	case CommitmentNonce:
		got = a.token.claims["nonce"]
	case CommitmentAudience:
		got = a.token.claims["aud"]
		if list, ok := got.([]any); ok && a.row.AllowAudienceArray && len(list) == 1 {
			got = list[0]
		}
	case CommitmentGQ:
		got = a.token.provider.header["cic"]
	case CommitmentKeyBinding:
		return a.checkKeyBinding(a.token.claims)
	default:
		return reject(ReasonCommitment, "unknown kind of commitment")
	}
	s, ok := got.(string)
	if !ok || subtle.ConstantTimeCompare([]byte(s), []byte(want)) != 1 {
		return mismatch(ReasonCommitment, "commitment in "+a.row.Commitment.String(), want, describe(got))
	}
	return nil
}

// checkKeyBinding compares cnf.jwk (RFC 7800 §3.2) with the user's key by thumbprint.
func (a *attempt) checkKeyBinding(claims map[string]any) error {
	cnf, _ := claims["cnf"].(map[string]any)
	bound, ok := cnf["jwk"].(map[string]any)
	if !ok {
		return reject(ReasonCommitment, "no key in cnf.jwk")
	}
	if _, err := publicKeyFor(bound, a.user.alg); err != nil {
		return rejectCause(ReasonCommitment, "cnf.jwk", err)
	}
	got, err := thumbprint(bound)
	if err != nil {
		return rejectCause(ReasonCommitment, "cnf.jwk", err)
	}
	want, err := thumbprint(a.user.jwk)
	if err != nil {
		return rejectCause(ReasonCommitment, "upk", err)
	}
	if subtle.ConstantTimeCompare([]byte(got), []byte(want)) != 1 {
		return mismatch(ReasonCommitment, "thumbprint of cnf.jwk", want, got)
	}
	return nil
}
