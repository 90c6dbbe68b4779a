package hostcli

import (
	"context"
	"log/slog"
	"os"

	"opkssh/internal/idp"
	"opkssh/internal/sandbox"
	"opkssh/pkg/policy"
	"opkssh/pkg/sshauth"
)

// confinement is how a verification gives up what it does not need, before anything looks at a token: from then on this process
// writes to the cache folder alone, connects to ports of providers alone, and starts no program. What takes a program, home
// rules and plugins, is asked of a [monitor].
//
// A host whose kernel cannot do all of that lets people in all the same: nobody is mistaken for somebody else by it.
type confinement struct {
	monitor *monitor // nil where nothing can take a program
}

// newConfinement starts the monitor, which takes a moment.
func newConfinement(config *policy.Config, user string, source *hostSource, plugins *hostPlugins) *confinement {
	c := &confinement{}
	if config.HomePolicy || plugins.any() {
		c.monitor = startMonitor(monitorSetup{ConfigDir: source.folder, User: user})
		source.readHome, plugins.plugins.Runner = c.monitor.readHome, c.monitor
	}
	return c
}

// enter is for good. configuration may be nil.
func (c *confinement) enter(configuration *sshauth.Configuration, cache *idp.Cache, log *slog.Logger) {
	var issuers []string
	if configuration != nil {
		for _, p := range configuration.Providers {
			issuers = append(issuers, p.Issuer)
		}
	}
	limits := sandbox.Limits{Connect: cache.Network.Ports(issuers)}
	// Nobody can make the folder later on. Whether it can be used is the cache's to say.
	_ = os.MkdirAll(cache.Dir, 0o700)
	if info, err := os.Lstat(cache.Dir); err == nil && info.IsDir() {
		limits.Write = []string{cache.Dir}
	}
	if c.monitor != nil {
		<-c.monitor.started
	}
	if err := sandbox.Enter(limits); err != nil {
		log.Warn("sandbox not complete", "detail", err.Error())
	}
}

// readSource is a configuration that has been read: implements [sshauth.Source].
type readSource struct {
	configuration *sshauth.Configuration
	err           error
}

// Configuration implements [sshauth.Source].
func (s *readSource) Configuration(context.Context, string) (*sshauth.Configuration, error) {
	return s.configuration, s.err
}
