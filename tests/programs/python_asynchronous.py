# SPDX-License-Identifier: MIT
"""python_asynchronous.py - asyncio: epoll, streams, timers, signals, threads."""
import asyncio
import os
import signal
import time


async def echo(reader, writer):
    while line := await reader.readline():
        writer.write(line.upper())
        await writer.drain()
    writer.close()


async def client(port, i):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    got = []
    for n in range(20):
        writer.write(f"client {i} line {n}\n".encode())
        got.append((await reader.readline()).decode().strip())
    writer.close()
    await writer.wait_closed()
    return got[-1], len(got)


async def late(seconds, name):
    await asyncio.sleep(seconds)
    return name


class Datagram(asyncio.DatagramProtocol):
    def __init__(self, got):
        self.got = got

    def datagram_received(self, data, addr):
        self.got.set_result(data)


async def main():
    loop = asyncio.get_running_loop()
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for result in await asyncio.gather(*(client(port, i) for i in range(25))):
        print(*result)
    server.close()
    await server.wait_closed()

    start = time.monotonic()
    print(await asyncio.gather(*(late(0.05 - i / 1000, i) for i in range(40))))
    print(time.monotonic() - start >= 0.05)
    try:
        await asyncio.wait_for(asyncio.Event().wait(), 0.02)
    except asyncio.TimeoutError:
        print("time-out")

    print(await asyncio.gather(*(asyncio.to_thread(pow, 3, i, 1000007)
                                 for i in range(30))))
    caught = loop.create_future()
    loop.add_signal_handler(signal.SIGUSR1, caught.set_result, "signal")
    os.kill(os.getpid(), signal.SIGUSR1)
    print(await asyncio.wait_for(caught, 60))

    got = loop.create_future()
    receiver, _ = await loop.create_datagram_endpoint(
        lambda: Datagram(got), local_addr=("127.0.0.1", 0))
    sender, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol,
        remote_addr=receiver.get_extra_info("sockname"))
    sender.sendto(b"hello")
    print(await asyncio.wait_for(got, 60))
    sender.close()
    receiver.close()

    r, w = os.pipe()
    os.set_blocking(r, False)
    readable = loop.create_future()
    loop.add_reader(r, lambda: readable.done() or
                    readable.set_result(os.read(r, 10)))
    loop.call_later(0.01, os.write, w, b"pipe")
    print(await asyncio.wait_for(readable, 60))
    loop.remove_reader(r)

    items = asyncio.Queue(3)

    async def produce():
        for i in range(100):
            await items.put(i)
        await items.put(None)

    async def consume():
        total = 0
        while (i := await items.get()) is not None:
            total += i
        return total

    print(await asyncio.gather(produce(), consume()))
    task = asyncio.create_task(asyncio.sleep(1000))
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        print("cancelled")


asyncio.run(main())
