package login

import "net/http"

// ownUserOnly serves pages to programs of this user and of root alone, where the system tells whose program asks. The address of a login
// stands in the argument list of the browser, which other users of the computer can read: without this, one of them could log in there,
// and the key would be for their account.
func ownUserOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isStranger(r) {
			writePage(w, http.StatusForbidden, page{
				Heading: "Another user's page",
				Message: "This page is for the user of this computer who is logging in, and a program of another user asked for it. The login goes on waiting.",
				Hint:    "if it is your login, and your browser runs as another user: opkssh login --flow paste",
			})
			return
		}
		next.ServeHTTP(w, r)
	})
}
