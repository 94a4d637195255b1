"""A kubectl for tests: the Secrets in a file, and port-forwards to servers of this machine.

python kubectl_stub.py FOLDER ARGUMENTS...: secrets.json and services.json (name -> port) there;
FOLDER/calls gets the arguments.
"""

import asyncio
import json
import sys
from pathlib import Path


async def carry(local_port: int, port: int) -> None:
    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer))

    server = await asyncio.start_server(connect, "127.0.0.1", local_port)
    await server.serve_forever()


def main() -> None:
    folder, arguments = Path(sys.argv[1]), sys.argv[2:]
    with (folder / "calls").open("a") as calls:
        calls.write(" ".join(arguments) + "\n")
    if "get" in arguments:
        if (folder / "refused").exists():
            sys.exit('Error from server (Forbidden): secrets "tasador-flows" is forbidden')
        sys.stdout.write((folder / "secrets.json").read_text())
        return
    service = next(a for a in arguments if a.startswith("service/")).removeprefix("service/")
    local_port = int(arguments[-1].partition(":")[0])
    asyncio.run(carry(local_port, json.loads((folder / "services.json").read_text())[service]))


if __name__ == "__main__":
    main()
