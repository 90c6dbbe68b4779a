package hostcli

import (
	"context"
	"os"

	"opkssh/internal/idp"
	"opkssh/internal/sandbox"
	"opkssh/pkg/sshauth"
)

// confine gives up what a verification does not need, for good, before anything looks at a token: from then on this process
// writes to the cache folder alone, connects to ports of providers alone, and starts no program. What takes a program, home
// rules and plugins, is asked of a [monitor], which is started where one may be needed. To look that up, in the user's home too,
// is what sshd itself does for each key that anybody offers.
//
// A host whose kernel cannot do all of that lets people in all the same: nobody is mistaken for somebody else by it.
// configuration may be nil. So may the monitor.
func confine(user string, source *hostSource, plugins *hostPlugins, configuration *sshauth.Configuration, cache *idp.Cache) *monitor {
	var beside *monitor
	if plugins.any() || source.config.HomePolicy && homeTakesProgram(user) {
		beside = startMonitor(monitorSetup{ConfigDir: source.folder, User: user})
		source.readHome, plugins.plugins.Runner = beside.readHome, beside
	}
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
	if err := sandbox.Enter(limits); err != nil {
		source.log.Warn("sandbox not complete", "detail", err.Error())
	}
	return beside
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
