package usercli_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
)

// carry runs a program, opens the address that it prints on a line of its own in a browser on another computer, where the
// redirect URI leads nowhere, and carries what comes out to the program's standard input: the address (whole), the code in it
// (code), or first something else (again).
func carry(args []string) int {
	what, program := args[0], exec.Command(args[1], args[2:]...)
	input, err := program.StdinPipe()
	if err != nil {
		panic(err)
	}
	output, err := program.StderrPipe()
	if err != nil {
		panic(err)
	}
	if err := program.Start(); err != nil {
		panic(err)
	}
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		fmt.Fprintln(os.Stderr, lines.Text())
		if !strings.HasPrefix(lines.Text(), "http") {
			continue
		}
		address := elsewhere(lines.Text())
		switch what {
		case "code":
			u, err := url.Parse(address)
			if err != nil {
				panic(err)
			}
			address = u.Query().Get("code")
		case "again":
			address = lines.Text() + "\n" + address
		}
		if _, err := io.WriteString(input, address+"\n"); err != nil {
			panic(err)
		}
	}
	if err := program.Wait(); err != nil {
		return 1
	}
	return 0
}

// elsewhere is the address to which the provider sends a browser.
func elsewhere(page string) string {
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Get(page)
	if err != nil {
		panic(err)
	}
	_ = answer.Body.Close()
	return answer.Header.Get("Location")
}
