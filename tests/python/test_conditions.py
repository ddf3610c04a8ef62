"""Conditional writes: if_absent and if_version."""

import threading

import numpy as np
import pytest

import arraylog


def test_if_absent_stores_once(part):
    part.put("k", b"1", if_absent=True)
    first = part["k"].version
    with pytest.raises(arraylog.ConflictError) as caught:
        part.write("k", {"t": 1.0}, if_absent=True)
    assert caught.value.key == "k"
    assert caught.value.expected == "no entry"
    assert caught.value.found == f"version {first}"
    assert bytes(part["k"]) == b"1" and part["k"].version == first
    part.remove("k")
    part.write("k", {"t": 1.0}, if_absent=True)
    assert part.array("k", "t") == 1.0


def test_if_version_replaces_that_version_and_no_other(part, reopened):
    part.put("k", b"1")
    first = part["k"].version
    assert isinstance(first, int)
    part.put("k", b"2", if_version=first)
    second = part["k"].version
    for write in (
        lambda: part.put("k", b"3", if_version=first),
        lambda: part.write("k", {"t": 1.0}, if_version=first),
        lambda: part.remove("k", if_version=first),
        lambda: part.put("absent", b"", if_version=first),
    ):
        with pytest.raises(arraylog.ConflictError):
            write()
    assert bytes(part["k"]) == b"2" and list(part) == ["k"]
    part.write("k", {"t": 1.0}, if_version=second)
    assert part.remove("k", if_version=part["k"].version)
    part.put("k", b"4")
    version = part["k"].version
    assert reopened()["k"].version == version


@pytest.mark.parametrize("version", [-1, 2**64])
def test_a_number_that_is_no_version_is_a_value_error(part, version):
    with pytest.raises(ValueError, match="if_version"):
        part.put("k", b"", if_version=version)
    with pytest.raises(arraylog.ConflictError):
        part.put("k", b"", if_version=2**64 - 1)
    assert len(part) == 0


def test_conditions_of_the_wrong_kind_are_refused(part):
    with pytest.raises(TypeError, match="entry.version"):
        part.put("k", b"", if_version="1")
    with pytest.raises(ValueError, match="if_absent"):
        part.put("k", b"", if_absent=True, if_version=1)
    assert len(part) == 0


def test_a_batch_whose_condition_fails_stores_nothing(store, part):
    part.put("a", b"1")
    version = part["a"].version

    def fill():
        with store.batch() as batch:
            inner = batch.partition("argo", "2024-01")
            inner.put("other", b"")
            inner.write("a", {"t": np.arange(3.0)}, if_version=version)
            inner.put("b", b"", if_absent=True)
        return batch.seqno

    assert fill() == store.seqno
    assert list(part) == ["other", "a", "b"]
    part.remove_many(["other", "b"])
    before = store.seqno
    with pytest.raises(arraylog.ConflictError) as caught:
        fill()
    assert caught.value.key == "a"
    assert list(part) == ["a"] and store.seqno == before


def test_a_batch_answers_for_its_own_writes_at_the_call(store, part):
    with store.batch() as batch:
        inner = batch.partition("argo", "2024-01")
        inner.put("k", b"1", if_absent=True)
        with pytest.raises(arraylog.ConflictError, match="the same batch"):
            inner.put("k", b"2", if_absent=True)
        assert inner.remove("k")
        inner.put("k", b"3", if_absent=True)
    assert bytes(part["k"]) == b"3"


def test_of_threads_that_put_an_absent_key_one_wins(part):
    barrier, wins = threading.Barrier(2), []

    def run(name):
        for number in range(200):
            barrier.wait()
            try:
                part.put(str(number), name, if_absent=True)
            except arraylog.ConflictError:
                continue
            wins.append((number, name))

    threads = [threading.Thread(target=run, args=(name,)) for name in (b"a", b"b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(number for number, _ in wins) == list(range(200))
    assert all(bytes(part[str(number)]) == name for number, name in wins)


def test_setdefault_of_threads_gives_all_the_same(part):
    barrier, seen = threading.Barrier(4), []

    def run(name):
        barrier.wait()
        seen.append(bytes(part.setdefault("k", name)))

    threads = [threading.Thread(target=run, args=(b"%d" % number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [bytes(part["k"])] * 4


def test_remove_many_counts_what_was_there_in_one_commit(store, part):
    part.update({"a": b"", "b": b"", "c": b""})
    before = store.seqno
    assert part.remove_many(iter(["a", b"c", "absent", "a"])) == 2
    assert list(part) == ["b"] and store.seqno == before + 1
    assert part.remove_many([]) == 0
    for one in ("b", b"b"):
        with pytest.raises(TypeError, match="iterable of keys"):
            part.remove_many(one)
    assert list(part) == ["b"]
