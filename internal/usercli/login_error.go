package usercli

import (
	"errors"
	"fmt"

	"opkssh/internal/login"
	"opkssh/internal/userkeys"
)

// loginError gives the ends of a login that people know their own words, and the others the hint that they carry.
func loginError(err error) error {
	var failure *login.Error
	if !errors.As(err, &failure) {
		return err
	}
	switch failure.Code {
	case login.CodeCanceled:
		return errors.New("interrupted: nothing was written")
	case login.CodeUnknownProvider:
		return withHint(fmt.Errorf("unknown provider %q", failure.Got), "the aliases are "+failure.Expected)
	}
	if failure.Hint == "" {
		return err
	}
	return withHint(err, failure.Hint)
}

// keyFileError adds the way out where a key would have replaced somebody's own.
func keyFileError(err error) error {
	var foreign *userkeys.ForeignError
	var taken *userkeys.TakenError
	if errors.As(err, &foreign) || errors.As(err, &taken) {
		return withHint(err, "name another file for the key: opkssh login -i FILE")
	}
	return err
}
