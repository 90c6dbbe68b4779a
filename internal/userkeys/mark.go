package userkeys

import (
	"strings"
	"unicode"

	"opkssh/pkg/sshcert"
)

// Mark is what a certificate file's comment says beside that it is ours. Its zero value is written as every opkssh writes it.
type Mark struct {
	Alias       string // the provider's alias at login, "" if it had none
	InAgent     bool   // the private key was given to an ssh-agent, and never to a file
	AlsoInAgent bool   // the private key is in a file, and the login gave it to an ssh-agent too, or tried to
}

// The words for where the private key is. Older releases pass over the second one.
const (
	keyInAgent = "key=agent"
	keyInBoth  = "key=file+agent"
)

// Comment is the mark as text: openpubkey, and what there is to say after a colon.
func (m Mark) Comment() string {
	var words []string
	if m.Alias != "" && !strings.ContainsFunc(m.Alias, func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) }) {
		words = append(words, "alias="+m.Alias)
	}
	switch {
	case m.InAgent:
		words = append(words, keyInAgent)
	case m.AlsoInAgent:
		words = append(words, keyInBoth)
	}
	if len(words) == 0 {
		return sshcert.Comment
	}
	return sshcert.Comment + ": " + strings.Join(words, " ")
}

// parseMark reads the comment of a certificate of ours, in a file or in an agent; false is for everything else. Other
// clients write other words after the colon, which say nothing here.
func parseMark(comment string) (Mark, bool) {
	comment = strings.TrimSpace(comment)
	if comment == sshcert.Comment {
		return Mark{}, true
	}
	text, ours := strings.CutPrefix(comment, sshcert.Comment+":")
	if !ours {
		return Mark{}, false
	}
	var m Mark
	words := strings.Fields(text)
	if len(words) > 0 {
		if alias, ok := strings.CutPrefix(words[0], "alias="); ok {
			m.Alias, words = alias, words[1:]
		}
	}
	if len(words) > 0 {
		m.InAgent, m.AlsoInAgent = words[0] == keyInAgent, words[0] == keyInBoth
	}
	return m, true
}
