package usercli

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"opkssh/internal/userkeys"
)

// logout removes the keys of the selection. A file that was named, and that is somebody's own, is an error. The report says
// what was done beside the error. One place that cannot be read or cleaned is no reason to leave the others. Private keys in files are worth the
// most, and go first; an agent may not answer for long, and comes last.
func logout(ctx context.Context, t *terminal, s keySelection) (*logoutReport, error) {
	report := &logoutReport{Removed: []string{}, FromAgent: []agentKey{}, Kept: []keptFile{}}
	match, unknown, err := s.find(t)
	if err != nil {
		return report, err
	}
	inFiles, err := keysInFiles(s.file)
	report.failed(err)
	list, rest := divide(inFiles, match)
	inAgent, others := divide(list, func(id userkeys.Identity) bool {
		return id.Mark.InAgent && !id.HasKeyFile && !id.AgentDropped(time.Now())
	})
	if s.file == "" || len(inAgent) == 0 {
		report.removeFiles(s, others)
	}
	tokens := sync.OnceValues(refreshTokens) // a keychain that failed is not asked again
	errForget := report.forget(tokens, s, list, rest)
	if s.file != "" && len(list) == 0 {
		report.failed(errForget)
		return report, errors.Join(report.errs...)
	}
	if s.file != "" {
		match = func(userkeys.Identity) bool { return false }
	}
	alsoInAgent, _ := divide(list, func(id userkeys.Identity) bool { return id.Mark.AlsoInAgent && !id.AgentDropped(time.Now()) })
	gone, alone, err := agentLogout{inFiles, list, inAgent, alsoInAgent, match, s}.run(ctx, t, report)
	report.failed(err)
	if len(list)+len(alone) == 0 && unknown != nil {
		return report, errors.Join(append([]error{unknown}, report.errs...)...)
	}
	if len(gone) > 0 {
		report.removeFiles(s, gone)
	}
	if len(alone) > 0 {
		report.Unseen = nil // one of these keys may be what was not seen
		errForget = report.forget(tokens, s, slices.Concat(list, alone), rest)
	}
	report.failed(errForget)
	return report, errors.Join(report.errs...)
}

// failed notes an error, and once what stops several steps.
func (r *logoutReport) failed(err error) {
	if err != nil && !slices.ContainsFunc(r.errs, func(before error) bool { return before.Error() == err.Error() }) {
		r.errs = append(r.errs, err)
	}
}

// divide keeps the order.
func divide(list []userkeys.Identity, match func(userkeys.Identity) bool) (matching, rest []userkeys.Identity) {
	for _, id := range list {
		if match(id) {
			matching = append(matching, id)
		} else {
			rest = append(rest, id)
		}
	}
	return matching, rest
}

// removeFiles goes on after an error, and removes what interrupted logins left behind, too, if every key is to go. A file that was named is
// removed without being in the list: it may be somebody's own, which is an error.
func (r *logoutReport) removeFiles(s keySelection, list []userkeys.Identity) {
	if s.file != "" {
		removed, err := userkeys.At(s.file).Remove()
		r.Removed = append(r.Removed, removed...)
		r.failed(err)
		list = nil
	}
	folder, err := keyFolder()
	if err != nil {
		if s.file == "" {
			r.failed(err)
		}
		return
	}
	for _, id := range list {
		removed, err := id.Pair.Remove()
		r.Removed = append(r.Removed, removed...)
		var foreign *userkeys.ForeignError
		if errors.As(err, &foreign) {
			r.Kept = append(r.Kept, keptFile{foreign.File, foreign.Detail})
		} else {
			r.failed(err)
		}
	}
	if s.alias == "" && s.file == "" {
		removed, err := userkeys.RemoveUnfinished(folder)
		r.Removed = append(r.Removed, removed...)
		r.failed(err)
	}
	if userkeys.Configured(folder) {
		_, err = userkeys.UpdateFolderConfig(folder, time.Now())
		r.failed(err)
	}
}
