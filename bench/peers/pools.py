"""Does one of the works of the multiprocessing suite and reports what it took.

    python3 pools.py CASE PEER N

The cases are the functions of CASES below, the peers the keys of CALLERS and of
the tables beside the cases; what N counts is said at each case. It warms up, does
the case, and prints an array of JSON with a value for each measure of the case;
times are in seconds, sizes in bytes. What comes back is checked.

joblib and numpy are imported where they are used and not before: a worker that is
spawned imports this file, and its start is measured.
"""

import concurrent.futures
import contextlib
import functools
import json
import multiprocessing
import os
import queue
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
import traceback
from concurrent.futures.process import BrokenProcessPool

now = time.perf_counter


# What workers do.


def nothing(_=None):
    return None


def identity(data):
    return data


# Callers: each is a pool of so many workers and gives a function that calls
# another one in a worker and returns its result.


@contextlib.contextmanager
def pool(workers, method="fork"):
    with multiprocessing.get_context(method).Pool(workers) as p:
        yield lambda f, *args: p.apply(f, args)


@contextlib.contextmanager
def executor(workers):
    with concurrent.futures.ProcessPoolExecutor(workers) as e:
        yield lambda f, *args: e.submit(f, *args).result()


@contextlib.contextmanager
def loky(workers):
    with loky_executor(workers) as e:
        yield lambda f, *args: e.submit(f, *args).result()


def loky_executor(workers):
    from joblib.externals.loky import ProcessPoolExecutor

    return ProcessPoolExecutor(workers)


@contextlib.contextmanager
def parallel(_):
    """joblib with its maps of numpy arrays; one worker would be this process."""
    from joblib import Parallel, delayed

    with Parallel(n_jobs=2) as p:
        yield lambda f, *args: p([delayed(f)(*args)])[0]


CALLERS = {
    "pool": pool,
    "fork": pool,
    "spawn": functools.partial(pool, method="spawn"),
    "forkserver": functools.partial(pool, method="forkserver"),
    "executor": executor,
    "loky": loky,
    "parallel": parallel,
}


def call(peer, milliseconds):
    """The time of a call, one after the other for N milliseconds."""

    def calls(seconds):
        n, began = 0, now()
        while now() - began < seconds:
            for _ in range(10):
                assert f(nothing) is None
            n += 10
        return (now() - began) / n

    with CALLERS[peer](1) as f:
        calls(milliseconds / 5000)
        return [calls(milliseconds / 1000)]


def idle(peer, n):
    """The median of N calls, each after 10 ms of sleep."""
    with CALLERS[peer](1) as f:
        f(nothing)
        took = []
        for _ in range(n):
            time.sleep(0.01)
            began = now()
            f(nothing)
            took.append(now() - began)
        return [statistics.median(took)]


def start(peer, n):
    """The median of N starts of a worker, up to its first result."""
    took = []
    for _ in range(n + 1):
        began = now()
        with CALLERS[peer](1) as f:
            f(nothing)
            took.append(now() - began)
    return [statistics.median(took[1:])]  # the first starts the server of forks too


def memory(peer, _):
    """The PSS and RSS of an idle worker after its first call."""
    with CALLERS[peer](1) as f:
        pid = f(os.getpid)
        time.sleep(0.1)
        with open(f"/proc/{pid}/smaps_rollup") as rollup:
            sizes = {line.split()[0]: line.split()[1] for line in rollup}
        return [int(sizes[field]) * 1024 for field in ("Pss:", "Rss:")]


# Mapping.


def map_pool(n, chunksize):
    with multiprocessing.Pool(2) as p:
        yield
        yield p.map(nothing, range(n), chunksize)


def map_executor(n):
    with concurrent.futures.ProcessPoolExecutor(2) as e:
        list(e.map(nothing, range(2)))  # it starts its workers no sooner
        yield
        yield list(e.map(nothing, range(n), chunksize=1))


