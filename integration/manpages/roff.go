package main

import (
	"fmt"
	"strings"
)

// page is a man page in the man(7) macros. Arguments of its methods are plain text, unless they are called roff.
type page struct {
	b strings.Builder
}

func (p *page) text() string { return p.b.String() }

// line writes roff. A line that starts with a dot or a quote would be a request.
func (p *page) line(roff string) {
	if strings.HasPrefix(roff, ".") || strings.HasPrefix(roff, "'") {
		roff = `\&` + roff
	}
	p.b.WriteString(roff + "\n")
}

func (p *page) request(format string, args ...any) { fmt.Fprintf(&p.b, format+"\n", args...) }

func (p *page) title(title, name, short string) {
	p.request(`.\" Written by "make man" from the program's commands.`)
	p.request(".TH %s 1", title)
	p.request(".nh\n.ad l")
	p.section("NAME")
	p.line(escape(name) + ` \- ` + escape(short))
}

func (p *page) section(name string) { p.request(".SH %s", escape(name)) }

func (p *page) subsection(roff string) { p.request(".SS %s", strings.ReplaceAll(roff, `"`, `\(dq`)) }

func (p *page) label(text string) {
	p.request(".PP")
	p.line(escape(text))
}

// tagged is a term and what it means.
func (p *page) tagged(roffTerm, roff string) {
	p.request(".TP")
	p.line(roffTerm)
	p.line(roff)
}

func (p *page) entry(term, text string) { p.tagged(bold(term), escape(text)) }

// paragraphs sets text as --help has it: paragraphs with empty lines between, in which lines that are indented stay as they are.
func (p *page) paragraphs(text string) {
	var kept []string
	keep := func() {
		if len(kept) > 0 {
			p.verbatim(strings.Join(kept, "\n"))
		}
		kept = nil
	}
	started := false
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		switch {
		case strings.TrimSpace(line) == "":
			keep()
			started = false
			continue
		case line[0] == ' ' || line[0] == '\t':
			kept = append(kept, line)
			continue
		}
		if len(kept) > 0 {
			keep()
			started = false
		}
		if !started {
			p.request(".PP")
			started = true
		}
		p.line(escape(line))
	}
	keep()
}

// verbatim keeps lines as they are.
func (p *page) verbatim(text string) {
	p.request(".PP\n.RS 2\n.nf")
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	indent := len(lines[0]) - len(strings.TrimLeft(lines[0], " "))
	for _, line := range lines {
		p.line(escape(strings.TrimPrefix(line, strings.Repeat(" ", indent))))
	}
	p.request(".fi\n.RE")
}

func bold(text string) string   { return `\fB` + escape(text) + `\fR` }
func italic(text string) string { return `\fI` + escape(text) + `\fR` }

// escape makes text mean itself, also when it is copied from the page.
func escape(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\\':
			b.WriteString(`\e`)
		case r == '-':
			b.WriteString(`\-`)
		case r == '\'':
			b.WriteString(`\(aq`)
		case r == '`':
			b.WriteString(`\(ga`)
		case r == '^':
			b.WriteString(`\(ha`)
		case r == '~':
			b.WriteString(`\(ti`)
		case r > '~':
			fmt.Fprintf(&b, `\[u%04X]`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
