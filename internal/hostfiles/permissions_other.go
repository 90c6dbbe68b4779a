//go:build !unix

package hostfiles

func (l *Layout) walk(bool, bool) []Change {
	return []Change{{Path: l.ConfigDir, Problem: "owners and modes are known on Unix alone"}}
}
