package usercli

import (
	"context"
	"crypto"
	"fmt"
	"net/url"
	"os"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"opkssh/internal/login"
)

// flowFlag adds --flow.
func flowFlag(c *cobra.Command, o *loginOptions) {
	c.Flags().StringVar(&o.flow, "flow", "",
		"how to log in: `KIND` is auto, browser (on this computer), paste (carry the answer over) or device (enter a code elsewhere)\n"+
			"(default flow of the provider, else auto)")
	// It fails for a flag that is not there alone.
	_ = c.RegisterFlagCompletionFunc("flow", cobra.FixedCompletions([]string{"auto", "browser", "paste", "device"}, cobra.ShellCompDirectiveNoFileComp))
}

// checkFlow reads --flow.
func (o *loginOptions) checkFlow() error {
	if o.flow == "" {
		return nil
	}
	if _, err := login.ParseFlowKind(o.flow); err != nil {
		return wrongUsage(fmt.Errorf("--flow: %w", err))
	}
	return nil
}

// personFlow is loginFlow in the way that works here, for a person who logs in with key.
func personFlow(ctx context.Context, t *terminal, provider login.Provider, o *loginOptions, key crypto.Signer) *login.Flow {
	flow := loginFlow(t, provider, o)
	flow.UserKey = key
	flow.Memory.Dir = cacheFolder(t)
	here := surroundings(t)
	flow.Kind = flowKind(ctx, flow, here, o)
	t.detail("flow %s", flow.Kind)
	goOnFromChooser(t, flow, o.chooser)
	if here.SSHSession() {
		flow.ShowRedirect = func(redirectURI string) { showForward(t, redirectURI) }
	}
	switch flow.Kind {
	case login.FlowPaste:
		flow.ShowURL = func(page string) { showPastePage(t, page) }
		flow.Paste = newPasteInput(t).read
	case login.FlowDevice:
		flow.ShowDevice = func(code login.DeviceCode) { showDeviceCode(t, code) }
	}
	return flow
}

func surroundings(t *terminal) login.Surroundings {
	return login.Surroundings{
		Getenv:   os.Getenv,
		OS:       runtime.GOOS,
		Terminal: t.interactive() && isTerminal(t.err),
		WSL:      login.Browser{Getenv: os.Getenv}.InWSL(),
	}
}

// flowKind is --flow, else the provider's, else what suits here. --disable-browser-open alone means what it meant when there
// was one flow.
func flowKind(ctx context.Context, flow *login.Flow, here login.Surroundings, o *loginOptions) login.FlowKind {
	kind := login.FlowKind(o.flow)
	if kind == "" {
		kind = flow.Provider.Flow
	}
	switch {
	case kind != "" && kind != login.FlowAuto:
		return kind
	case o.noBrowser:
		return login.FlowBrowser
	}
	return login.ChooseFlow(here, func() bool {
		if !flow.Provider.KeyBinding {
			return flow.Memory.Nonce(flow.Provider) == login.NonceReturned
		}
		metadata, err := flow.Discovery.Discover(ctx, flow.Provider.Issuer)
		return err == nil && metadata.DeviceAuthorizationEndpoint != ""
	})
}

// showForward is for somebody whose browser is at the near end of an ssh connection.
func showForward(t *terminal, redirectURI string) {
	u, err := url.Parse(redirectURI)
	if err != nil || u.Port() == "" {
		return
	}
	t.note("this is an ssh session: your browser finds its way back here by itself while this runs on your own computer:")
	t.note("  ssh -N -L %s:%s USER@HOST", u.Port(), u.Host)
}

// showPastePage says what to do before the answer can be pasted.
func showPastePage(t *terminal, page string) {
	t.note("open this page in a browser, on any computer, and log in:")
	t.unlogged("%s", page)
	back := "another address"
	if u, err := url.Parse(page); err == nil && u.Query().Get("redirect_uri") != "" {
		back = u.Query().Get("redirect_uri")
	}
	t.note("the browser ends on %s?..., and may say that it cannot open it", strings.TrimSuffix(back, "?"))
}