def map_parallel(n):
    from joblib import Parallel, delayed

    with Parallel(n_jobs=2) as p:
        p(delayed(nothing)(i) for i in range(2))
        yield
        yield p(delayed(nothing)(i) for i in range(n))


# Each is a generator that stops twice: when the workers are up, and with the
# results.
MAPS = {
    "pool, one by one": functools.partial(map_pool, chunksize=1),
    "pool": functools.partial(map_pool, chunksize=None),
    "executor": map_executor,
    "parallel": map_parallel,
}


def map_items(peer, n):
    """The time an item of mapping a function that does nothing over N items."""
    steps = MAPS[peer](n)
    next(steps)
    began = now()
    results = next(steps)
    took = now() - began
    assert results == [None] * n
    steps.close()
    return [took / n]


# There and back.


def there_and_back(peer, data):
    """The median time of five round trips of data, after eight that do not count."""
    with CALLERS[peer](1) as f:
        took = []
        for _ in range(13):
            began = now()
            back = f(identity, data)
            took.append(now() - began)
        assert memoryview(back).tobytes() == memoryview(data).tobytes()
        return [statistics.median(took[8:])]


def send_bytes(peer, mebibytes):
    """N MiB of bytes there and back."""
    return there_and_back(peer, random.Random(1).randbytes(mebibytes << 20))


def send_array(peer, mebibytes):
    """N MiB of float64 there and back, in an array of the standard library."""
    import array

    return there_and_back(peer, array.array("d", range(mebibytes << 17)))


def send_numpy(peer, mebibytes):
    """N MiB of float64 there and back, in an array of numpy."""
    import numpy

    return there_and_back(peer, numpy.arange(mebibytes << 17, dtype=float))


# The storm.

WORKERS = 2
KILL_EVERY = 0.02  # seconds
SILENCE = 5  # seconds without a result, after which a pool is taken to hang


def millisecond(tally, i):
    """Keeps the processor busy for a millisecond, and marks task i as done."""
    end = time.monotonic() + 0.001
    while time.monotonic() < end:
        pass
    with open(tally, "r+b", buffering=0) as f:  # a byte for each task
        times = os.pread(f.fileno(), 1, i)[0]
        os.pwrite(f.fileno(), bytes([times + 1]), i)
    return i


class Storm:
    """N tasks of a millisecond, whose workers are killed now and then."""

    def __init__(self, n, kill, limit):
        self.tasks = n
        self.kill = kill
        self.limit = limit  # seconds
        self.results = set()
        self.killed = self.restarts = 0
        self.workers = list  # returns the worker processes of the moment
        self.over = threading.Event()
        self.failure = None
        with tempfile.NamedTemporaryFile(delete=False) as f:
            f.write(bytes(n))
        self.tally = f.name
        self.task = functools.partial(millisecond, self.tally)

    def run(self, peer):
        """Returns once all is done, or the peer hangs, or time is up."""
        self.began = self.last = now()
        for job in (self.shoot, functools.partial(self.work, peer)):
            threading.Thread(target=job, daemon=True).start()
        # A broken pool may hang wherever it likes: but not in this thread.
        self.over.wait(self.limit)
        self.over.set()
        if self.failure:
            raise self.failure
        with open(self.tally, "rb") as f:
            self.done_again = sum(max(0, times - 1) for times in f.read())
        os.remove(self.tally)
        self.rate = len(self.results) / max(self.last - self.began, 1e-9)

    def work(self, peer):
        try:
            STORMS[peer](self)
        except Exception as e:
            self.failure = None if self.over.is_set() else e
        self.over.set()

    def shoot(self):
        while self.kill and not self.over.wait(KILL_EVERY):
            # The pool changes meanwhile: there may be no worker, or it may be gone.
            with contextlib.suppress(IndexError, ProcessLookupError, RuntimeError, ValueError):
                worker = random.choice([w for w in self.workers() if w.is_alive()])
                os.kill(worker.pid, signal.SIGKILL)  # loky's have no method kill
                self.killed += 1

    def result(self, i):
        self.results.add(i)
        self.last = now()


