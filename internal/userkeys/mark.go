package userkeys

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"opkssh/pkg/sshcert"
)

// Mark is what a certificate file's comment says beside that it is ours. Its zero value is written as every opkssh writes it.
type Mark struct {
	Alias       string // the provider's alias at login, "" if it had none
	InAgent     bool   // the private key was given to an ssh-agent, and never to a file
	AlsoInAgent bool   // the private key is in a file, and the login gave it to an ssh-agent too, or tried to

	// Until is when the agent drops the key; zero: when the certificate ends, or at no time that is known.
	Until time.Time
}

// The words for where the private key is, and the start of the one after them. Older releases pass over all but the first.
const (
	keyInAgent = "key=agent"
	keyInBoth  = "key=file+agent"
	keyUntil   = "until=" // seconds since 1970
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
	if (m.InAgent || m.AlsoInAgent) && !m.Until.IsZero() {
		words = append(words, keyUntil+strconv.FormatInt(m.Until.Unix(), 10))
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
	if len(words) > 1 && (m.InAgent || m.AlsoInAgent) {
		m.Until = parseUntil(words[1])
	}
	return m, true
}

// parseUntil gives the zero time for what is no time: then the key counts as there until its certificate ends.
func parseUntil(word string) time.Time {
	text, found := strings.CutPrefix(word, keyUntil)
	seconds, err := strconv.ParseInt(text, 10, 64)
	if !found || err != nil || seconds <= 0 || seconds > maxUnixTime {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}
