"""A broker that takes every event and does nothing with it: ``python sink.py PORT``."""

import asyncio
import re
import sys

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TAKEN = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"


class Sink(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport):
        """Begin."""
        self.transport, self.got = transport, b""

    def data_received(self, data):
        """Answer every whole request."""
        self.got += data
        while (head := self.got.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self.got, 0, head + 2)
            whole = head + 4 + (int(length[1]) if length else 0)
            if len(self.got) < whole:
                return
            self.got = self.got[whole:]
            self.transport.write(_TAKEN)


async def main(port):
    """Serve for ever."""
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
