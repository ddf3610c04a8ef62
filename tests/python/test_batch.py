"""Batches: all of it or nothing, explicit, from any thread."""

import os
import threading

import numpy as np
import pytest

import arraylog


@pytest.fixture
def before(part):
    """`part` with the value `old` under the key `old`."""
    part.put("old", b"old")
    return part


def inner(batch):
    return batch.partition("argo", "2024-01")


def test_a_batch_is_visible_when_its_block_ends_and_not_before(store, before, path):
    with arraylog.open(path) as reader:
        with store.batch() as batch:
            p = inner(batch)
            p.put("v", b"value")
            p.write("a", {"t": ("x", np.arange(3))}, attrs={"lat": 1.5})
            p.remove("old")
            assert list(before) == ["old"] and "v" not in before
            assert not reader.refresh()
        assert list(before) == ["v", "a"]
        assert before["a"].attrs["lat"] == 1.5
        assert reader.refresh()
        assert list(reader.partition("argo", "2024-01")) == ["v", "a"]


def test_a_batch_over_many_partitions_is_one_commit(store, path):
    store.partition("first", "p").put("k", b"")
    with arraylog.open(path) as reader:
        with store.batch() as batch:
            for number in range(5):
                batch.partition("c", str(number)).put("k", str(number).encode())
            assert list(store) == ["first"]
        assert batch.seqno is not None
        assert list(store["c"]) == list("01234")
        reader.refresh()
        assert list(reader["c"]) == list("01234")


def test_the_seqno_is_set_by_the_commit_and_grows(store):
    seen = []
    for _ in range(3):
        with store.batch() as batch:
            assert batch.seqno is None
            batch.partition().put("k", b"")
        seen.append(batch.seqno)
    assert all(type(each) is int for each in seen)
    assert seen == sorted(set(seen))


def test_a_batch_without_names_goes_to_the_default_partition(store):
    with store.batch() as batch:
        batch.partition().put("k", b"v")
    assert bytes(store.partition().value("k")) == b"v"


class Stop(BaseException):
    """Not an Exception, as KeyboardInterrupt is not."""


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit, Stop])
def test_any_exception_stores_nothing_and_goes_on(store, before, path, kind):
    with pytest.raises(kind, match="mine"):
        with store.batch() as batch:
            inner(batch).put("new", b"new")
            inner(batch).remove("old")
            batch.partition("other", "p").put("k", b"")
            raise kind("mine")
    assert batch.seqno is None
    assert list(before) == ["old"] and list(store) == ["argo"]
    before.put("after", b"")
    store.close()
    with arraylog.open(path) as again:
        assert list(again["argo"]["2024-01"]) == ["old", "after"] and list(again) == ["argo"]


def test_a_refused_call_leaves_the_rest_of_the_batch(store, before):
    with store.batch() as batch:
        p = inner(batch)
        p.put("1", b"one")
        with pytest.raises(TypeError):
            p.put("2", "text")
        with pytest.raises(TypeError):
            p.write("2", {"t": None})
        p.put("3", b"three")
    assert list(before) == ["old", "1", "3"]


def test_use_after_the_block_is_a_value_error(store, before):
    with store.batch() as batch:
        p = inner(batch)
        p.put("k", b"")
    for misuse in (
        lambda: p.put("l", b""),
        lambda: p.write("l", {"t": 1.0}),
        lambda: p.remove("k"),
        lambda: p.rename("k", "l"),
        lambda: inner(batch),
        lambda: batch.__enter__(),
    ):
        with pytest.raises(ValueError):
            misuse()
    assert list(before) == ["old", "k"]


def test_use_after_a_failed_block_is_a_value_error(store, before):
    with pytest.raises(RuntimeError):
        with store.batch() as batch:
            p = inner(batch)
            raise RuntimeError
    with pytest.raises(ValueError):
        p.put("k", b"")
    assert list(before) == ["old"]


def test_a_batch_has_no_reading_methods(store, before):
    with store.batch() as batch:
        p = inner(batch)
        p.put("f", b"")
        for name in ("value", "array", "get", "keys", "values", "items", "get_many", "dataset"):
            assert not hasattr(p, name), name
        with pytest.raises((TypeError, AttributeError)):
            p["f"]
        with pytest.raises(TypeError):
            iter(p)
        with pytest.raises(TypeError):
            "f" in p  # noqa: B015
    assert "f" in before


def test_remove_answers_for_the_store_with_the_batch_laid_over_it(store, before):
    with store.batch() as batch:
        p = inner(batch)
        assert p.remove("absent") is False
        assert p.remove("old") is True
        assert p.remove("old") is False
        p.put("new", b"")
        assert p.remove("new") is True
        assert p.remove("new") is False
        p.put("old", b"again")
        assert "old" in before
    assert {key: bytes(before.value(key)) for key in before} == {"old": b"again"}


def test_rename_in_a_batch_follows_the_batch(store, before):
    with store.batch() as batch:
        p = inner(batch)
        p.put("1", b"one")
        p.rename("1", "2")
        p.rename("old", "3")
        with pytest.raises(KeyError):
            p.rename("1", "4")
        with pytest.raises(arraylog.ConflictError):
            p.rename("2", "3")
        p.rename("2", "3", overwrite=True)
    assert {key: bytes(before.value(key)) for key in before} == {"3": b"one"}


def test_the_last_of_two_puts_wins_and_one_entry_is_visible(store, before):
    with store.batch() as batch:
        p = inner(batch)
        p.put("k", b"one")
        p.write("k", {"t": 1.0})
        p.put("k", b"three")
    assert list(before) == ["old", "k"] and len(before) == 2
    assert bytes(before.value("k")) == b"three"


