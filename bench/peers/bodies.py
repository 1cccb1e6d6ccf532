"""Does one of the works of the asyncio suite and reports what it took.

    python3 bodies.py asyncio|uvloop BODY N WARM

does BODY once with WARM, unless that is 0, and once with N. It prints an object
of JSON with the seconds of the second time, the resident bytes before it and the
peak of them. Every body checks what it did.
"""

import asyncio
import json
import math
import sys
import time

BRANCHES = 6
ASLEEP = 0.05  # seconds, at the leaves of a tree


async def yields(n):
    for _ in range(n):
        await asyncio.sleep(0)


async def yield_many(n):
    async def hundred():
        for _ in range(100):
            await asyncio.sleep(0)
        return 100

    assert sum(await asyncio.gather(*[hundred() for _ in range(n)])) == 100 * n


async def spawn(n):
    async def nothing():
        return 1

    assert sum(await asyncio.gather(*[nothing() for _ in range(n)])) == n


async def ping_pong(n):
    there, back = asyncio.Queue(1), asyncio.Queue(1)

    async def answer():
        for _ in range(n):
            await back.put(await there.get())

    other = asyncio.create_task(answer())
    for i in range(n):
        await there.put(i)
        assert await back.get() == i
    await other


async def sleepers(n):
    await asyncio.gather(*[asyncio.sleep(1) for _ in range(n)])


class Tree:
    """A tree of tasks, each with six children, with some work at the leaves."""

    def __init__(self, depth, leaf):
        self.depth = depth
        self.leaf = leaf
        self.seen = set()
        self.leaves = self.slept = self.bits = 0
        self.draws = draws(BRANCHES**depth)

    def draw(self):
        self.leaves += 1
        return self.draws[self.leaves - 1]

    async def grow(self, level):
        if level == 0:
            await self.leaf(self)
            return
        await asyncio.gather(*[self.grow(level - 1) for _ in range(BRANCHES)])

    async def nothing(self):
        self.draw()

    async def sleep(self):
        self.draw()
        await self.mock_io()

    async def memoized(self):
        data = self.draw()
        if data <= 90:
            if data in self.seen:
                return
            self.seen.add(data)
        await self.mock_io()

    async def mixed(self):
        if self.draw() <= 50:
            self.bits += math.factorial(500).bit_length()
        else:
            await self.mock_io()

    async def mock_io(self):
        await asyncio.sleep(ASLEEP)
        self.slept += 1

    def check(self):
        assert self.leaves == len(self.draws)
        low = sum(d <= 50 for d in self.draws)
        rare = sum(d > 90 for d in self.draws)
        slept, bits = {
            Tree.nothing: (0, 0),
            Tree.sleep: (self.leaves, 0),
            Tree.memoized: (rare + len({d for d in self.draws if d <= 90}), 0),
            Tree.mixed: (self.leaves - low, 3768 * low),
        }[self.leaf]
        assert (self.slept, self.bits) == (slept, bits)


def draws(n):
    """The numbers from 1 to 100 that the leaves draw: the same in all languages."""
    x, all = 1, []
    for _ in range(n):
        x = (x * 1103515245 + 12345) & 0x7FFFFFFF
        all.append((x >> 16) % 100 + 1)
    return all


def tree(leaf):
    def prepare(depth):
        t = Tree(depth, leaf)
        return t.grow(depth), t.check

    return prepare


def body(work):
    return lambda n: (work(n), lambda: None)


# Each takes its size and returns an awaitable, which is timed, and a check.
BODIES = {
    "yield": body(yields),
    "yield-many": body(yield_many),
    "spawn": body(spawn),
    "ping-pong": body(ping_pong),
    "sleepers": body(sleepers),
    "tree-none": tree(Tree.nothing),
    "tree-io": tree(Tree.sleep),
    "tree-memoization": tree(Tree.memoized),
    "tree-mixed": tree(Tree.mixed),
}


async def timed(name, n):
    work, check = BODIES[name](n)
    began = time.perf_counter()
    await work
    seconds = time.perf_counter() - began
    check()
    return seconds


def resident(field):
    """Bytes of this process: VmRSS now, VmHWM at most so far.

    ru_maxrss would not do: it may be that of the process that started this one.
    """
    with open("/proc/self/status") as f:
        for line in f:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024


async def main(name, n, warm):
    if hasattr(asyncio, "eager_task_factory"):  # from 3.12 on the fast way
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    if warm:
        await timed(name, warm)
    before = resident("VmRSS")
    seconds = await timed(name, n)
    print(json.dumps({"seconds": seconds, "before": before, "peak": resident("VmHWM")}))


if __name__ == "__main__":
    loop, name, n, warm = sys.argv[1:]
    if loop == "uvloop":
        import uvloop

        uvloop.install()
    asyncio.run(main(name, int(n), int(warm)))
