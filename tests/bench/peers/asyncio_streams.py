"""A peer on asyncio's streams: see peer.h. SPDX-License-Identifier: BSD-3-Clause"""
import asyncio
import sys

MODE, PORT, FILE = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
BLOCK = 4 * bytes(i % 251 for i in range(65536))


async def line(reader, writer):
    while True:
        writer.write(await reader.readuntil(b"\r\n"))
        await writer.drain()


async def length(reader, writer):
    while True:
        writer.write(await reader.readexactly(1000000))
        await writer.drain()


async def sink(reader, writer):
    lines = count = 0
    while True:
        length = len(await reader.readuntil(b"\r\n")) - 2
        if length:
            lines += 1
            count += length
            continue
        writer.write(b"%d %d\r\n" % (lines, count))
        await writer.drain()
        lines = count = 0


async def source(reader, writer):
    while True:
        left = int(await reader.readuntil(b"\r\n"))
        while left:
            data = BLOCK[:left]
            writer.write(data)
            await writer.drain()
            left -= len(data)


async def file(reader, writer):
    loop = asyncio.get_running_loop()
    while True:
        left = int(await reader.readuntil(b"\r\n"))
        with open(FILE[0], "rb") as data:
            await loop.sendfile(writer.transport, data, 0, left)


MODES = {"line": line, "length": length, "sink": sink, "source": source, "file": file}


async def serve(reader, writer):
    try:
        await MODES[MODE](reader, writer)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main():
    # asyncio sets TCP_NODELAY by itself.
    server = await asyncio.start_server(serve, "127.0.0.1", PORT, limit=2**20, backlog=4096)
    await server.serve_forever()


asyncio.run(main())
