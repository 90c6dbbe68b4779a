package idp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"syscall"
)

// getAnswer makes a GET request and reads an answer of status 200 whole. bearer is an access token, or empty.
func getAnswer(ctx context.Context, client *http.Client, from, bearer string, checkType func(mediaType string) error) ([]byte, http.Header, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, nil, &Error{Reason: ReasonEndpoint, URL: from, Detail: "not a URL"}
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "opkssh")
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, nil, networkError(from, err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, nil, &Error{Reason: ReasonStatus, URL: from, Detail: fmt.Sprintf("expected 200, got %d", answer.StatusCode)}
	}
	mediaType := ""
	if header := answer.Header.Get("Content-Type"); header != "" {
		if mediaType, _, err = mime.ParseMediaType(header); err != nil {
			return nil, nil, &Error{Reason: ReasonContentType, URL: from, Detail: fmt.Sprintf("got %+q", shorten(header))}
		}
	}
	if err := checkType(mediaType); err != nil {
		return nil, nil, &Error{Reason: ReasonContentType, URL: from, Err: err}
	}
	body, err := io.ReadAll(answer.Body)
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, nil, &Error{Reason: ReasonTooLarge, URL: from, Detail: fmt.Sprintf("more than %d bytes", tooLarge.Limit)}
	}
	if err == nil {
		// Out of time, the body may also end as if it were whole.
		err = ctx.Err()
	}
	if err != nil {
		return nil, nil, networkError(from, err)
	}
	return body, answer.Header, nil
}

func networkError(from string, err error) error {
	if own := (*Error)(nil); errors.As(err, &own) {
		return own
	}
	// The text of a *url.Error repeats the URL, and after a redirect that is text of the provider's.
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	e := &Error{Reason: ReasonNetwork, URL: from, Err: err}
	if errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM) {
		// Nothing that a look at the network or the provider would find.
		e.Detail = "this system forbids the connection: a firewall, or at a login the verifier's sandbox, which allows port 443 and those of issuers and the proxy"
	}
	return e
}

// checkDocumentType is lenient where real providers differ (static storage says text/plain or nothing), since the parser is
// strict. HTML gets words of its own: it is the login page or the proxy's notice.
func checkDocumentType(mediaType string) error {
	switch {
	case mediaType == "", mediaType == "application/json", mediaType == "text/plain",
		mediaType == "application/octet-stream", mediaType == "binary/octet-stream",
		strings.HasPrefix(mediaType, "application/") && strings.HasSuffix(mediaType, "+json"):
		return nil
	case mediaType == "text/html", mediaType == "application/xhtml+xml":
		return errors.New("expected JSON, got an HTML page, as from a login form or an intercepting proxy")
	}
	return fmt.Errorf("expected JSON, got %+q", shorten(mediaType))
}
