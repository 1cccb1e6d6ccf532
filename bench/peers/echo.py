"""An echo server on the loop asyncio|uvloop, with the faster kind of protocol.

It prints its address. Then it answers each line of its standard input with a
line, once it has collected its garbage, and ends with the input.
"""

import asyncio
import gc
import resource
import sys


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


class BufferedEcho(asyncio.BufferedProtocol):
    """Spares asyncio a new buffer of 256 KiB for each read.

    On Linux the loop asks for the buffer, fills it and hands it back before it
    does anything else, so that all connections can share one.
    """

    buffer = bytearray(64 << 10)

    def connection_made(self, transport):
        self.transport = transport

    def get_buffer(self, hint):
        return self.buffer

    def buffer_updated(self, n):
        self.transport.write(self.buffer[:n])


async def main(protocol):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, "127.0.0.1", 0, backlog=4096)
    print("%s:%d" % server.sockets[0].getsockname(), flush=True)
    ended = loop.create_future()

    def command():
        if not sys.stdin.buffer.raw.read(4096):
            loop.remove_reader(0)
            ended.set_result(None)
            return
        gc.collect()
        print("ok", flush=True)

    loop.add_reader(0, command)
    await ended


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    protocol = BufferedEcho
    if sys.argv[1] == "uvloop":
        import uvloop

        uvloop.install()
        protocol = Echo
    asyncio.run(main(protocol))
