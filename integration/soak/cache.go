package soak

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// CacheColumns are what Cache measures.
var CacheColumns = []Column{
	{Name: "at rest: cache, files"},
	{Name: "at rest: cache, bytes", Number: 1024}, // times are written without zeros at their end
	{Name: "at rest: cache, files being written"},
	{Name: "at rest: cache, old userinfo files"},
}

// userinfoSwept is when an answer of a userinfo endpoint is gone for sure, as long as somebody else asks for one: it serves for a
// minute, and the folder is swept once a minute.
const userinfoSwept = 150 * time.Second

// Cache looks at the verifier's cache folder. Userinfo is as much as there were logins in the last minutes, and the marks of logins are
// one file of fixed size.
func Cache(t testing.TB, folder string) []float64 {
	t.Helper()
	var files, bytes, temporary, old float64
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil {
			return err
		}
		switch name := entry.Name(); {
		case strings.HasSuffix(name, ".tmp"):
			temporary++
		case strings.HasPrefix(name, "userinfo-"):
			if time.Since(info.ModTime()) > userinfoSwept {
				old++
			}
		case name == "logged":
			files++
		default:
			files++
			bytes += float64(info.Size())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return []float64{files, bytes, temporary, old}
}
