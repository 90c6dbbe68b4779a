package plugin

import (
	"opkssh/internal/hostfiles"
	"opkssh/pkg/policy"
)

// Roles says what the files of a folder are for, as [Plugins.Judge] sorts them, and asks none. faults are files that could not be read.
// unusable, if it is not nil, denies every login.
func (p *Plugins) Roles(files []hostfiles.File, faults []error) (allowing, required []*policy.Plugin, unusable *policy.Denied) {
	all := p.parse(files, faults)
	return all.allowing, all.required, all.unusable
}
