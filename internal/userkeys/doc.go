// Package userkeys keeps the keys that login makes for ssh: in files, a private key and beside it the certificate with the PK
// token, in an ssh-agent, and in what ssh_config says about them. It replaces and removes what login wrote, and nothing else.
//
// # Whose files
//
// A certificate is ours if it carries a PK token and its comment is `openpubkey` or starts with `openpubkey:`. A pair is ours
// if its certificate is and the private key beside it, where there is one, is the certificate's. Everything else is
// somebody's own, and so is whatever stands behind a symbolic link: replacing the link would take the file out of the place
// that its owner chose, and following it would change a file somewhere else. The folder may be a link. Early opkssh clients
// wrote the certificate to NAME.pub, where it is recognised too. A person's ~/.ssh/config is another matter: it is edited
// behind a link, since people keep it elsewhere on purpose.
//
// # What a crash leaves
//
// Both files are written and synced under other names first. Then the old private key goes, the certificate is renamed, the
// private key is renamed. So at each moment there is either a whole pair or a certificate without a private key, which ssh
// passes over and which is still recognised as ours. The other orders leave a key beside a certificate of another key: ssh
// would offer that and fail, and nothing could tell it from a person's own key.
package userkeys
