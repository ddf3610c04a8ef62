"""Ctrl-C in a long call: it ends soon, and nothing is half committed."""

import os
import signal
import subprocess
import sys
import time

import pytest

import arraylog

pytestmark = pytest.mark.skipif(os.name != "posix", reason="SIGINT is sent on POSIX systems only")
SOON = 0.3  # seconds; the call polls for signals every 0.1 s and the machine may be busy

WORKER = """
import gc, sys, time
import arraylog
gc.disable()
path, batch = sys.argv[1], int(sys.argv[2])
items = [(str(number), b"v" * 40) for number in range(2_000_000)]
store = arraylog.open(path, "a")
part = store.partition()
print("ready", flush=True)
begin = time.monotonic()
try:
    part.extend(items, batch=batch)
except KeyboardInterrupt as error:
    end = time.monotonic()
    print(end, end - begin, getattr(error, "committed", None), len(part), flush=True)
else:
    print("finished", flush=True)
part.put("after", b"")
store.close()
import os
os._exit(0)
"""


def interrupted(path, batch, after):
    """Interrupts a worker `after` seconds into its extend; gives delay, `.committed` and the count in the store."""
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(path), str(batch)], stdout=subprocess.PIPE, text=True
    )
    with worker.stdout:
        assert worker.stdout.readline() == "ready\n"
        time.sleep(after)
        sent = time.monotonic()
        worker.send_signal(signal.SIGINT)
        answer = worker.stdout.readline().split()
        worker.stdout.read()
    assert worker.wait(30) == 0
    assert answer != ["finished"], "the extend ended before the signal"
    return float(answer[0]) - sent, answer[2], int(answer[3])


def test_sigint_ends_a_long_extend_soon_and_between_batches(path):
    delay, committed, count = interrupted(path, 1000, 0.4)
    assert 0 <= delay < SOON
    assert count % 1000 == 0
    assert committed in ("None", str(count))
    with arraylog.open(path) as store:
        part = store.partition()
        assert len(part) == count + 1 and list(part)[-1] == "after"


def test_sigint_in_one_long_batch_stores_nothing(path):
    delay, _, count = interrupted(path, 10_000_000, 0.4)
    assert 0 <= delay < SOON
    assert count == 0
    with arraylog.open(path) as store:
        assert list(store.partition()) == ["after"]


def test_sigint_between_calls_leaves_the_store_whole(path, child):
    done = child(
        """
import os, signal, sys, arraylog
with arraylog.open(sys.argv[1], "a") as store:
    part = store.partition()
    try:
        with store.batch() as batch:
            batch.partition().put("k", b"")
            os.kill(os.getpid(), signal.SIGINT)
            batch.partition().put("l", b"")
            for _ in range(1000): pass
    except KeyboardInterrupt:
        part.put("interrupted", b"")
""",
        path,
    )
    assert done.returncode == 0, done.stderr
    with arraylog.open(path) as store:
        assert list(store.partition()) == ["interrupted"]
