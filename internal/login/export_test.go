package login

import (
	"context"
	"net/url"
	"time"
)

// SetPause replaces the clock between two questions to the token endpoint.
func (f *Flow) SetPause(pause func(ctx context.Context, d time.Duration) error) { f.pause = pause }

// ParsePasted is for fuzzing.
func ParsePasted(text string, redirectURI *url.URL) (query url.Values, code string, err error) {
	return parsePasted(text, redirectURI)
}
