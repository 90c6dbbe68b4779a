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
// what was done until the error. One place that cannot be cleaned is no reason to leave the others. Private keys in files are worth the
// most, and go first; an agent may not answer for long, and comes last.
func logout(ctx context.Context, t *terminal, s keySelection) (*logoutReport, error) {
	report := &logoutReport{Removed: []string{}, FromAgent: []agentKey{}, Kept: []keptFile{}}
	inFiles, err := keysInFiles(s.file)
	if err != nil {
		return report, err
	}
	match, unknown, err := s.find(t)
	if err != nil {
		return report, err
	}
	list, rest := divide(inFiles, match)
	inAgent, others := divide(list, func(id userkeys.Identity) bool { return id.Mark.InAgent && !id.HasKeyFile && !id.Expired(time.Now()) })
	var errs []error
	if s.file == "" || len(inAgent) == 0 {
		errs = append(errs, report.removeFiles(s, others))
	}
	tokens := sync.OnceValues(refreshTokens) // a keychain that failed is not asked again
	errForget := report.forget(tokens, s, list, rest)
	if s.file != "" && len(list) == 0 {
		return report, errors.Join(append(errs, errForget)...)
	}
	if s.file != "" {
		match = func(userkeys.Identity) bool { return false }
	}
	gone, alone, err := agentLogout{inFiles, list, inAgent, match}.run(ctx, t, report)
	if len(list)+len(alone) == 0 && unknown != nil {
		return report, errors.Join(unknown, err)
	}
	errs = append(errs, err)
	if len(gone) > 0 {
		errs = append(errs, report.removeFiles(s, gone))
	}
	if len(alone) > 0 {
		report.Unseen = nil // one of these keys may be what was not seen
		errForget = report.forget(tokens, s, slices.Concat(list, alone), rest)
	}
	return report, errors.Join(append(errs, errForget)...)
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
func (r *logoutReport) removeFiles(s keySelection, list []userkeys.Identity) error {
	if s.file != "" {
		removed, err := userkeys.At(s.file).Remove()
		r.Removed = append(r.Removed, removed...)
		return err
	}
	var errs []error
	for _, id := range list {
		removed, err := id.Pair.Remove()
		r.Removed = append(r.Removed, removed...)
		var foreign *userkeys.ForeignError
		if errors.As(err, &foreign) {
			r.Kept = append(r.Kept, keptFile{foreign.File, foreign.Detail})
		} else {
			errs = append(errs, err)
		}
	}
	folder, err := keyFolder()
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	if s.alias == "" {
		removed, err := userkeys.RemoveUnfinished(folder)
		r.Removed = append(r.Removed, removed...)
		errs = append(errs, err)
	}
	if userkeys.Configured(folder) {
		_, err = userkeys.UpdateFolderConfig(folder, time.Now())
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
