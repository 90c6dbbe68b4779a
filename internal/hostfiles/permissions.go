package hostfiles

// Layout is what a host's files should be like. Files of the host belong to root, are written by nobody else, and can be read by the user that sshd
// runs the verifier as; the cache is that user's alone.
type Layout struct {
	ConfigDir string   // such as /etc/opk
	CacheDir  string   // such as /var/cache/opkssh
	LogFile   string   // where config.yml says that the log goes to a file, else ""
	User      *Account // that sshd runs the verifier as
}

// ChangeKind says what a [Change] is about.
type ChangeKind string

// The kinds of change.
const (
	ChangeOwner  ChangeKind = "owner"
	ChangeGroup  ChangeKind = "group"
	ChangeMode   ChangeKind = "mode"
	ChangeCreate ChangeKind = "create"
	ChangeRemove ChangeKind = "remove" // a file of the cache that is not its user's: the provider is asked again
)

// Change is one thing that is not as it should be.
type Change struct {
	Path     string
	Kind     ChangeKind
	From, To string // as ls(1) shows them: "uid 1000", "0664"; From is empty for what is missing
	// Suspect: somebody else than root could write it until now. What it says was perhaps not written by root.
	Suspect bool
	// Problem says why this is not done by program, or why it failed; what to do then is in Hint, if that is known.
	Problem string
	Hint    string
}

// Plan gives what differs from the layout; with create, also what is missing and can be made: folders, and the log file. It
// changes nothing.
func (l *Layout) Plan(create bool) []Change { return l.walk(create, false) }

// Apply does what [Layout.Plan] says, and gives what it did, and what it could not do. It works on files that it has opened and
// looked at, follows no symbolic link that somebody else than root could have made, and gives nobody a file with several names. In the place
// of a file of the configuration folder that somebody else could write it puts a copy, since they may have it open. It does not do that to
// the log, which other programs have open, nor to a folder, where each access is asked for anew.
func (l *Layout) Apply(create bool) []Change { return l.walk(create, true) }
