package usercli

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"opkssh/internal/login"
)

// The keys that mean something while an answer is pasted.
const (
	keyInterrupt = 0x03 // Ctrl-C
	keyEnd       = 0x04 // Ctrl-D
	keyBackspace = 0x08
	keyClear     = 0x15 // Ctrl-U
	keyDelete    = 0x7f
)

// pasteInput reads what a person pastes. A terminal hands out whole lines of at most 4096 bytes (macOS: 1024) and throws away
// the rest, and addresses are longer than that, so that it is read byte by byte, without echo. What is no terminal is read as
// it comes.
type pasteInput struct {
	t      *terminal
	chunks chan chunk // what has been read and not been used
	rest   []byte
	asked  bool
	lines  *bufio.Reader // for what is no terminal
}

type chunk struct {
	bytes []byte
	err   error
}

func newPasteInput(t *terminal) *pasteInput {
	p := &pasteInput{t: t}
	if !t.interactive() {
		p.lines = bufio.NewReader(t.in)
	}
	return p
}

// read is for [login.Flow.Paste].
func (p *pasteInput) read(ctx context.Context, problem string) (string, error) {
	if problem != "" {
		p.t.note("%s", problem)
	}
	if p.lines != nil {
		if !p.asked {
			p.t.note("paste that address, or the code in it, as a line of standard input")
		}
		p.asked = true
		return p.readLine(ctx)
	}
	text, err := p.readTerminal(ctx)
	p.t.note("")
	if err == nil {
		p.t.note("read %s", count(utf8.RuneCountInString(text), "character"))
	}
	return text, err
}

// readLine reads a line that may lack its end, but not more than makes sense.
func (p *pasteInput) readLine(ctx context.Context) (string, error) {
	type line struct {
		text string
		err  error
	}
	read := make(chan line, 1)
	go func() {
		var b strings.Builder
		for b.Len() <= login.MaxPasted {
			c, err := p.lines.ReadByte()
			if errors.Is(err, io.EOF) && b.Len() > 0 {
				break
			}
			if err != nil {
				read <- line{"", err}
				return
			}
			if c == '\n' {
				break
			}
			b.WriteByte(c)
		}
		read <- line{b.String(), nil}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case l := <-read:
		return l.text, l.err
	}
}

func (p *pasteInput) readTerminal(ctx context.Context) (string, error) {
	fd := int(p.t.in.Fd())
	before, err := term.MakeRaw(fd)
	if err != nil {
		return "", err
	}
	defer func() { _ = term.Restore(fd, before) }()
	// Not before: whoever is quick would see it, and lose what is too long.
	p.t.question("paste that address here, or the code in it, and press Enter (it is not shown): ")
	if p.chunks == nil {
		p.chunks = make(chan chunk)
		go p.readChunks()
	}
	var text []byte
	for {
		for i, c := range p.rest {
			switch c {
			case '\r', '\n':
				p.rest = p.rest[i+1:]
				// Some terminals mark what is pasted.
				return strings.NewReplacer("\x1b[200~", "", "\x1b[201~", "").Replace(string(text)), nil
			case keyInterrupt:
				return "", &login.Error{Code: login.CodeCanceled}
			case keyEnd:
				if len(text) == 0 {
					return "", io.EOF
				}
			case keyBackspace, keyDelete:
				_, size := utf8.DecodeLastRune(text)
				text = text[:len(text)-size]
			case keyClear:
				text = text[:0]
			default:
				if len(text) <= login.MaxPasted {
					text = append(text, c)
				}
			}
		}
		p.rest = nil
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case read := <-p.chunks:
			if read.err != nil {
				return "", read.err
			}
			p.rest = read.bytes
		}
	}
}

// readChunks ends with the input, or with the process: a read cannot be called back.
func (p *pasteInput) readChunks() {
	for {
		buffer := make([]byte, 4096)
		n, err := p.t.in.Read(buffer)
		if n > 0 {
			p.chunks <- chunk{bytes: buffer[:n]}
		}
		if err != nil {
			p.chunks <- chunk{err: err}
			return
		}
	}
}
