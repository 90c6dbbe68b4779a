package userkeys

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// hostConfig is the file with the hosts' blocks, as ssh_config has it.
const hostConfig = Folder + "/hosts"

// ForHosts is the pair of a provider whose keys are for certain hosts: ~/.ssh/opkssh/ALIAS. Its name has to be known before
// anybody has logged in. folder is ~/.ssh.
func ForHosts(folder, alias string) Pair {
	return At(filepath.Join(folder, Folder, alias))
}

// IsForHosts is whether the identity's files are those of a provider with hosts: one key for each such provider, also where two of them
// are logged in to with one account. folder is ~/.ssh.
func (id Identity) IsForHosts(folder string) bool {
	return id.Mark.Alias != "" && id.Pair == ForHosts(folder, id.Mark.Alias)
}

// HostBlock is what ssh has to know of some hosts.
type HostBlock struct {
	Patterns []string // of ssh_config(5)
	Alias    string   // of the provider, which names the key
	// InAgent: the private key is in an agent, and in no file.
	InAgent bool
}

// noShellWords keeps names from exec that a shell would take for more than a name. The single quotes there hold everything for the
// shells of Unix but a quote, and for fish a backslash. cmd.exe does not know them: the other characters are its own, and two percent
// signs, where an IPv6 zone has one. ssh refuses such names itself since CVE-2023-51385, but for a line break, which the quotes hold.
const noShellWords = `!*'*,!*\*,!*&*,!*|*,!*<*,!*>*,!*^*,!*%*%*`

// HostConfig is an ssh_config that has command run before ssh connects to one of the hosts, and names their keys. command is
// one word, as its shell reads it; it gets the argument ensure and the host's name, in single quotes that cmd.exe leaves on. A host
// belongs to the first block that has it, as with [opkssh/internal/login.Config.ForHost].
//
// ssh offers what CertificateFile names first and a plain key after it. Without CertificateFile it is the other way round, so
// that sshd asks about the plain key too, at each login. A certificate alone, as IdentityFile, is what an agent that has the
// private key signs for.
func HostConfig(command string, blocks []HostBlock) []byte {
	var b bytes.Buffer
	earlier := ""
	for i, block := range blocks {
		if i > 0 {
			b.WriteByte('\n')
		}
		patterns := strings.Join(block.Patterns, ",")
		fmt.Fprintf(&b, "Match %shost \"%s,%s\" exec \"%s ensure '%%h'\"\n", earlier, noShellWords, patterns, command)
		b.WriteString(keyLines(block.Alias, block.InAgent))
		b.WriteString("    IdentitiesOnly yes\n")
		earlier += fmt.Sprintf("!host \"%s\" ", patterns)
	}
	return b.Bytes()
}

func keyLines(alias string, inAgent bool) string {
	key := "~/.ssh/" + Folder + "/" + alias
	if inAgent {
		return fmt.Sprintf("    IdentityFile %s-cert.pub\n", key)
	}
	return fmt.Sprintf("    IdentityFile %s\n    CertificateFile %s-cert.pub\n", key, key)
}

// UpdateHostConfig has the blocks of [InstallHostConfig], if there are any, look for an alias's private key where a login has put it.
// folder is ~/.ssh.
func UpdateHostConfig(folder, alias string, inAgent bool) error {
	_, err := EditSSHConfig(filepath.Join(folder, hostConfig), func(old []byte) ([]byte, error) {
		if !bytes.HasPrefix(old, []byte(hostConfigStart)) {
			return old, nil
		}
		return bytes.ReplaceAll(old, []byte(keyLines(alias, !inAgent)), []byte(keyLines(alias, inAgent))), nil
	})
	return err
}

// hostConfigStart marks the file as ours.
const hostConfigStart = "# Written by opkssh ssh-config --install. It is replaced by the next one, and removed by --uninstall.\n"

// InstallHostConfig writes the blocks to ~/.ssh/opkssh/hosts and includes that on top of ~/.ssh/config. folder is ~/.ssh. It
// returns the files that it changed: none, if everything was there already.
func InstallHostConfig(folder string, config []byte) (changed []string, err error) {
	own := filepath.Join(folder, Folder, "hosts")
	for _, name := range []string{folder, filepath.Dir(own)} {
		if err := os.Mkdir(name, 0o700); err == nil {
			changed = append(changed, name)
		} else if !errors.Is(err, fs.ErrExist) {
			return changed, err
		}
	}
	text := append([]byte(hostConfigStart), config...)
	wrote, err := EditSSHConfig(own, func(old []byte) ([]byte, error) {
		if len(old) > 0 && !bytes.HasPrefix(old, []byte(hostConfigStart)) {
			return nil, &ForeignError{own, "a file that opkssh did not write"}
		}
		return text, nil
	})
	if wrote {
		changed = append(changed, own)
	}
	if err != nil {
		return changed, err
	}
	main := filepath.Join(folder, "config")
	wrote, err = EditSSHConfig(main, func(old []byte) ([]byte, error) { return addInclude(old, hostConfig, own), nil })
	if wrote {
		changed = append(changed, main)
	}
	return changed, err
}

// UninstallHostConfig undoes [InstallHostConfig], and leaves keys alone. It returns the files that it changed or removed.
func UninstallHostConfig(folder string) (changed []string, err error) {
	main, own := filepath.Join(folder, "config"), filepath.Join(folder, Folder, "hosts")
	if _, err := os.Stat(main); err == nil {
		wrote, err := EditSSHConfig(main, func(old []byte) ([]byte, error) { return removeInclude(old, hostConfig), nil })
		if wrote {
			changed = append(changed, main)
		}
		if err != nil {
			return changed, err
		}
	}
	data, present, err := readOwn(own)
	if err != nil || !present {
		return changed, err
	}
	if !bytes.HasPrefix(data, []byte(hostConfigStart)) {
		return changed, &ForeignError{own, "a file that opkssh did not write"}
	}
	if err := os.Remove(own); err != nil {
		return changed, err
	}
	_ = os.Remove(filepath.Dir(own)) // if it is empty
	return append(changed, own), nil
}

// removeInclude drops the line that addInclude writes, and no other.
func removeInclude(config []byte, relative string) []byte {
	var kept []byte
	for line := range bytes.Lines(config) {
		if strings.TrimRight(string(line), "\r\n") != "Include ~/.ssh/"+relative {
			kept = append(kept, line...)
		}
	}
	return kept
}
