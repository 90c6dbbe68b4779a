package login

import (
	"context"
	"crypto/subtle"
	_ "embed"
	"errors"
	"html/template"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

//go:embed chooser.html
var chooserText string

//go:embed chooser.css
var chooserOwnStyle string

var (
	chooserTemplate = lazyTemplate("chooser", chooserText)
	chooserStyle    = pageStyle + chooserOwnStyle
)

// ChooserPage is a page on this computer on which a person chooses a provider, and from which their browser goes on to that
// provider's own page. Its address holds a random token, so that no other site can choose. See [ownUserOnly] for other users.
type ChooserPage struct {
	providers []Provider
	address   *url.URL
	server    *http.Server
	serves    sync.WaitGroup

	mu     sync.Mutex // a choice is made once
	made   bool
	number int
	chosen chan Provider // gets one value

	settle   sync.Once
	settled  chan struct{} // closed when it is known where the browser goes
	location string        // the page to go on to, or "" for end
	end      page

	answer   sync.Once
	answered chan struct{} // closed when a browser that chose has been told so
}

// OpenChooserPage serves the page on a loopback address and a port that the system chooses. [ChooserPage.Close] ends that.
// The error is an [*Error].
func OpenChooserPage(providers []Provider) (*ChooserPage, error) {
	listener, err := listenLoopback()
	if err != nil {
		return nil, &Error{Code: CodePortBusy, Detail: "cannot listen on a loopback address", Err: err}
	}
	c := &ChooserPage{
		providers: providers,
		address:   &url.URL{Scheme: "http", Host: listener.Addr().String(), Path: "/" + randomState() + "/"},
		chosen:    make(chan Provider, 1),
		settled:   make(chan struct{}),
		answered:  make(chan struct{}),
	}
	c.server = newPageServer(ownUserOnly(c))
	c.serves.Go(func() { _ = c.server.Serve(listener) }) // ends when it is closed
	return c, nil
}

func listenLoopback() (net.Listener, error) {
	hosts := availableLoopbacks()
	if len(hosts) == 0 {
		return nil, errors.New("this computer has no loopback address")
	}
	return net.Listen("tcp", net.JoinHostPort(hosts[0], "0"))
}

// URL is the page's address.
func (c *ChooserPage) URL() string { return c.address.String() }

// Chosen gives the provider that the person chose. The error is an [*Error]: [CodeTimeout] if ctx had a deadline and it is
// over, else [CodeCanceled].
func (c *ChooserPage) Chosen(ctx context.Context) (Provider, error) {
	select {
	case p := <-c.chosen:
		return p, nil
	case <-ctx.Done():
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return Provider{}, &Error{Code: CodeTimeout, Detail: "nobody chose a provider in time", Hint: "name one: opkssh login ALIAS"}
	}
	return Provider{}, &Error{Code: CodeCanceled, Detail: "the login was given up"}
}

// GoOn sends the browser in which the choice was made to the provider's page.
func (c *ChooserPage) GoOn(page string) { c.decide(page, pageLeft) }

// Leave tells the browser in which the choice was made that the login goes on elsewhere.
func (c *ChooserPage) Leave() { c.decide("", pageLeft) }

var pageLeft = page{Heading: "Go on in the terminal", Message: "The login goes on in the terminal. You can close this page."}

func (c *ChooserPage) decide(location string, end page) {
	c.settle.Do(func() {
		c.location, c.end = location, end
		close(c.settled)
	})
}

// Close ends the page. A browser that still waits is shown why the login ended, if err is not nil.
func (c *ChooserPage) Close(err error) {
	end := pageLeft
	if err != nil {
		end = failurePage(err)
	}
	c.decide("", end)
	c.mu.Lock()
	made := c.made
	c.mu.Unlock()
	if made {
		select {
		case <-c.answered:
		case <-time.After(pageTimeout):
		}
	}
	_ = c.server.Close()
	c.serves.Wait()
}

// ServeHTTP implements [http.Handler].
func (c *ChooserPage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Another site whose name was pointed at this computer (DNS rebinding) is not us.
	if !isLoopbackHost(withoutPort(r.Host)) {
		writePage(w, http.StatusForbidden, page{Heading: "Wrong address", Message: "This page answers under a loopback address alone."})
		return
	}
	name, ours := c.below(r.URL.Path)
	switch number, err := strconv.Atoi(name); {
	case r.Method != http.MethodGet || !ours:
	case name == "":
		c.writeChoices(w)
		return
	case err == nil && number >= 0 && number < len(c.providers) && name == strconv.Itoa(number):
		c.choose(w, r, number)
		return
	}
	writePage(w, http.StatusNotFound, page{Heading: "Not found", Message: "There is no such page here."})
}

// below is what follows the token in a path.
func (c *ChooserPage) below(path string) (name string, ours bool) {
	prefix := c.address.Path
	if len(path) < len(prefix) || subtle.ConstantTimeCompare([]byte(path[:len(prefix)]), []byte(prefix)) != 1 {
		return "", false
	}
	return path[len(prefix):], true
}

func (c *ChooserPage) writeChoices(w http.ResponseWriter) {
	type choice struct{ Name, Others, Issuer string }
	data := struct {
		Style     template.CSS
		Providers []choice
	}{Style: template.CSS(chooserStyle)} //nolint:gosec // a constant
	for _, p := range c.providers {
		data.Providers = append(data.Providers, choice{p.Aliases[0], strings.Join(p.Aliases[1:], ", "), p.Issuer})
	}
	writeHTML(w, http.StatusOK, chooserStyle, chooserTemplate(), data)
}

// choose takes the first choice, and holds the browser until it is known where it goes. The same choice again, as by
// reloading, goes the same way.
func (c *ChooserPage) choose(w http.ResponseWriter, r *http.Request, number int) {
	c.mu.Lock()
	if !c.made {
		c.made, c.number = true, number
		c.chosen <- c.providers[number]
	}
	first := c.number
	c.mu.Unlock()
	if first != number {
		writePage(w, http.StatusConflict, page{
			Heading: "Already chosen",
			Message: "This login goes on with " + c.providers[first].Aliases[0] + ". For another provider, end it in the terminal with Ctrl-C and log in again.",
		})
		return
	}
	select {
	case <-c.settled:
	case <-r.Context().Done():
		return
	}
	if c.location == "" {
		writePage(w, http.StatusOK, c.end)
	} else {
		h := w.Header()
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		h.Set("Location", c.location)
		w.WriteHeader(http.StatusSeeOther)
	}
	_ = http.NewResponseController(w).Flush() // a browser that is gone misses nothing
	c.answer.Do(func() { close(c.answered) })
}
