package login

import (
	"context"
	"errors"
	"io"
	"net/url"
	"strings"
)

// MaxPasted is the longest answer that makes sense, in bytes.
const MaxPasted = maxQuery

// notAnAnswer is for text that the person can be asked about again; everything else ends the login, as it does in the browser.
type notAnAnswer string

func (e notAnAnswer) Error() string { return string(e) }

// parsePasted takes what a person copied from the browser: the address on which it ended, whole or without its scheme, or the
// code alone, which code is then. redirectURI is where the browser should have ended.
func parsePasted(text string, redirectURI *url.URL) (query url.Values, code string, err error) {
	text = strings.Trim(strings.TrimSpace(text), `"'<>`)
	if strings.HasPrefix(text, redirectURI.Host) {
		text = redirectURI.Scheme + "://" + text // browsers hide it
	}
	switch {
	case text == "":
		return nil, "", notAnAnswer("nothing was pasted")
	case len(text) > MaxPasted:
		return nil, "", notAnAnswer("that is too long for an address")
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, "", notAnAnswer("that is neither an address nor a code")
	case !strings.Contains(text, "://") && !strings.Contains(text, "code=") && !strings.Contains(text, "state="):
		// In the address it was escaped. No code holds a percent sign of its own in practice.
		if unescaped, err := url.PathUnescape(text); err == nil {
			text = unescaped
		}
		return nil, text, nil
	}
	queryText := strings.TrimPrefix(text, "?")
	if strings.Contains(text, "://") {
		u, err := url.Parse(text)
		if err != nil {
			return nil, "", notAnAnswer("that is not an address")
		}
		if pageOf(u) != pageOf(redirectURI) {
			return nil, "", notAnAnswer("that is the address of another page: it has to start with " + redirectURI.String())
		}
		queryText = u.RawQuery
	}
	if query, err = url.ParseQuery(queryText); err != nil || !query.Has("state") || !query.Has("code") && !query.Has("error") {
		return nil, "", notAnAnswer("that is not the whole address: it has to hold state, and code or error")
	}
	return query, "", nil
}

// pageOf is an address without query and fragment, as browsers write it (RFC 3986 §6.2.2.1, §6.2.3).
func pageOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port + "/" + strings.TrimPrefix(u.Path, "/")
}

// waitForPaste takes the answer from the person, or from the loopback page if a port forwarded to it brings the browser there,
// whichever is first.
func (f *Flow) waitForPaste(ctx context.Context, callback *callbackPage, pageURL, redirectURI string, listening bool) (*Result, error) {
	back, err := url.Parse(redirectURI)
	if err != nil {
		return nil, &Error{Code: CodeConfiguration, Detail: "redirect URI", Err: err}
	}
	if f.ShowURL != nil {
		f.ShowURL(pageURL)
	}
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		ended <- f.readPasted(ctx, callback, back)
	}()
	defer func() {
		stop()
		<-reading // or the terminal stays as the reading needs it
	}()
	for {
		select {
		case outcome := <-callback.outcome:
			return outcome.result, outcome.err
		case err := <-ended:
			if e := (*Error)(nil); err != nil && (!listening || errors.As(err, &e)) {
				return nil, pasteError(err)
			}
			ended = nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// readPasted asks until there is an answer, and gives it to the callback page. The error says that nobody will answer here.
//
// A code alone comes without state and iss. State keeps an attacker's code out of our login (RFC 6749 §10.12), and so do PKCE,
// as that code was made for the attacker's verifier (RFC 7636, RFC 9700 §4.7.1), and the nonce, as its ID token commits to
// another key. Nothing does what iss does (RFC 9207): a provider that has sent the person on to another one gets that one's code.
func (f *Flow) readPasted(ctx context.Context, callback *callbackPage, redirectURI *url.URL) error {
	problem := ""
	for {
		text, err := f.Paste(ctx, problem)
		if err != nil {
			return err
		}
		query, code, err := parsePasted(text, redirectURI)
		if err != nil {
			problem = err.Error()
			continue
		}
		callback.pasted(query, code)
		return nil
	}
}

// pasted takes an answer that did not come through the browser.
func (c *callbackPage) pasted(query url.Values, code string) {
	if !c.answered.CompareAndSwap(false, true) {
		return
	}
	close(c.shown) // no browser waits for a page
	var o outcome
	if query != nil {
		o.result, o.err = c.take(query)
	} else {
		o.result, o.err = c.redeem(code)
	}
	c.outcome <- o
}

// pasteError is for a login that waits for nothing any more.
func pasteError(err error) error {
	if e := (*Error)(nil); errors.As(err, &e) {
		return err
	}
	e := &Error{Code: CodePaste, Detail: "the answer of the provider cannot be read", Err: err}
	if errors.Is(err, io.EOF) {
		e.Detail, e.Err = "the input ended before the answer of the provider", nil
		e.Hint = "paste the address on which the browser ended, or the code in it, and end it with Enter"
	}
	return e
}
