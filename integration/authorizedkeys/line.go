// Package authorizedkeys reads a line of authorized_keys by OpenSSH's rules, for tests of what is written for sshd. It shares no
// code with what writes: it follows auth2-pubkeyfile.c (check_authkey_line), auth-options.c (sshauthopt_parse) and misc.c
// (opt_dequote) of OpenSSH, down to names that are compared by their beginning.
package authorizedkeys

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// Option is an option as sshd understands it: the name in lower case, the value without its quotes.
type Option struct {
	Name, Value string
	HasValue    bool
}

// Line is what sshd has of a line.
type Line struct {
	Options []Option
	KeyType string
	Key     []byte // in the wire format
	Comment string
}

// Parse reads the one line that text is. Where sshd would pass the line over, because of an option that it cannot read or a key
// that is none, there is an error.
func Parse(text string) (*Line, error) {
	if strings.ContainsAny(text, "\n\x00") {
		return nil, errors.New("more than one line, or one that ends early")
	}
	rest := strings.TrimLeft(text, " \t")
	l := &Line{}
	if l.readKey(rest) == nil {
		return l, nil
	}
	end, err := endOfOptions(rest)
	if err != nil {
		return nil, err
	}
	if l.Options, err = parseOptions(rest[:end]); err != nil {
		return nil, err
	}
	return l, l.readKey(strings.TrimLeft(rest[end:], " \t"))
}

// readKey is sshkey_read: type, key and what is left.
func (l *Line) readKey(text string) error {
	keyType, rest := word(text)
	encoded, comment := word(strings.TrimLeft(rest, " \t"))
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return fmt.Errorf("key: %w", err)
	}
	// The key names its type itself (RFC 4253 §6.6).
	if named := append(binary.BigEndian.AppendUint32(nil, uint32(len(keyType))), keyType...); !bytes.HasPrefix(key, named) {
		return fmt.Errorf("expected a key of the type %q", keyType)
	}
	l.KeyType, l.Key, l.Comment = keyType, key, strings.TrimLeft(comment, " \t")
	return nil
}

func word(text string) (first, rest string) {
	if end := strings.IndexAny(text, " \t"); end >= 0 {
		return text[:end], text[end:]
	}
	return text, ""
}

// endOfOptions is sshkey_advance_past_options: the first blank outside quotes.
func endOfOptions(text string) (int, error) {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch {
		case !quoted && (text[i] == ' ' || text[i] == '\t'):
			return i, nil
		case strings.HasPrefix(text[i:], `\"`):
			i++
		case text[i] == '"':
			quoted = !quoted
		}
	}
	if quoted {
		return 0, errors.New("a quote is never closed")
	}
	return len(text), nil
}
