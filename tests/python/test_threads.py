"""Threads: reading while one writes, and only whole batches are seen."""

import sys
import threading
import time

import numpy as np
import pytest

import arraylog


@pytest.fixture
def eager():
    """Threads that take turns a hundred times as often as usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-5)
    yield
    sys.setswitchinterval(before)


class Readers:
    """Threads that run `look` until the block ends; the first failure is raised then."""

    def __init__(self, look, count=3):
        self.failures, self.rounds, self.stop = [], [0] * count, threading.Event()
        self.threads = [
            threading.Thread(target=self.run, args=(look, number)) for number in range(count)
        ]

    def run(self, look, number):
        try:
            while not self.stop.is_set():
                look()
                self.rounds[number] += 1
        except BaseException as error:
            self.failures.append(error)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *exc):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        if self.failures:
            raise self.failures[0]
        if exc[0] is None:
            assert all(self.rounds), "a reader never finished a round"


def test_readers_see_whole_batches_only(store, part, eager):
    def look():
        keys = list(part)
        assert len(keys) % 10 == 0 and keys == [str(number) for number in range(len(keys))]
        assert len(part) % 10 == 0

    with Readers(look):
        for start in range(0, 2000, 10):
            with store.batch() as batch:
                inner = batch.partition("argo", "2024-01")
                for number in range(start, start + 10):
                    inner.put(str(number), b"v")
    assert len(part) == 2000


def test_readers_never_see_half_an_entry(part, eager):
    def write(number):
        part.write(
            "k", {"a": np.full(300, number), "b": np.full(300, -number)}, attrs={"n": number}
        )

    def look():
        entry = part["k"]
        a, b, n = entry["a"].numpy(), entry["b"].numpy(), entry.attrs["n"]
        assert (a == n).all() and (b == -n).all()
        assert len(set(part.array("k", "a").tolist())) == 1

    write(0)
    with Readers(look):
        for number in range(1, 1000):
            write(number)


def test_a_key_that_is_overwritten_is_never_absent(part, eager):
    def look():
        assert "k" in part and len(part) == 1 and list(part) == ["k"]
        assert len(part.value("k")) > 0

    part.put("k", b"v")
    with Readers(look):
        for number in range(2000):
            part.put("k", b"v" * (number % 50 + 1))


def test_many_threads_write_to_one_store(store):
    def fill(name):
        part = store.partition("c", name)
        for number in range(200):
            part.put(str(number), name.encode())
            part.write(f"a{number}", {"t": np.full(20, number)})

    threads = [threading.Thread(target=fill, args=(name,)) for name in "abcdef"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in "abcdef":
        part = store["c"][name]
        assert len(part) == 400
        assert all(bytes(part.value(str(number))) == name.encode() for number in range(200))
        assert (part.array("a199", "t") == 199).all()


def test_growth_of_the_store_moves_no_reader(part, eager):
    block = np.arange(20_000, dtype="f8")

    def look():
        for key in list(part)[-3:]:
            array = part.array(key, "t")
            assert array[7] == 7 and array[-1] == 19_999

    part.write("first", {"t": block})
    with Readers(look):
        for number in range(200):
            part.write(str(number), {"t": block})


def test_closing_while_others_read_ends_them_with_a_value_error(path):
    store = arraylog.open(path, "a")
    part = store.partition()
    part.update({str(number): b"value" for number in range(100)})
    errors = []

    def read():
        try:
            while True:
                for key in part:
                    assert bytes(part.value(key)) == b"value"
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    store.close()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert [type(error) for error in errors] == [arraylog.ClosedError] * 3


def test_other_threads_run_during_a_large_write(part):
    block = np.zeros(48 << 20, "u1")
    ticks = []
    stop = threading.Event()

    def tick():
        while not stop.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    begin = time.monotonic()
    part.write("k", {"t": block})
    end = time.monotonic()
    stop.set()
    thread.join()
    inside = [at for at in ticks if begin < at < end]
    assert len(inside) >= 2 or end - begin < 0.01
