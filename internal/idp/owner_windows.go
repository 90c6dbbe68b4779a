package idp

import "io/fs"

// checkOwner has nothing to look at here: who may write is the access control list's to say, and a folder in the user's
// profile inherits one that admits the user and administrators alone.
func checkOwner(fs.FileInfo) error { return nil }
