package hostcli

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"opkssh/internal/plugin"
	"opkssh/pkg/pktoken"
	"opkssh/pkg/policy"
)

// pluginsTimeout is the most that plugins of both modes take.
const pluginsTimeout = 2*plugin.Timeout + 2*time.Second

// hostPlugins asks a host's plugins, outside the time that everything else has: implements [sshauth.Judge].
type hostPlugins struct {
	plugins plugin.Plugins
	alarm   *time.Timer
}

func newHostPlugins(folder string, config *policy.Config, arguments *verifyArguments, log *slog.Logger, alarm *time.Timer) *hostPlugins {
	return &hostPlugins{alarm: alarm, plugins: plugin.Plugins{
		Folder: pluginsFolder(folder),
		Config: config,
		SSHD:   plugin.SSHD{Key: arguments.key, KeyType: arguments.keyType, Further: arguments.furtherTokens},
		Log:    log,
	}}
}

// any is false where the host surely has none.
func (h *hostPlugins) any() bool {
	entries, err := os.ReadDir(h.plugins.Folder)
	return len(entries) > 0 || err != nil && !errors.Is(err, fs.ErrNotExist)
}

// Judge implements [sshauth.Judge].
func (h *hostPlugins) Judge(
	ctx context.Context, v *pktoken.Verified, r policy.Request, decision *policy.Decision, denied error,
) (*policy.Decision, error) {
	h.alarm.Reset(pluginsTimeout)
	defer h.alarm.Reset(verifyTimeout)
	// Each plugin has an end of its own.
	return h.plugins.Judge(context.WithoutCancel(ctx), v, r, decision, denied)
}
