package login

import (
	"context"
	"net/url"
	"time"

	"opkssh/internal/idp"
	"opkssh/pkg/pktoken"
)

// SetPause replaces the clock between two questions to the token endpoint.
func (f *Flow) SetPause(pause func(ctx context.Context, d time.Duration) error) { f.pause = pause }

// ParsePasted is for fuzzing.
func ParsePasted(text string, redirectURI *url.URL) (query url.Values, code string, err error) {
	return parsePasted(text, redirectURI)
}

// ReadDeviceAnswer is for fuzzing: what the device authorization endpoint's answer means, with its interval.
func ReadDeviceAnswer(status int, members map[string]any, asked time.Time) (DeviceCode, time.Duration, error) {
	if status != 200 {
		return DeviceCode{}, 0, deviceRefusal(status, members)
	}
	a, err := readDeviceAuthorization(members, asked)
	if err != nil {
		return DeviceCode{}, 0, err
	}
	return a.DeviceCode, a.interval, nil
}

// Redeem is for fuzzing: the token request alone, and what is made of its answer.
func (f *Flow) Redeem(ctx context.Context, client *pktoken.ClientInstance, tokenEndpoint string) (*Result, error) {
	request := f.authorizationRequest(&idp.Metadata{TokenEndpoint: tokenEndpoint}, nil, "http://localhost:3000/")
	answer, err := f.redeem(ctx, request, nil, "code", "verifier")
	if err != nil {
		return nil, err
	}
	return f.accept(ctx, client, answer)
}

// ActionsValue is for fuzzing: the ID token in the answer that a runner of GitHub Actions gives.
func ActionsValue(body []byte) ([]byte, error) {
	return (&actionsEndpoint{endpoint: &url.URL{Host: "runner.actions.githubusercontent.com"}}).value(body)
}

// TakeAnswer is for fuzzing: what the callback page makes of a query, with redeem for a code that it takes.
func TakeAnswer(query url.Values, state, issuer string, issuerRequired bool, redeem func(code string) (*Result, error)) (*Result, error) {
	page := &callbackPage{state: state, issuer: issuer, issuerRequired: issuerRequired, redeem: redeem}
	return page.take(query)
}
