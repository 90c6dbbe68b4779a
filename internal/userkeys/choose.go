package userkeys

import (
	"errors"
	"path/filepath"
	"strings"
)

// TakenError says that every default name is somebody's own.
type TakenError struct {
	Foreign []*ForeignError // one for each name, in the order in which they were tried
}

// Error names what stands under each name.
func (e *TakenError) Error() string {
	parts := make([]string, len(e.Foreign))
	for i, f := range e.Foreign {
		parts[i] = f.Error()
	}
	return "no free name for the key: " + strings.Join(parts, "; ")
}

// Choose finds the name for a new key in folder, which is ~/.ssh: id_ecdsa or id_ed25519, and where that is somebody's own
// id_ecdsa_sk or id_ed25519_sk, which ssh tries by default too. The error is a *[TakenError].
func Choose(folder string, t KeyType) (Pair, error) {
	var taken TakenError
	for _, name := range defaultNames(t) {
		pair := At(filepath.Join(folder, name))
		err := pair.Available()
		if err == nil {
			return pair, nil
		}
		var foreign *ForeignError
		if !errors.As(err, &foreign) {
			return Pair{}, err
		}
		taken.Foreign = append(taken.Foreign, foreign)
	}
	return Pair{}, &taken
}

func defaultNames(t KeyType) []string {
	return []string{"id_" + string(t), "id_" + string(t) + "_sk"}
}
