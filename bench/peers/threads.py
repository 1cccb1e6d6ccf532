"""Takes the results of many small tasks from a pool of threads.

    python3 threads.py SUBMITTERS BATCHES BATCH_SIZE

Each of so many threads hands over so many batches of tasks, and takes the results
of each batch before the next. It prints an array of JSON with the seconds a task.
What comes back is checked.
"""

import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

WORKERS = 2


def task(i):
    if i < 0:
        raise ValueError(f"task {i}: no such task")
    return i + 1


def submit_batches(pool, batches, size):
    for _ in range(batches):
        futures = [pool.submit(task, i) for i in range(size)]
        assert sum(f.result() for f in futures) == size * (size + 1) // 2


def main(submitters, batches, size):
    failures = []

    def submitter():
        try:
            submit_batches(pool, batches, size)
        except BaseException as e:
            failures.append(e)

    with ThreadPoolExecutor(WORKERS) as pool:
        submit_batches(pool, 1, size)  # the workers start
        threads = [threading.Thread(target=submitter) for _ in range(submitters)]
        began = time.perf_counter()
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        took = time.perf_counter() - began
    if failures:
        raise failures[0]
    print(json.dumps([took / (submitters * batches * size)]))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
