package login

// CanLogIn is whether there is any use in sending somebody to a provider: there is a browser here, or a terminal to tell the
// person who sits at another one.
func CanLogIn(s Surroundings) bool { return s.BrowserHere() || s.Terminal }
