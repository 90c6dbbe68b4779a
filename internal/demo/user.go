package demo

// User is somebody who can log in at a [Provider].
type User struct {
	Name     string // what is typed into the form; `preferred_username`, and `sub` where Subject is ""
	Password string

	Subject       string
	Email         string
	EmailVerified bool
	Groups        []string // `groups`, where the scope groups is asked for
}

func (u User) subject() string {
	if u.Subject == "" {
		return u.Name
	}
	return u.Subject
}