def test_order_in_a_batch_is_that_of_the_calls(store, before):
    with store.batch() as batch:
        p = inner(batch)
        for key in "cab":
            p.put(key, b"")
        p.put("c", b"again")
    assert list(before) == ["old", "a", "b", "c"]


def test_writes_outside_are_commits_of_their_own(store, before):
    with pytest.raises(RuntimeError):
        with store.batch() as batch:
            inner(batch).put("inside", b"")
            before.put("outside", b"")
            assert "outside" in before and "inside" not in before
            raise RuntimeError
    assert list(before) == ["old", "outside"]


def test_batches_are_independent(store, before):
    with store.batch() as outer:
        inner(outer).put("outer", b"")
        with pytest.raises(RuntimeError):
            with store.batch() as failing:
                inner(failing).put("failing", b"")
                raise RuntimeError
        with store.batch() as nested:
            inner(nested).put("nested", b"")
        assert list(before) == ["old", "nested"]
    assert list(before) == ["old", "nested", "outer"]


def test_one_batch_may_be_filled_from_many_threads(store, before):
    def fill(p, name):
        for number in range(100):
            p.put(f"{name}-{number}", f"{name}-{number}".encode())

    with store.batch() as batch:
        threads = [threading.Thread(target=fill, args=(inner(batch), name)) for name in "abcdefgh"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(before) == 1
    assert len(before) == 801
    for name in "abcdefgh":
        own = [key for key in before if key.startswith(name)]
        assert own == [f"{name}-{number}" for number in range(100)]
        assert bytes(before.value(f"{name}-99")) == f"{name}-99".encode()


def test_batches_of_many_threads_are_whole(store):
    def work(name):
        for number in range(20):
            with store.batch() as batch:
                for each in range(5):
                    batch.partition().put(f"{name}-{number}-{each}", b"v")

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    keys = list(store.partition())
    assert len(keys) == 400
    groups = [key.rsplit("-", 1)[0] for key in keys[::5]]
    assert keys == [f"{group}-{each}" for group in groups for each in range(5)]


def test_an_empty_batch_commits_nothing(store, before, path):
    with arraylog.open(path) as reader:
        with store.batch():
            pass
        assert not reader.refresh()
    assert list(before) == ["old"]


def test_a_large_batch_is_one_commit(store, path):
    block = np.random.default_rng(1).bytes(1 << 20)
    with store.batch() as batch:
        for number in range(40):
            batch.partition().put(str(number), block)
        assert len(store.partition()) == 0
    store.close()
    with arraylog.open(path) as again:
        assert len(again.partition()) == 40
        assert all(again.partition().value(str(number)) == block for number in range(40))


@pytest.mark.parametrize("durability", ["buffered", "synced", None])
def test_a_batch_has_a_durability_of_its_own(store, before, durability):
    with store.batch(durability=durability) as batch:
        inner(batch).put("k", b"")
    assert "k" in before


def test_an_unknown_durability_names_the_known_ones(store):
    with pytest.raises(ValueError, match="synced"):
        store.batch(durability="fsync")


def test_a_batch_of_a_closed_store_is_a_value_error(store, before, path):
    batch = store.batch()
    store.close()
    with pytest.raises(ValueError):
        with batch:
            inner(batch).put("k", b"")
    with pytest.raises(ValueError):
        store.batch()
    with arraylog.open(path) as again:
        assert list(again["argo"]["2024-01"]) == ["old"]


def test_the_commit_fails_when_the_store_was_closed_inside(store, before, path):
    with pytest.raises(ValueError):
        with store.batch() as batch:
            inner(batch).put("k", b"")
            store.close()
    with arraylog.open(path) as again:
        assert list(again["argo"]["2024-01"]) == ["old"]


def test_a_batch_copies_entries(store, before):
    before.write("a", {"t": ("x", np.arange(3))}, attrs={"lat": 1.5})
    with store.batch() as batch:
        p = inner(batch)
        p.write("b", before["a"], attrs=before["a"].attrs)
    assert before["b"]["t"].numpy().tolist() == [0, 1, 2] and before["b"]["t"].dims == ("x",)


def test_a_batch_that_is_dropped_stores_nothing(store, before):
    batch = store.batch()
    del batch
    assert list(before) == ["old"]


FULL_DISK = """
import os, resource, sys, arraylog
path = sys.argv[1]
with arraylog.open(path, "a") as store:
    part = store.partition()
    part.put("before", b"v")
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize(path) + 100_000, unlimited[1]))
    try:
        with store.batch() as batch:
            batch.partition().put("small", b"v")
            batch.partition().put("large", bytes(50_000_000))
            batch.partition().remove("before")
    except OSError as error:
        assert isinstance(error, arraylog.NotCommittedError), repr(error)
        assert error.errno is not None, repr(error)
    else:
        sys.exit("the commit did not fail")
    assert batch.seqno is None
    assert list(part) == ["before"]
    try:
        part.put("large", bytes(50_000_000))
    except arraylog.NotCommittedError:
        pass
    resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    part.put("after", b"v")
    assert list(part) == ["before", "after"]
"""


@pytest.mark.skipif(
    os.name != "posix", reason="a limit of the file's size is set on POSIX systems only"
)
def test_a_commit_that_fails_on_a_full_disk_leaves_nothing_and_the_store_goes_on(path, child):
    done = child(FULL_DISK, path)
    assert done.returncode == 0, done.stderr
    with arraylog.open(path) as again:
        assert list(again.partition()) == ["before", "after"]
