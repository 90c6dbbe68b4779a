#!/bin/sh
# What `verifier install` does, step by step, for those who want to see or to change it. It can be run again at any time: what is
# there is left alone.
#
#   sudo policies/shell/install.sh bin/verifier
#
# It keeps no list of what it made: `verifier uninstall` does not take it back.
set -eu
umask 022

program=/usr/local/bin/verifier
drop_in=/etc/ssh/sshd_config.d/10-opkssh.conf
files=$(cd "$(dirname "$0")/../host" && pwd)

fail() {
	echo "install.sh: $*" >&2
	exit 1
}
# put MODE FILE PLACE: by rename, since a program may be running, and only where something differs.
put() {
	cmp -s "$2" "$3" && return
	install -o root -g root -m "$1" "$2" "$3.new"
	mv "$3.new" "$3"
}

[ $# -eq 1 ] || fail "usage: install.sh VERIFIER"
[ "$(id -u)" -eq 0 ] || fail "expected to run as root"

# sshd has room for one AuthorizedKeysCommand.
command=$(sshd -T | sed -n 's/^authorizedkeyscommand //p')
case $command in
none) ;;
"$program verify "*)
	# Another user could not read what is made here.
	user=$(sshd -T | sed -n 's/^authorizedkeyscommanduser //p')
	[ "$user" = opksshuser ] || fail "sshd asks the verifier as $user: expected opksshuser; verifier install is for other users"
	;;
*) fail "sshd asks another AuthorizedKeysCommand: take it out, and name it in config.yml: chain: ['$command']" ;;
esac

put 0755 "$1" $program

# A user without rights, as which sshd runs it.
if ! getent passwd opksshuser >/dev/null; then
	useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin opksshuser
fi
group=$(id -gn opksshuser)

# Rules, which root writes and the verifier reads. They let nobody in yet.
[ -d /etc/opk ] || install -d -o root -g "$group" -m 0750 /etc/opk
for name in providers auth_id config.yml; do
	[ -e "/etc/opk/$name" ] || install -o root -g "$group" -m 0640 "$files/$name" "/etc/opk/$name"
done

# The providers' keys, which the verifier keeps.
[ -d /var/cache/opkssh ] || install -d -o opksshuser -g "$group" -m 0700 /var/cache/opkssh

# Rules in home folders that are closed to the verifier.
if [ -d /etc/sudoers.d ] && ! grep -Eq '^home_policy: *false' /etc/opk/config.yml; then
	visudo -c -q -f "$files/sudoers"
	put 0440 "$files/sudoers" /etc/sudoers.d/opkssh
fi

# SELinux lets sshd reach the providers by this module alone.
if [ -e /sys/fs/selinux/enforce ] && ! semodule -l | grep -q '^opkssh'; then
	build=$(mktemp -d)
	checkmodule -M -m -o "$build/opkssh.mod" "$files/opkssh.te"
	semodule_package -o "$build/opkssh.pp" -m "$build/opkssh.mod" -f "$files/opkssh.fc"
	semodule -i "$build/opkssh.pp"
	rm -r "$build"
	restorecon -R /var/cache/opkssh
fi

# A timer, so that no login has to wait for a provider.
if [ -d /run/systemd/system ]; then
	for unit in opkssh-keys.service opkssh-keys.timer; do
		put 0644 "$files/$unit" "/etc/systemd/system/$unit"
	done
	systemctl daemon-reload
	systemctl enable --now opkssh-keys.timer
fi

# sshd. Whoever writes its configuration keeps a session open until a second one has been let in.
if [ "$command" = none ]; then
	install -d /etc/ssh/sshd_config.d
	put 0644 "$files/sshd.conf" $drop_in
	if ! sshd -t || ! sshd -T | grep -qxF "authorizedkeyscommand $program verify %u %k %t"; then
		rm $drop_in
		fail "sshd would not start, or does not read $drop_in: taken back"
	fi
	if [ -d /run/systemd/system ]; then
		systemctl reload ssh.service || systemctl reload sshd.service
	else
		echo "make sshd read its configuration: kill -HUP \$(cat /run/sshd.pid)"
	fi
fi
