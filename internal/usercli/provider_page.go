package usercli

import (
	"context"
	"os"

	"opkssh/internal/idp"
	"opkssh/internal/login"
)

// choosesInBrowser is whether the provider is chosen on a page in the browser, where the login goes on then. It takes somebody
// who is about to look at a browser here: not a job, nor anybody who wants no browser opened.
func choosesInBrowser(t *terminal, config *login.Config, o *loginOptions) bool {
	kind := login.FlowKind(o.flow)
	if kind == "" {
		kind = config.Flow
	}
	switch {
	case o.noBrowser || len(login.CISystems(os.Getenv, idp.Network{})) > 0:
		return false
	case kind == "" || kind == login.FlowAuto:
		return surroundings(t).BrowserHere()
	}
	return kind == login.FlowBrowser
}

// chooseInBrowser leaves the page open: the login goes on in it. Where no browser starts, somebody at a terminal is asked there.
func chooseInBrowser(ctx context.Context, t *terminal, providers []login.Provider, o *loginOptions) (login.Provider, error) {
	page, err := login.OpenChooserPage(providers)
	if err != nil {
		return login.Provider{}, err
	}
	o.chooser = page
	t.note("choose a provider in the browser; if none opens, open this page in one on this computer:")
	t.unlogged("%s", page.URL())
	if err := (login.Browser{Getenv: os.Getenv}).Open(page.URL()); err != nil {
		t.detail("no browser was started: %v", err)
		if t.interactive() {
			page.Close(nil)
			o.chooser = nil
			return askForProvider(ctx, t, providers)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	return page.Chosen(ctx)
}

// goOnFromChooser lets the browser in which the provider was chosen go on to its page, and opens no other one.
func goOnFromChooser(t *terminal, flow *login.Flow, chooser *login.ChooserPage) {
	switch {
	case chooser == nil:
	case flow.Kind != login.FlowBrowser:
		chooser.Leave()
	default:
		flow.OpenBrowser = func(page string) error {
			chooser.GoOn(page)
			return nil
		}
		flow.ShowURL = func(page string) {
			t.note("log in in the browser, which goes on to this page:")
			t.unlogged("%s", page)
		}
	}
}

// endChoice closes the page on which the provider was chosen, if it is open, and passes on how the login ended.
func (o *loginOptions) endChoice(err error) error {
	if o.chooser != nil {
		o.chooser.Close(err)
		o.chooser = nil
	}
	return err
}
