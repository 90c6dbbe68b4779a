package hostcli

import (
	"cmp"
	"fmt"

	"opkssh/internal/hostfiles"
	"opkssh/pkg/pktoken"
	"opkssh/pkg/policy"
)

// readHostProviders are the rows of providers that a login takes, and the files and rows that it leaves out.
func readHostProviders(folder string) (rows []pktoken.Provider, leftOut []finding) {
	log := &findings{}
	source := &hostSource{folder: folder, log: log.logger()}
	source.eachFile("providers", func(f hostfiles.File) []policy.Problem {
		more, problems := policy.ParseProviders(f.Path, f.Data)
		rows = append(rows, more...)
		return problems
	})
	return rows, log.all
}

// hostIssuers are those of the rows that a login takes. What is left out may name others.
func hostIssuers(folder string) (issuers []string, leftOut []finding) {
	rows, leftOut := readHostProviders(folder)
	return issuersOf(rows), leftOut
}

// maybeConfigured is about an issuer that no row names, where rows are left out.
const maybeConfigured = "whether it is in providers cannot be seen"

// unseenProviders is about issuers that no row names, where rows are left out that may name them: text, what is left out, and what to do.
func unseenProviders(text string, leftOut []finding) *exitError {
	first := leftOut[0]
	return &exitError{text: fmt.Sprintf("%s: %s", text, first), hint: cmp.Or(first.Hint, "mend that row"), code: exitRefused}
}

// unseenIssuer is [unseenProviders] for one issuer.
func unseenIssuer(issuer string, leftOut []finding) *exitError {
	return unseenProviders(fmt.Sprintf("whether providers has the issuer %s cannot be seen", issuer), leftOut)
}
