//go:build unix

package hostfiles

import (
	"os/user"
	"strconv"
)

// Groups are the IDs of the account's own group and of the others that it is in.
func (a *Account) Groups() []uint32 {
	groups := []uint32{a.GID}
	// Without the others, what they may read looks closed: that is said, and mended, once too often.
	all, err := (&user.User{Username: a.Name, Uid: strconv.FormatUint(uint64(a.UID), 10), Gid: strconv.FormatUint(uint64(a.GID), 10)}).GroupIds()
	if err != nil {
		return groups
	}
	for _, text := range all {
		if gid, err := strconv.ParseUint(text, 10, 32); err == nil && uint32(gid) != a.GID {
			groups = append(groups, uint32(gid))
		}
	}
	return groups
}
