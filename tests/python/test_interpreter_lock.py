"""What encodes and decodes lets other threads of Python run meanwhile."""

import sys
import threading
import time

import numpy as np
import pytest

import arraylog

DATA = np.arange(8_000_000, dtype="i4") // 3
# Seconds of processors that a call has to take without the lock; each takes several times as many.
WORK = 0.004


def others_time():
    """Seconds of processors that all other threads of this process took."""
    return time.process_time() - time.thread_time()


def works_without_the_lock(call):
    """Whether `call` works while another thread has the lock of the interpreter.

    As long as the interval between turns is an hour, nobody takes the lock from a thread
    that has it: the other one gets it if the call lets go of it, and keeps it then. What
    time the other threads take meanwhile, they take without the lock; so what is found is
    so, however busy the machine is. Only if the other thread wakes up too late it is not
    seen.
    """
    gate, done, seen = threading.Lock(), [], []

    def look():
        with gate:
            start, end = others_time(), time.monotonic() + 0.5
            # No call of this loop lets go of the lock.
            while not done and not seen and time.monotonic() < end:
                if others_time() - start > WORK:
                    seen.append(True)

    other = threading.Thread(target=look)
    interval = sys.getswitchinterval()
    with gate:
        other.start()
        time.sleep(0.01)
        sys.setswitchinterval(3600)
    try:
        call()
        done.append(True)
    finally:
        sys.setswitchinterval(interval)
    other.join()
    return bool(seen)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with arraylog.open(tmp_path_factory.mktemp("lock") / "t.alog", "a") as store:
        arrays = {
            "whole": arraylog.array(DATA, codec="zstd:3"),
            "cut": arraylog.array(DATA, chunks=(1 << 20,), codec="shuffle+lz4"),
            "numbers": arraylog.array(DATA, codec="pco"),
        }
        store.partition().write("k", arrays)
        yield store


CALLS = {
    "all of an encoded array": lambda part: part.array("k", "whole"),
    "all of an array of pco": lambda part: part.array("k", "numbers"),
    "all chunks": lambda part: part.array("k", "cut"),
    "an array of an entry": lambda part: part["k"]["whole"].numpy(),
    "many arrays": lambda part: part.get_many(["k", "k"], "cut"),
    "a part of chunks": lambda part: part["k"]["cut"][5:7_000_000],
    "stats": lambda part: part["k"]["whole"].stats,
    "write": lambda part: part.write("l", {"t": arraylog.array(DATA, codec="zstd:3")}),
    "write chunks": lambda part: part.write("l", {"t": arraylog.array(DATA, codec="zstd:3", chunks="auto")}),
    "write a part": lambda part: part.write_region("k", "whole", slice(0, 2), DATA[:2]),
    "write a part of chunks": lambda part: part.write_region("k", "cut", slice(5, 7_000_000), DATA[5:7_000_000]),
    "append": lambda part: part.append("k", "cut", DATA[:5_000_000]),
    "resize": lambda part: part.resize("k", "whole", 7_000_000),
    "assign": lambda part: part.assign("k", {"whole": arraylog.array(DATA, codec="zstd:3")}),
}


@pytest.mark.parametrize("name", CALLS)
def test_other_threads_run_while_arrays_are_encoded_and_decoded(store, name):
    part = store.partition()
    # Modules that are loaded at the first use let go of the lock too.
    CALLS[name](part)
    assert any(works_without_the_lock(lambda: CALLS[name](part)) for _ in range(20))


def test_other_threads_run_while_a_batch_encodes(store):
    def write():
        with store.batch() as batch:
            batch.partition().write("l", {"t": arraylog.array(DATA, codec="zstd:3")})

    write()
    assert any(works_without_the_lock(write) for _ in range(20))


@pytest.mark.parametrize("pause", [None, 0.05])
def test_a_call_that_keeps_the_lock_is_found_out(pause):
    """Also one that lets go of it and works when it has it again."""
    numbers = list(range(300_000))

    def call():
        if pause:
            time.sleep(pause)
        return [number % 7 for number in numbers]

    for _ in range(3):
        begin = time.thread_time()
        assert not works_without_the_lock(call)
        assert time.thread_time() - begin > WORK
