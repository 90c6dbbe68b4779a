//go:build unix

package idp

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// checkOwner wants the effective user or root as the owner, and write permission for nobody else. Where the effective user
// is root, that is root alone: the files of a less privileged user are no source of keys for root.
func checkOwner(info fs.FileInfo) error {
	status, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return errors.New("owner unknown")
	}
	if user := os.Geteuid(); status.Uid != 0 && int(status.Uid) != user {
		return fmt.Errorf("expected owner uid %d or 0, got %d", user, status.Uid)
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return fmt.Errorf("expected no write permission for group and others, got mode %#o", mode)
	}
	return nil
}
