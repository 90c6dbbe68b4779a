package hostcli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// hostPlace is where a login or verifier test looks for files of one kind: at a name, or for those in a folder that end in suffix.
type hostPlace struct{ name, folder, suffix, kind string }

var hostPlaces = []hostPlace{
	{"config.yml", "", "", "config"},
	{"providers", "providers.d", ".conf", "providers"},
	{"auth_id", "auth_id.d", ".conf", "auth_id"},
	{"", "policy.d", ".yml", "policy.d"},
	{"tests.yml", "", "", "tests"},
}

// unreadName is a file or folder that nothing reads, because its name is another than it seems to be meant for.
type unreadName struct{ path, detail, hint string }

// unreadNames looks for those: a deny list in config.yaml denies nobody, and nobody hears of it. Copies that editors and packages leave
// (auth_id~, config.yml.bak, hours.yml.dpkg-old) are nobody's mistake, and so is hours.yml.disabled.
func unreadNames(configDir string) (unread []unreadName) {
	entries, _ := os.ReadDir(configDir) // a folder that cannot be read is said elsewhere
	for _, entry := range entries {
		if meant := meantFor(entry); meant != "" {
			unread = append(unread, unreadName{
				filepath.Join(configDir, entry.Name()), "no login reads it: expected the name " + meant, "rename it to " + meant + ", or move it elsewhere",
			})
		}
	}
	for _, place := range hostPlaces {
		if place.folder == "" {
			continue
		}
		folder := filepath.Join(configDir, place.folder)
		entries, _ := os.ReadDir(folder)
		for _, entry := range entries {
			if path := filepath.Join(folder, entry.Name()); place.seemsMeant(path, entry) {
				unread = append(unread, unreadName{
					path, "no login reads it: expected a name that ends in " + place.suffix, "rename it, or move it to another folder",
				})
			}
		}
	}
	return unread
}

// fileEndings are what files of ours are given, and what people give them.
var fileEndings = []string{"", "yml", "yaml", "conf"}

// meantFor is the name that an entry of a host's folder was meant to have, or "".
func meantFor(entry os.DirEntry) string {
	fold := func(name string) (stem, ending string) {
		stem, ending, _ = strings.Cut(strings.ToLower(name), ".")
		return strings.TrimSuffix(strings.NewReplacer("-", "", "_", "").Replace(stem), "s"), ending
	}
	stem, ending := fold(entry.Name())
	meant := ""
	for _, place := range hostPlaces {
		ours, fits := place.name, slices.Contains(fileEndings, ending)
		if entry.IsDir() {
			ours, fits = place.folder, ending == "d"
		}
		if ours == entry.Name() {
			return ""
		}
		if s, _ := fold(ours); ours != "" && s == stem && fits {
			meant = ours
		}
	}
	return meant
}

// seemsMeant is whether an entry of a drop-in folder was meant to count, and does not. Without an ending it may be a README: the content
// tells.
func (p hostPlace) seemsMeant(path string, entry os.DirEntry) bool {
	name := entry.Name()
	ending := strings.TrimPrefix(strings.ToLower(filepath.Ext(name)), ".")
	if entry.IsDir() || strings.HasPrefix(name, ".") || strings.HasSuffix(name, p.suffix) || !slices.Contains(fileEndings, ending) {
		return false
	}
	if ending != "" {
		return true
	}
	kind, _ := findKind(p.kind)
	data, err := readUntrusted(path)
	return err == nil && kind.found(data)
}