def storm_pool(storm):
    """A pool replaces its workers, but not the tasks that they had."""
    with multiprocessing.Pool(WORKERS) as p:
        storm.workers = lambda: list(p._pool)
        results = p.imap_unordered(storm.task, range(storm.tasks))
        with contextlib.suppress(StopIteration, multiprocessing.TimeoutError):
            while True:
                storm.result(results.next(SILENCE))
        storm.over.set()


def storm_executor(storm, executor=concurrent.futures.ProcessPoolExecutor):
    """An executor breaks when a worker dies: its user starts another one, and
    submits again what has no result."""
    while len(storm.results) < storm.tasks and not storm.over.is_set():
        missing = [i for i in range(storm.tasks) if i not in storm.results]
        with executor(WORKERS) as e:
            storm.workers = lambda: list((e._processes or {}).values())
            if not until_broken(storm, e, missing):
                storm.restarts += 1


def until_broken(storm, e, tasks):
    """Says whether all is done. Few tasks at a time are submitted, so that few
    must be submitted again."""
    finished = queue.SimpleQueue()
    pending, tasks, broken = 0, iter(tasks), False
    while True:
        while pending < 50 and not broken:
            i = next(tasks, None)
            if i is None:
                break
            try:
                e.submit(storm.task, i).add_done_callback(finished.put)
            except BrokenProcessPool:
                broken = True
            else:
                pending += 1
        if pending == 0:
            return not broken
        future = finished.get()
        pending -= 1
        try:
            storm.result(future.result())
        except BrokenProcessPool:
            broken = True


STORMS = {
    "pool": storm_pool,
    "executor": storm_executor,
    "loky": functools.partial(storm_executor, executor=loky_executor),
}


def storm(peer, n):
    """N tasks while workers are killed, for 6 ms each at most: twelve times what
    they take two workers.

    How many have a result, the time to the last of them, the results a second
    beside those of the same peer without kills, the tasks that were done again,
    the workers killed, and the executors that the user had to start again.
    """
    calm = Storm(n // 5, kill=False, limit=20)
    calm.run(peer)
    if len(calm.results) != calm.tasks or calm.restarts:
        raise RuntimeError(
            f"without kills: {len(calm.results)} results of {calm.tasks}"
            f" in {calm.last - calm.began:.1f} s, broken {calm.restarts} times"
        )
    s = Storm(n, kill=True, limit=n * 0.006)
    s.run(peer)
    return [len(s.results), s.last - s.began, s.rate / calm.rate, s.done_again, s.killed, s.restarts]


CASES = {
    "call": call,
    "idle": idle,
    "map": map_items,
    "bytes": send_bytes,
    "array": send_array,
    "numpy": send_numpy,
    "start": start,
    "storm": storm,
    "memory": memory,
}


def in_group(do):
    """Does it in a group of processes, of which nothing is left afterwards, not
    even if this process is killed."""
    out, back = os.pipe()
    alive, held = os.pipe()  # the end that is held closes with this process
    child = os.fork()
    if child == 0:
        os.setpgrp()
        os.close(held)

        def end_with_parent():
            os.read(alive, 1)
            os.killpg(0, signal.SIGTERM)

        threading.Thread(target=end_with_parent, daemon=True).start()
        status = 1
        try:
            os.write(back, json.dumps(do()).encode())
            status = 0
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(status)  # what hangs cannot be joined
    os.close(back)
    try:
        _, status = os.waitpid(child, 0)
    finally:
        # Those that look after the semaphores ignore this, and remove what the
        # others have left.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGTERM)
    if status != 0:
        sys.exit(1)  # it has said why
    with open(out) as f:
        return json.load(f)


def main(case, peer, n):
    do = functools.partial(CASES[case], peer, int(n))
    print(json.dumps(in_group(do) if case == "storm" else do()))


if __name__ == "__main__":
    # Under its own name, as the code of users is: joblib sends the functions of
    # a script as code, which costs it much, and those of a module as names.
    import pools

    pools.main(*sys.argv[1:])
