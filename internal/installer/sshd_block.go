//go:build linux

package installer

import (
	"bytes"
	"errors"
	"io/fs"
	"slices"
)

// The marks are lines around what stands at the top of an sshd_config that includes no drop-in files.
const (
	blockBegin = "# begin of what verifier install wrote"
	blockEnd   = "# end of what verifier install wrote"
)

func newBlock(text string) string { return blockBegin + "\n" + text + blockEnd + "\n" }

// findBlock finds what stands from one mark to the other.
func findBlock(data []byte) (start, end int, ok bool) {
	start, inside, ok := findMark(data, blockBegin)
	if !ok {
		return 0, 0, false
	}
	_, length, ok := findMark(data[inside:], blockEnd)
	if !ok {
		return 0, 0, false
	}
	return start, inside + length, true
}

// findMark finds a line that ends in a mark. To sshd a line with CRLF, as some editors save it, is the same line.
func findMark(data []byte, mark string) (start, end int, ok bool) {
	for {
		next := bytes.Index(data[end:], []byte(mark))
		if next < 0 {
			return 0, 0, false
		}
		start = end + next
		end = start + len(mark)
		if rest := bytes.TrimPrefix(data[end:], []byte("\r")); bytes.HasPrefix(rest, []byte("\n")) {
			return start, len(data) - len(rest) + 1, true
		}
	}
}

// withoutCR is a block as it was written, whatever the ends of its lines are now.
func withoutCR(block []byte) []byte { return bytes.ReplaceAll(block, []byte("\r\n"), []byte("\n")) }

// withoutBlock leaves everything else as it is.
func withoutBlock(data []byte) []byte {
	start, end, ok := findBlock(data)
	if !ok {
		return data
	}
	return append(bytes.Clone(data[:start]), data[end:]...)
}

// inBlock is whether a line of sshd_config stands between our marks.
func (p *Plan) inBlock(s sshdSetting) bool {
	if _, ours := p.before.find(madeBlock, s.file); !ours {
		return false
	}
	data, err := p.host.readFile(s.file)
	if err != nil {
		return false
	}
	start, end, ok := findBlock(data)
	if !ok {
		return false
	}
	first := bytes.Count(data[:start], []byte("\n")) + 1
	return s.line >= first && s.line < first+bytes.Count(data[start:end], []byte("\n"))
}

// planBlock plans lines at the top of sshd_config: behind a Match they would be that block's.
func (p *Plan) planBlock(text string) error {
	data, err := p.host.readFile(sshdConfig)
	if err != nil {
		return err
	}
	block := newBlock(text)
	if start, end, found := findBlock(data); found {
		old := withoutCR(data[start:end])
		if string(old) == block {
			return nil
		}
		if e, ours := p.before.find(madeBlock, sshdConfig); !ours || e.Value != fingerprint(old) {
			p.remark("%s: kept: what verifier install wrote there was changed since", sshdConfig)
			return nil
		}
	}
	p.after.set(entry{Kind: madeBlock, Path: sshdConfig, Value: fingerprint([]byte(block))})
	p.add("change", sshdConfig, "sshd asks the verifier about keys; the file includes no other", func() (func() error, error) {
		return p.host.editBlock(sshdConfig, data, []byte(block))
	})
	return nil
}

// editBlock puts other lines, or none, in the place of ours, in a file that still has this content.
func (h *host) editBlock(name string, planned, block []byte) (undo func() error, err error) {
	start, end, _ := findBlock(planned)
	former := planned[start:end]
	return h.editFile(name, func(old []byte) ([]byte, error) {
		if !bytes.Equal(old, planned) {
			return nil, changedMeanwhile(name)
		}
		return slices.Concat(block, withoutBlock(old)), nil
	}, func(now []byte) ([]byte, error) {
		return slices.Concat(former, withoutBlock(now)), nil
	})
}

// planRemoveBlock plans to take our lines out of sshd_config.
func (p *Plan) planRemoveBlock(e entry, purge bool) error {
	data, err := p.host.readFile(e.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	start, end, found := findBlock(data)
	if !found {
		if _, _, begun := findMark(data, blockBegin); begun {
			return &Refusal{Path: e.Path, Detail: "the lines of verifier install have no end", Hint: "take them out by hand, then run this again"}
		}
		return nil
	}
	if fingerprint(withoutCR(data[start:end])) != e.Value && !purge {
		return changedSSHD(e.Path)
	}
	p.add("change", e.Path, "sshd does not ask the verifier any more", func() (func() error, error) {
		return p.host.editBlock(e.Path, data, nil)
	})
	return nil
}

func changedSSHD(path string) error {
	return &Refusal{
		Path: path, Detail: "what verifier install wrote was changed since, and sshd would go on to ask a verifier that is gone",
		Hint: "put it back as it was, or add --purge",
	}
}
