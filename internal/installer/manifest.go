//go:build linux

package installer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// ManifestPath is where a host keeps what an installation has made there.
const (
	ManifestPath   = manifestFolder + "/installed.json"
	manifestFolder = "/var/lib/opkssh"
)

const manifestVersion = 1

// manifest is what installations have made on a host, in the order in which it was made.
type manifest struct {
	Version int     `json:"version"`
	Made    []entry `json:"made"`
}

type kind string

const (
	madeFile   kind = "file"
	madeFolder kind = "folder"
	madeCache  kind = "cache" // a folder that goes with what is in it
	madeLink   kind = "link"
	madeBlock  kind = "block" // lines at the top of a file that was there
	madeUser   kind = "user"
	madeGroup  kind = "group"
	madeModule kind = "selinux-module"
)

// entry is one thing that was made.
type entry struct {
	Kind kind   `json:"kind"`
	Path string `json:"path"` // as the host sees it; of users, groups and modules their name
	// Value is the SHA-256 of a file or block, the target of a link, and the line of passwd or group.
	Value string `json:"value,omitempty"`
}

func fingerprint(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func (m *manifest) find(k kind, path string) (entry, bool) {
	i := slices.IndexFunc(m.Made, func(e entry) bool { return e.Kind == k && e.Path == path })
	if i < 0 {
		return entry{}, false
	}
	return m.Made[i], true
}

// set records e in the place of an entry for the same thing, or as the last.
func (m *manifest) set(e entry) {
	if i := slices.IndexFunc(m.Made, func(o entry) bool { return o.Kind == e.Kind && o.Path == e.Path }); i >= 0 {
		m.Made[i] = e
		return
	}
	m.Made = append(m.Made, e)
}

func (m *manifest) remove(e entry) {
	m.Made = slices.DeleteFunc(m.Made, func(o entry) bool { return o.Kind == e.Kind && o.Path == e.Path })
}

func (m *manifest) clone() *manifest {
	return &manifest{Version: m.Version, Made: slices.Clone(m.Made)}
}

// union is what may be there while m turns into o.
func (m *manifest) union(o *manifest) *manifest {
	both := m.clone()
	for _, e := range o.Made {
		both.set(e)
	}
	return both
}

func (h *host) readManifest() (*manifest, error) {
	data, err := h.readFile(ManifestPath)
	if errors.Is(err, fs.ErrNotExist) {
		return &manifest{Version: manifestVersion}, nil
	}
	if err != nil {
		return nil, err
	}
	return parseManifest(data)
}

func parseManifest(data []byte) (*manifest, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	var m manifest
	if err := decoder.Decode(&m); err != nil {
		return nil, &Refusal{Path: ManifestPath, Detail: err.Error()}
	}
	if m.Version != manifestVersion {
		return nil, &Refusal{
			Path: ManifestPath, Detail: fmt.Sprintf("version: expected %d, got %d", manifestVersion, m.Version),
			Hint: "use the verifier that installed this host, or a newer one",
		}
	}
	return &m, nil
}

// list writes the manifest, if the host has another one by now: one that takes no room never fails on a full disk.
func (p *Plan) list(m *manifest) error {
	if slices.Equal(m.Made, p.listed.Made) {
		return nil
	}
	if err := p.host.writeManifest(m); err != nil {
		return err
	}
	p.listed = m
	return nil
}

// writeManifest writes the manifest, or removes it and its folder where nothing is left.
func (h *host) writeManifest(m *manifest) error {
	if len(m.Made) == 0 {
		path, err := h.path(ManifestPath)
		if err != nil {
			return err
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		_, err = h.removeEmptyFolder(manifestFolder)
		return err
	}
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if _, err := h.makeFolder(manifestFolder, owner{mode: 0o755}); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return h.writeFile(ManifestPath, append(data, '\n'), owner{mode: 0o644})
}
