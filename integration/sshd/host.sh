#!/bin/sh
# host.sh DIR SSHD: turns the mount namespace that it runs in into a host of its own, and becomes its sshd.
set -eu
umask 022
dir=$1
sshd=$2

mount -t tmpfs -o mode=0755 host "$dir/overlay"

# writable FOLDER NAME: what changes in FOLDER from now on stays in this namespace.
writable() {
	mkdir -p "$dir/overlay/$2/upper" "$dir/overlay/$2/work"
	mount -t overlay overlay -o "lowerdir=$1,upperdir=$dir/overlay/$2/upper,workdir=$dir/overlay/$2/work" "$1"
}
writable /etc etc
writable /var/cache cache

for file in passwd group shadow; do
	cat "$dir/$file" >/etc/$file
done
mkdir -p /etc/ssh /etc/opk /var/cache/opkssh
cat "$dir/sshd_config" >/etc/ssh/sshd_config
rm -f /etc/ssh/ssh_host_*
(umask 077 && cat "$dir/host_key" >/etc/ssh/ssh_host_ed25519_key)
rm -f /etc/nologin

mount --bind "$dir/etc-opk" /etc/opk
mount --bind "$dir/cache" /var/cache/opkssh
mount --bind "$dir/bin" /usr/local/bin
mount --bind "$dir/log" /var/log
mount -t tmpfs -o mode=0755 run /run
mkdir /run/sshd

# /dev is this machine's but for log, where a test may listen: Server.SystemLog.
mkdir /run/dev
mount --rbind /dev /run/dev
mount -t tmpfs -o mode=0755 dev /dev
mkdir /dev/pts
mount --bind /run/dev/pts /dev/pts
ln -s /var/log/dev-log /dev/log
for device in /run/dev/*; do
	[ -e "/dev/${device##*/}" ] || [ "${device##*/}" = log ] || ln -s "$device" /dev/
done

# Last, because DIR may lie in one of them.
mount --bind "$dir/home" /home
mount --bind /home/root /root

cd /
exec "$sshd" -D -e
