# Logs in as alice at "server", on the port given, and prints what id says.
import asyncio
import sys

import asyncssh


async def main():
    async with asyncssh.connect("server", int(sys.argv[1]), username="alice") as connection:
        print((await connection.run("id -un", check=True)).stdout, end="")


asyncio.run(main())
