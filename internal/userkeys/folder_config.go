package userkeys

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const folderConfig = Folder + "/config" // as ssh_config has it

// Configure sets up ~/.ssh/opkssh, with one key for each account, in folder, which is ~/.ssh: it makes the folder and its
// config, and includes that on top of ~/.ssh/config. It returns the files that it changed: none, if it was set up already.
func Configure(folder string, now time.Time) (changed []string, err error) {
	for _, name := range []string{folder, filepath.Join(folder, Folder)} {
		if err := os.Mkdir(name, 0o700); err == nil {
			changed = append(changed, name)
		} else if !errors.Is(err, fs.ErrExist) {
			return changed, err
		}
	}
	own := filepath.Join(folder, Folder, "config")
	wrote, err := UpdateFolderConfig(folder, now)
	if wrote {
		changed = append(changed, own)
	}
	if err != nil {
		return changed, err
	}
	config := filepath.Join(folder, "config")
	wrote, err = EditSSHConfig(config, func(old []byte) ([]byte, error) {
		return addInclude(old, folderConfig, own), nil
	})
	if wrote {
		changed = append(changed, config)
	}
	return changed, err
}

// Configured is whether [Configure] was done in folder, which is ~/.ssh.
func Configured(folder string) bool {
	own := filepath.Join(folder, Folder, "config")
	if _, err := os.Stat(own); err != nil {
		return false
	}
	config, err := os.ReadFile(filepath.Join(folder, "config"))
	return err == nil && includes(config, folderConfig, own)
}

// What stands between these lines is ours to write.
const (
	blockStart = "# Keys of opkssh, written at each login and logout. Lines of your own can stand below the end."
	blockEnd   = "# End of the keys of opkssh."
)

// UpdateFolderConfig writes an IdentityFile line into ~/.ssh/opkssh/config for the default names of ssh that are there, since ssh
// looks for those by itself only as long as no IdentityFile is configured, and then for each key in ~/.ssh/opkssh whose certificate
// has not ended, that of the latest login first. ssh tries them in this order: each key of ours takes two of the six tries that a
// host has (MaxAuthTries), and hosts that know nothing of us must not run out of them. Other lines in the file stay, but for what
// other opkssh clients wrote about the same keys. folder is ~/.ssh.
func UpdateFolderConfig(folder string, now time.Time) (changed bool, err error) {
	own := filepath.Join(folder, Folder)
	return EditSSHConfig(filepath.Join(own, "config"), func(old []byte) ([]byte, error) {
		// While nobody else writes here, so that two logins at once find both keys.
		lines, err := identityLines(folder, now)
		if err != nil {
			return nil, err
		}
		block := blockStart + "\n" + strings.Join(append(lines, blockEnd), "\n") + "\n"
		return append([]byte(block), withoutOurs(old, own)...), nil
	})
}

func identityLines(folder string, now time.Time) ([]string, error) {
	pairs, err := Find(folder)
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, name := range defaultIdentities {
		pair := At(filepath.Join(folder, name))
		if id, ours := Read(pair); ours && id.Expired(now) {
			continue
		}
		if exists(pair.Key) || exists(pair.Key+".pub") || exists(pair.Certificate) {
			lines = append(lines, "IdentityFile ~/.ssh/"+name)
		}
	}
	var accounts []Identity
	for _, pair := range pairs {
		if filepath.Dir(pair.Key) != filepath.Join(folder, Folder) || outsideFileNames().MatchString(filepath.Base(pair.Key)) {
			continue // no opkssh gives such a name, and ssh might take it for more than one
		}
		if id, found := Read(pair); found && !id.Expired(now) {
			accounts = append(accounts, id)
		}
	}
	slices.SortStableFunc(accounts, func(a, b Identity) int { return b.IssuedAt.Compare(a.IssuedAt) })
	for _, id := range accounts {
		lines = append(lines, "IdentityFile ~/.ssh/"+Folder+"/"+filepath.Base(id.Pair.Key))
	}
	return lines, nil
}

// defaultIdentities are the names that ssh tries by itself (ssh_config(5), IdentityFile).
var defaultIdentities = []string{"id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk"}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// withoutOurs drops our block, and IdentityFile lines for keys in own, as other clients write them. A block without its end is
// lines like others: what stands below may be somebody's own.
func withoutOurs(config []byte, own string) []byte {
	if before, rest, found := bytes.Cut(config, []byte(blockStart+"\n")); found {
		if _, after, found := bytes.Cut(rest, []byte(blockEnd+"\n")); found {
			config = append(bytes.Clone(before), after...)
		}
	}
	var kept []byte
	for line := range bytes.Lines(config) {
		text := strings.TrimSpace(string(line))
		if text != blockStart && text != blockEnd && !inOwnFolder(text, own) {
			kept = append(kept, line...)
		}
	}
	return kept
}

func inOwnFolder(line, own string) bool {
	keyword, value := directive(line)
	value = strings.Trim(value, `"`)
	return keyword == "identityfile" &&
		(strings.HasPrefix(value, own+string(filepath.Separator)) || strings.HasPrefix(value, "~/.ssh/"+Folder+"/"))
}
