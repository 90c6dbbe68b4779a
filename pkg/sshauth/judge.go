package sshauth

import (
	"context"
	"errors"

	"opkssh/pkg/pktoken"
	"opkssh/pkg/policy"
)

// Judge has the last word on a login, such as a host's policy plugins. It is not asked where an entry of a deny list decides.
type Judge interface {
	// Judge gets what the rules have decided: a decision, or the error denied because no rule lets the person in. It returns a
	// decision or an error of its own, best a [*policy.Denied], or hands on what it got.
	Judge(ctx context.Context, v *pktoken.Verified, r policy.Request, decision *policy.Decision, denied error) (*policy.Decision, error)
}

// decide asks the rules and then the judge.
func (a *Authenticator) decide(ctx context.Context, c *Configuration, v *pktoken.Verified, r policy.Request) (*policy.Decision, error) {
	decision, err := c.decide(ctx, v, r)
	var denied *policy.Denied
	if a.Judge == nil || err != nil && (!errors.As(err, &denied) || !ruleMayHelp(denied.Reason)) {
		return decision, err
	}
	decision, err = a.Judge.Judge(ctx, v, r, decision, err)
	if err == nil && decision == nil {
		return nil, errors.New("the judge has not decided")
	}
	return decision, err
}
