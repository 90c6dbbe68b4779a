# Logs in as alice at "server", on the port given, and prints what id says. libssh has no program of its own.
import ctypes
import sys

SSH_OPTIONS_HOST, SSH_OPTIONS_PORT_STR, SSH_OPTIONS_USER, SSH_OPTIONS_TIMEOUT = 0, 2, 4, 9
SSH_KNOWN_HOSTS_OK = 1

libssh = ctypes.CDLL("libssh.so.4")
libssh.ssh_new.restype = libssh.ssh_channel_new.restype = ctypes.c_void_p
libssh.ssh_get_error.restype = ctypes.c_char_p
session = ctypes.c_void_p(libssh.ssh_new())


def expect(wanted, got):
    if got != wanted:
        sys.exit("expected %d, got %d: %s" % (wanted, got, libssh.ssh_get_error(session).decode()))


expect(0, libssh.ssh_options_set(session, SSH_OPTIONS_HOST, b"server"))
expect(0, libssh.ssh_options_set(session, SSH_OPTIONS_PORT_STR, sys.argv[1].encode()))
expect(0, libssh.ssh_options_set(session, SSH_OPTIONS_USER, b"alice"))
expect(0, libssh.ssh_options_set(session, SSH_OPTIONS_TIMEOUT, ctypes.byref(ctypes.c_long(60))))
expect(0, libssh.ssh_connect(session))
expect(SSH_KNOWN_HOSTS_OK, libssh.ssh_session_is_known_server(session))
expect(0, libssh.ssh_userauth_publickey_auto(session, None, None))
channel = ctypes.c_void_p(libssh.ssh_channel_new(session))
expect(0, libssh.ssh_channel_open_session(channel))
expect(0, libssh.ssh_channel_request_exec(channel, b"id -un"))
out = ctypes.create_string_buffer(100)
length = libssh.ssh_channel_read(channel, out, len(out), 0)
print(out.raw[:length].decode(), end="")
