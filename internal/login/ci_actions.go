package login

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"opkssh/internal/idp"
)

// actionsEndpoint makes ID tokens for jobs of GitHub Actions and Forgejo Actions.
type actionsEndpoint struct {
	endpoint *url.URL
	token    string // the job's request token, a secret
	network  idp.Network
	hint     string
}

// IDToken implements [IDTokenSource] with the commitment as the audience.
func (a *actionsEndpoint) IDToken(ctx context.Context, commitment string) ([]byte, error) {
	// Both systems give a URL with a query. What is in it stays as it is, since its meaning is theirs.
	at := *a.endpoint
	if at.RawQuery != "" {
		at.RawQuery += "&"
	}
	at.RawQuery += "audience=" + url.QueryEscape(commitment)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, a.fail("no request")
	}
	request.Header.Set("Authorization", "bearer "+a.token)
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "opkssh")
	client, err := a.network.Client(a.endpoint.String())
	if err != nil {
		return nil, noClient(CodeCI, err)
	}
	defer client.CloseIdleConnections()
	// With a redirect the request token would go along.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	answer, err := client.Do(request)
	if err != nil {
		return nil, a.networkError(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		e := a.fail(fmt.Sprintf("expected status 200, got %d", answer.StatusCode))
		if answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden {
			e.Hint = a.hint
		}
		return nil, e
	}
	body, err := readSecret(answer.Body)
	defer clear(body)
	if err != nil {
		return nil, a.networkError(err)
	}
	return a.value(body)
}

// value takes the JWT out of {"value": JWT}, and keeps no other copy of it. Errors of package json can quote the text.
func (a *actionsEndpoint) value(body []byte) ([]byte, error) {
	var answer map[string]json.RawMessage
	if json.Unmarshal(body, &answer) != nil {
		return nil, a.fail("the answer is not a JSON object")
	}
	defer func() {
		for _, raw := range answer {
			clear(raw)
		}
	}()
	value, quoted := bytes.CutPrefix(answer["value"], []byte(`"`))
	value, closed := bytes.CutSuffix(value, []byte(`"`))
	if !quoted || !closed || len(value) == 0 || bytes.IndexByte(value, '\\') >= 0 {
		return nil, a.fail("the answer has no ID token in its member value")
	}
	return bytes.Clone(value), nil
}

func (a *actionsEndpoint) fail(detail string) *Error {
	return &Error{Code: CodeCI, Detail: "ID token from " + printable(a.endpoint.Host, maxErrorText) + ": " + detail}
}

// networkError leaves out the URL, which http repeats.
func (a *actionsEndpoint) networkError(err error) error {
	e := a.fail("no answer")
	e.Hint = "check the network (a proxy is named by HTTPS_PROXY)"
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		e.Detail, e.Hint = a.fail(fmt.Sprintf("the answer has more than %d bytes", tooLarge.Limit)).Detail, ""
		return e
	}
	e.Err = err
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		e.Err = wrapped.Err
	}
	return e
}

// maxIDToken is far above what a certificate has room for.
const maxIDToken = 1 << 20

var errTooLarge = fmt.Errorf("expected at most %d bytes, got more", maxIDToken)

// readSecret reads to the end, and leaves no copy behind in buffers that were too small.
func readSecret(from io.Reader) ([]byte, error) {
	buffer := make([]byte, 0, 16<<10)
	for {
		if len(buffer) > maxIDToken {
			clear(buffer)
			return nil, errTooLarge
		}
		if len(buffer) == cap(buffer) {
			larger := make([]byte, len(buffer), 2*cap(buffer))
			copy(larger, buffer)
			clear(buffer)
			buffer = larger
		}
		n, err := from.Read(buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+n]
		if errors.Is(err, io.EOF) {
			return buffer, nil
		}
		if err != nil {
			clear(buffer)
			return nil, err
		}
	}
}
