package idp

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"opkssh/pkg/pktoken"
)

const (
	userinfoPrefix  = "userinfo-"
	userinfoFresh   = 60 * time.Second
	userinfoBackOff = 10 * time.Second
	maxAccessToken  = 16 << 10
)

// Userinfo asks the provider's userinfo endpoint for claims (OpenID Connect Core §5.3). It fails unless their `sub` is
// subject, which must be the one of a verified ID token: an access token may be anybody's. Values are as in
// [pktoken.ParseObject].
//
// An answer serves all processes for 60 s; after a failure none asks again with this token for 10 s. The access token is in
// no file, error or log; answers are filed under a hash of it. Redirects are not followed. Signed answers (application/jwt)
// are not read. The request ends after Timeout. Errors are [*Error]; to a caller they mean that there are no further claims.
func (c *Cache) Userinfo(ctx context.Context, issuer, accessToken, subject string) (map[string]any, error) {
	if !isAccessToken(accessToken) {
		return nil, &Error{Reason: ReasonAccessToken, URL: issuer}
	}
	if err := CheckIssuer(issuer); err != nil {
		return nil, err
	}
	answer, err := c.userinfo(ctx, issuer, accessToken)
	if err != nil {
		return nil, err
	}
	claims, err := pktoken.ParseObject(answer)
	if err != nil {
		return nil, &Error{Reason: ReasonMalformed, URL: issuer, Detail: "userinfo", Err: err}
	}
	if got, ok := claims["sub"].(string); !ok || got == "" || got != subject {
		return nil, &Error{Reason: ReasonSubject, URL: issuer, Detail: mismatch(subject, got)}
	}
	return claims, nil
}

func (c *Cache) userinfo(ctx context.Context, issuer, accessToken string) ([]byte, error) {
	f := c.folder()
	if f == nil {
		return c.fetchUserinfo(ctx, issuer, accessToken)
	}
	defer f.close()
	// An issuer is a URL and has no NUL.
	name := fmt.Sprintf("%s%x", userinfoPrefix, sha256.Sum256([]byte(issuer+"\x00"+accessToken)))
	var answer []byte
	serve := func() bool {
		var at time.Time
		answer, at = f.userinfoAnswer(name)
		return answer != nil && recent(at, c.now(), userinfoFresh)
	}
	if serve() {
		return answer, nil
	}
	if c.Offline {
		return nil, &Error{Reason: ReasonNetwork, URL: issuer, Detail: "userinfo is not asked, to stay offline"}
	}
	waiting, cancel := context.WithTimeout(ctx, 2*c.timeout())
	defer cancel()
	unlock, _, err := f.lock(waiting, name, serve)
	switch {
	case err == nil && unlock == nil:
		return answer, nil
	case err != nil && waiting.Err() != nil:
		return nil, lockError(issuer, err)
	case err != nil:
		c.warnFolder(err)
		return c.fetchUserinfo(ctx, issuer, accessToken)
	}
	defer unlock()
	if serve() {
		return answer, nil
	}
	if recent(f.lastAttempt(name), c.now(), userinfoBackOff) {
		return nil, &Error{Reason: ReasonBusy, URL: issuer, Detail: "userinfo was asked a moment ago, in vain"}
	}
	// After a failure too: whoever has a token for a host can offer it with any number of access tokens, each of which leaves files.
	defer c.sweepUserinfo(f)
	attemptErr := f.recordAttempt(name, c.now())
	at := c.now()
	answer, err = c.fetchUserinfo(ctx, issuer, accessToken)
	if err != nil {
		return nil, err
	}
	data, err := encodeFile(map[string]any{"fetched_at": at.UTC().Format(time.RFC3339Nano), "claims": string(answer)})
	if err == nil {
		err = f.write(name+".json", data)
	}
	if err == nil {
		err = attemptErr
	}
	if err != nil {
		c.warnFolder(err)
	}
	return answer, nil
}

// userinfoAnswer is nil where there is none to read.
func (f *folder) userinfoAnswer(name string) ([]byte, time.Time) {
	data, err := f.read(name + ".json")
	if err != nil {
		return nil, time.Time{}
	}
	return parseUserinfoFile(data)
}

func parseUserinfoFile(data []byte) ([]byte, time.Time) {
	object, err := pktoken.ParseObject(data)
	if err != nil {
		return nil, time.Time{}
	}
	claims, _ := object["claims"].(string)
	written, _ := object["fetched_at"].(string)
	at, err := time.Parse(time.RFC3339Nano, written)
	if err != nil || claims == "" {
		return nil, time.Time{}
	}
	return []byte(claims), at
}

func (c *Cache) fetchUserinfo(ctx context.Context, issuer, accessToken string) ([]byte, error) {
	metadata, err := c.Discover(ctx, issuer)
	if err != nil {
		return nil, err
	}
	if metadata.UserinfoEndpoint == "" {
		return nil, &Error{Reason: ReasonEndpoint, URL: issuer, Detail: "no userinfo_endpoint"}
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout())
	defer cancel()
	client, err := c.Network.Client(issuer)
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	answer, _, err := getAnswer(ctx, client, metadata.UserinfoEndpoint, accessToken, checkUserinfoType)
	if err != nil {
		return nil, err
	}
	// What is not an object is not kept.
	if _, err := pktoken.ParseObject(answer); err != nil {
		return nil, &Error{Reason: ReasonMalformed, URL: metadata.UserinfoEndpoint, Err: err}
	}
	return answer, nil
}

func checkUserinfoType(mediaType string) error {
	switch mediaType {
	case "application/json":
		return nil
	case "application/jwt":
		return errors.New("expected application/json, got a signed answer (application/jwt), which is not supported")
	}
	return errors.New(mismatch("application/json", mediaType))
}

// isAccessToken is the b64token of RFC 6750 §2.1, so that it is one header value.
func isAccessToken(s string) bool {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/"
	token := strings.TrimRight(s, "=")
	return token != "" && len(s) <= maxAccessToken && strings.Trim(token, alphabet) == ""
}

// sweepUserinfo removes what earlier logins left, once a minute at most. A lock that is removed while it is held costs a
// second request.
func (c *Cache) sweepUserinfo(f *folder) {
	const sweeping = "userinfo"
	if now := c.now(); recent(f.lastAttempt(sweeping), now, userinfoFresh) || f.recordAttempt(sweeping, now) != nil {
		return
	}
	names, err := f.names()
	if err != nil {
		return
	}
	for _, name := range names {
		if !strings.HasPrefix(name, userinfoPrefix) {
			continue
		}
		// The file system has its own clock, and it is not c.Now.
		if info, err := f.root.Lstat(name); err == nil && time.Since(info.ModTime()).Abs() > userinfoFresh {
			_ = f.root.Remove(name)
		}
	}
}
