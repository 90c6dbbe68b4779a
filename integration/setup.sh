#!/bin/sh
# Installs what the tests need on a Debian machine that has Go and make.
# It can be run again at any time: what is there is left alone.
# No service is started now. At a later boot Debian starts ssh and glewlwyd, if they were installed here.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
node_project=$here/provider/oidc-provider
policy=/usr/sbin/policy-rc.d
log=$(mktemp)
made_policy=

say() { echo "integration/setup.sh: $*" >&2; }

as_root() {
	if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

finish() {
	status=$?
	if [ -n "$made_policy" ]; then as_root rm -f "$policy"; fi
	rm -f "$log"
	exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

# quietly WHAT COMMAND...: shows the command's output only where it fails.
quietly() {
	what=$1
	shift
	if ! "$@" >"$log" 2>&1; then
		cat "$log" >&2
		say "$what failed"
		exit 1
	fi
}

# Programs are looked for where root finds them, because sshd is not on everybody's PATH.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH

have() { command -v "$1" >/dev/null 2>&1; }

missing=
need() {
	if ! have "$1"; then
		shift
		missing="$missing $*"
	fi
}
need gcc gcc libc6-dev # the race detector
need sshd openssh-server
need ssh openssh-client
need sftp openssh-client
need glewlwyd glewlwyd dbconfig-no-thanks
need sqlite3 sqlite3
need chromium chromium
need groff groff-base
need strace strace
need systemd-analyze systemd
need git git
need dbus-daemon dbus-daemon
need unshare util-linux
need sudo sudo
need debootstrap debootstrap
need ansible-playbook ansible-core
need checkmodule checkpolicy
need semodule_package semodule-utils
need nix-instantiate nix-bin
need node nodejs
need npm npm
# A name service without a server, for users that are not in /etc/passwd.
if ! ls /usr/lib/libnss_extrausers.so.2 /usr/lib/*/libnss_extrausers.so.2 2>/dev/null | grep -q .; then
	missing="$missing libnss-extrausers"
fi

if [ -n "$missing" ]; then
	have apt-get || { say "apt-get not found; install by hand:$missing"; exit 1; }
	if [ "$(id -u)" -ne 0 ] && ! have sudo; then
		say "neither root nor sudo; install by hand:$missing"
		exit 1
	fi
	# A package's own service must not start: invoke-rc.d asks this program.
	if [ -e "$policy" ]; then
		verdict=0
		"$policy" ssh start >/dev/null 2>&1 || verdict=$?
		if [ "$verdict" -ne 101 ]; then
			say "$policy lets services start; install by hand:$missing"
			exit 1
		fi
	else
		made_policy=yes
		printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
		as_root chmod 0755 "$policy"
	fi
	case $missing in
	*glewlwyd*)
		if ! have debconf-set-selections; then
			say "debconf-set-selections not found; install debconf"
			exit 1
		fi
		echo 'glewlwyd glewlwyd/config_type select No configuration' | as_root debconf-set-selections
		;;
	esac
	quietly "apt-get update" as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update
	# The names are words by construction.
	# shellcheck disable=SC2086
	quietly "apt-get install$missing" as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -q -y --no-install-recommends install $missing
fi

if ! have node || ! have npm; then
	say "node or npm not found after the installation"
	exit 1
fi

# oidc-provider needs Node 20; where the system's own is older, a pinned one is installed beside it.
omit=
node_modules=$node_project/node_modules
node_version=$(node -p 'process.versions.node.split(".")[0]')
if [ "$node_version" -ge 20 ]; then
	omit=--omit=optional
fi

# The installation is up to date where it was made from this very lock file, for this very choice of Node.
stamp=$node_modules/.installed-from
wanted=$(sha256sum <"$node_project/package-lock.json")$omit
if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$wanted" ]; then
	# $omit is one word or none.
	# shellcheck disable=SC2086
	quietly "npm ci" npm ci --prefix "$node_project" --ignore-scripts --no-audit --no-fund $omit
	echo "$wanted" >"$stamp"
fi

node=node
if [ -z "$omit" ]; then
	for bundled in "$node_modules"/node-linux-*/bin/node; do
		if [ -x "$bundled" ]; then node=$bundled; fi
	done
fi
if [ "$("$node" -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
	say "node $node_version is too old, and no pinned node for this machine ($(uname -m)): install Node 20 or later"
	exit 1
fi

# The clean Debian system that tests of install start from, of this machine's own release and mirror. It is made once.
debian=$here/installer/debian-root.tar
if [ ! -f "$debian" ]; then
	suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	mirror() {
		apt-get indextargets --format '$(SITE)' "Created-By: Packages" "Release: $suite" "Origin: Debian" | head -n 1
	}
	if [ -z "$(mirror)" ]; then quietly "apt-get update" as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update; fi
	if [ -z "$suite" ] || [ -z "$(mirror)" ]; then
		say "expected a machine that has a Debian release from a mirror"
		exit 1
	fi
	root=$(mktemp -d)/root
	quietly debootstrap as_root debootstrap --variant=minbase \
		--include=openssh-server,sudo,python3-minimal,libpython3-stdlib "$suite" "$root" "$(mirror)"
	quietly useradd as_root chroot "$root" useradd --create-home --shell /bin/sh --password '*' alice
	# What takes long to copy and to compare, and is of no use here.
	as_root rm -r "$root/var/cache/apt/archives" "$root/var/lib/apt/lists" "$root/usr/share/doc" "$root/usr/share/locale"
	quietly tar as_root tar --create --numeric-owner --xattrs --file "$debian.new" --directory "$root" .
	as_root rm -r "$(dirname "$root")"
	as_root mv "$debian.new" "$debian"
fi
