package usercli_test

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
)

var chooserLink = regexp.MustCompile(`<a href="([0-9]+)"><strong>([^<]*)</strong>`)

// chooseAndBrowse is a browser with somebody who chooses $CHOICE on the page, and writes down where that ended.
func chooseAndBrowse(address string) {
	page, err := url.Parse(address)
	if err != nil {
		panic(err)
	}
	_, body := read(address)
	for _, link := range chooserLink.FindAllStringSubmatch(body, -1) {
		if link[2] != os.Getenv("CHOICE") {
			continue
		}
		end, text := read(page.JoinPath(link[1]).String())
		leave("ended", end+"\n"+text)
		return
	}
	panic("no such choice in " + body)
}

func read(address string) (end, body string) {
	answer, err := http.Get(address)
	if err != nil {
		panic(err)
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		panic(err)
	}
	_ = answer.Body.Close()
	return answer.Request.URL.String(), string(text)
}
