# Logs in as alice at "server", on the port given, and prints what id says.
import sys

import paramiko

client = paramiko.SSHClient()
client.load_system_host_keys()
client.connect("server", int(sys.argv[1]), username="alice", timeout=60, banner_timeout=60, auth_timeout=60)
_, out, _ = client.exec_command("id -un")
print(out.read().decode(), end="")
