//go:build linux

package installer

import (
	"os"
	"path"
	"slices"
	"strings"
)

// glob gives the files that an Include names, those that are planned among them, in sshd's order. The error is [path.ErrBadPattern]: glob(3)
// knows no such patterns.
func (r *sshdReader) glob(pattern string) ([]string, error) {
	if !path.IsAbs(pattern) {
		pattern = path.Join(sshFolder, pattern)
	}
	found := []string{"/"}
	for element := range strings.SplitSeq(path.Clean(pattern)[1:], "/") {
		var next []string
		for _, folder := range found {
			names, err := r.matches(folder, element)
			if err != nil {
				return nil, err
			}
			for _, name := range names {
				next = append(next, path.Join(folder, name))
			}
		}
		found = next
	}
	files := slices.DeleteFunc(found, func(file string) bool { return !r.isFile(file) })
	slices.Sort(files)
	return files, nil
}

// matches gives the names in a folder that an element of a pattern stands for.
func (r *sshdReader) matches(folder, element string) ([]string, error) {
	if !strings.ContainsAny(element, `*?[\`) {
		return []string{element}, nil
	}
	var matching []string
	for _, name := range r.names(folder) {
		ok, err := matchName(element, name)
		if err != nil {
			return nil, err
		}
		if ok {
			matching = append(matching, name)
		}
	}
	return matching, nil
}

// setsOfGo writes sets as package path has them: sshd's begin with ! where they name what does not match, and ^ is a character like others.
var setsOfGo = strings.NewReplacer(`\\`, `\\`, `\[`, `\[`, "[!", "[^", "[^", `[\^`)

// matchName is glob(3) for one name, as sshd calls it: no wildcard stands for a dot at the beginning.
func matchName(pattern, name string) (bool, error) {
	if strings.HasPrefix(name, ".") && !strings.HasPrefix(pattern, ".") {
		return false, nil
	}
	return path.Match(setsOfGo.Replace(pattern), name)
}

// names lists a folder, with what is planned there. One that cannot be looked into has nothing, as for sshd.
func (r *sshdReader) names(folder string) []string {
	var names []string
	if target, err := r.host.follow(folder); err == nil {
		entries, _ := os.ReadDir(target)
		for _, entry := range entries {
			names = append(names, entry.Name())
		}
	}
	for file := range r.planned {
		if below, ok := strings.CutPrefix(file, strings.TrimSuffix(folder, "/")+"/"); ok {
			name, _, _ := strings.Cut(below, "/")
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// isFile is whether sshd would read something there.
func (r *sshdReader) isFile(file string) bool {
	if _, ok := r.planned[file]; ok {
		return true
	}
	target, err := r.host.follow(file)
	if err != nil {
		return false
	}
	info, err := os.Stat(target)
	return err == nil && !info.IsDir()
}
