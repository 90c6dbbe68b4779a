package login_test

import (
	"net/http"
	"net/url"
	"sync"
)

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// openIDDevice is how the provider's device flow behaves.
type openIDDevice struct {
	dropsNonce bool
	answer     func(members map[string]any) // changes the device authorization response
	refuse     func(w http.ResponseWriter) bool
	pending    []func(w http.ResponseWriter) // answers to the first token requests, in turn

	mu            sync.Mutex
	authorization url.Values // of the last device authorization request
	basicAuth     bool
	polls         int
}

func (d *openIDDevice) request() url.Values {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.authorization
}

func (d *openIDDevice) tokenRequests() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.polls
}

// tokenErrors are answers of the token endpoint.
func tokenErrors(codes ...string) []func(http.ResponseWriter) {
	var answers []func(http.ResponseWriter)
	for _, code := range codes {
		answers = append(answers, func(w http.ResponseWriter) {
			answerJSON(w, http.StatusBadRequest, map[string]any{"error": code})
		})
	}
	return answers
}

func (p *openIDProvider) serveDevice(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p.device.mu.Lock()
	p.device.authorization, p.device.basicAuth = r.PostForm, r.Header.Get("Authorization") != ""
	p.device.mu.Unlock()
	if p.device.refuse != nil && p.device.refuse(w) {
		return
	}
	if p.clientSecret(r) != p.secret {
		answerJSON(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		return
	}
	members := map[string]any{
		"device_code": "hush-device", "user_code": "WDJB-MJHT", "expires_in": 600, "interval": 7,
		"verification_uri": p.issuer.URL + "/enter", "verification_uri_complete": p.issuer.URL + "/enter?user_code=WDJB-MJHT",
	}
	if p.device.answer != nil {
		p.device.answer(members)
	}
	answerJSON(w, http.StatusOK, members)
}

// approved is whether the person has entered the code by now.
func (p *openIDProvider) approved(w http.ResponseWriter, r *http.Request) bool {
	p.device.mu.Lock()
	poll := p.device.polls
	p.device.polls++
	p.device.mu.Unlock()
	if r.PostForm.Get("device_code") != "hush-device" {
		answerJSON(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
		return false
	}
	if poll < len(p.device.pending) {
		p.device.pending[poll](w)
		return false
	}
	return true
}
