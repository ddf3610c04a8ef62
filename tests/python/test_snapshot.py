"""Snapshots: a store as it was at a commit, here and in other processes."""

import concurrent.futures
import multiprocessing
import os
import pickle
import threading

import numpy as np
import pytest

import arraylog


def shown(snapshot):
    """Everything that a store or snapshot holds."""
    return {
        name: {
            partition: {key: bytes(entry) for key, entry in part.items()}
            for partition, part in collection.items()
        }
        for name, collection in snapshot.items()
    }


@pytest.fixture
def first(store, part):
    """What `store` shows after two commits."""
    part.put("a", b"1")
    part.put("b", b"1")
    return shown(store)


def change(store, part):
    part.put("a", b"2")
    part.remove("b")
    part.put("c", b"2")
    store.partition("other", "p").put("k", b"")


def test_a_snapshot_stays_as_it_was_while_writing_goes_on(store, part, first):
    snapshot = store.snapshot()
    entry = snapshot["argo"]["2024-01"]["a"]
    change(store, part)
    assert shown(snapshot) == first and snapshot.seqno == 2
    own = snapshot.partition("argo", "2024-01")
    assert len(own) == 2 and list(own) == ["a", "b"] and "c" not in own
    assert bytes(own.get_many(["b"])[0]) == b"1" and bytes(entry) == b"1"
    assert [bytes(version.entry) for version in own.history("a")] == [b"1"]
    store.drop("argo")
    assert shown(snapshot) == first and list(store) == ["other"]


def test_a_snapshot_outlives_its_store(store, part, first):
    snapshot = store.snapshot()
    change(store, part)
    store.close()
    assert not snapshot.closed and shown(snapshot) == first


def test_each_commit_is_found_again_by_its_seqno(store, part, path):
    states = {store.seqno: shown(store)}
    for number in range(20):
        part.put(str(number % 5), str(number).encode())
        if number % 7 == 0:
            part.remove(str(number % 5))
            store.checkpoint()
            states.pop(store.seqno - 1, None)
        states[store.seqno] = shown(store)
    for seqno, state in states.items():
        assert shown(store.at(seqno)) == state and store.at(seqno).seqno == seqno
    snapshot = store.at(6)
    assert shown(snapshot.at(3)) == states[3]
    with arraylog.open(path) as reader:
        assert shown(reader.at(4)) == states[4]


@pytest.mark.parametrize("seqno", [3, 2**63, -1, 2**64])
def test_a_commit_that_is_not_there_is_invalid(store, first, seqno):
    with pytest.raises(arraylog.InvalidError):
        store.at(seqno)
    assert shown(store.at(np.int64(2))) == first


@pytest.mark.parametrize("seqno", ["2", 1.0, None])
def test_a_seqno_is_an_integer(store, first, seqno):
    with pytest.raises(TypeError):
        store.at(seqno)


def test_a_snapshot_is_a_context_and_its_end_closes_it_alone(store, part, first):
    with store.snapshot() as snapshot:
        own = snapshot.partition("argo", "2024-01")
        entry = own["a"]
        assert isinstance(snapshot, arraylog.Snapshot)
    assert snapshot.closed and not store.closed
    for use in (lambda: list(snapshot), lambda: list(own), snapshot.__enter__):
        with pytest.raises(arraylog.ClosedError):
            use()
    assert bytes(entry) == b"1" and shown(store) == first
    snapshot.close()


def test_a_store_is_a_snapshot_that_writes(store, first):
    assert isinstance(store, arraylog.Snapshot)
    assert not isinstance(store.snapshot(), arraylog.Store)
    assert store.snapshot().path == store.path and store.snapshot().generation == 0


WRITES = {
    "put": lambda snapshot, part: part.put("k", b""),
    "write": lambda snapshot, part: part.write("k", {"t": 1.0}),
    "setitem": lambda snapshot, part: part.__setitem__("k", b""),
    "update": lambda snapshot, part: part.update({"k": b""}),
    "extend": lambda snapshot, part: part.extend([("k", b"")]),
    "remove": lambda snapshot, part: part.remove("a"),
    "clear": lambda snapshot, part: part.clear(),
    "attrs": lambda snapshot, part: part.attrs.update(a=1),
    "attrs of the store": lambda snapshot, part: snapshot.attrs.update(a=1),
}


@pytest.mark.parametrize("name", WRITES)
def test_writes_through_a_snapshot_are_refused(store, part, first, name):
    snapshot = store.snapshot()
    with pytest.raises(arraylog.ReadOnlyError):
        WRITES[name](snapshot, snapshot.partition("argo", "2024-01"))
    assert shown(snapshot) == shown(store) == first
    WRITES[name](store, part)


def test_a_snapshot_has_no_verbs_of_a_store(store, first):
    snapshot = store.snapshot()
    for name in ("batch", "sync", "refresh", "checkpoint", "drop", "create_partition", "snapshot"):
        assert hasattr(store, name) and not hasattr(snapshot, name), name
    with pytest.raises(KeyError):
        snapshot.partition("argo", "2024-02")
    with pytest.raises(KeyError, match="argo"):
        snapshot["argp"]


def test_attributes_of_a_snapshot_are_those_of_its_commit(store, part, first):
    store.attrs["title"] = "old"
    store["argo"].attrs["n"] = 1
    part.attrs["m"] = 1
    snapshot = store.snapshot()
    store.attrs["title"] = "new"
    store["argo"].attrs["n"] = 2
    part.attrs["m"] = 2
    assert dict(snapshot.attrs) == {"title": "old"} and dict(snapshot["argo"].attrs) == {"n": 1}
    assert dict(snapshot["argo"]["2024-01"].attrs) == {"m": 1}


def test_a_snapshot_of_a_reader_stays_when_the_reader_moves(store, part, first, path):
    with arraylog.open(path) as reader:
        snapshot = reader.snapshot()
        change(store, part)
        assert reader.refresh() and shown(reader) == shown(store)
        assert shown(snapshot) == first


def test_a_snapshot_of_a_writer_pickles(store, part, first):
    snapshot = store.snapshot()
    handles = [snapshot, snapshot["argo"], snapshot["argo"]["2024-01"], snapshot["argo"]["2024-01"]["a"]]
    change(store, part)
    again = [pickle.loads(pickle.dumps(handle)) for handle in handles]
    assert type(again[0]) is arraylog.Snapshot
    assert shown(again[0]) == first and again[0].seqno == 2
    assert list(again[1]) == ["2024-01"] and list(again[2]) == ["a", "b"] and bytes(again[3]) == b"1"
    assert again[1:] == handles[1:]
    assert shown(pickle.loads(pickle.dumps(store.at(1)))) == {"argo": {"2024-01": {"a": b"1"}}}


def test_a_snapshot_of_a_store_in_memory_does_not_pickle():
    with arraylog.open(":memory:", "a") as store:
        store.partition().put("k", b"v")
        snapshot = store.snapshot()
        with pytest.raises(pickle.PicklingError):
            pickle.dumps(snapshot)
    assert bytes(snapshot.partition().value("k")) == b"v"


def test_a_pickled_snapshot_of_a_file_that_was_replaced_is_gone(store, first, path):
    data = pickle.dumps(store.snapshot())
    store.close()
    with arraylog.open(path, "w") as other:
        for number in range(3):
            other.partition("argo", "2024-01").put("a", b"other")
        with pytest.raises(arraylog.SnapshotGoneError):
            list(pickle.loads(data))
        assert len(pickle.loads(pickle.dumps(other.snapshot()))) == 1


def keys_of(snapshot):
    return os.getpid(), shown(snapshot)


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_pools_read_a_snapshot_while_its_store_writes(store, part, first, method):
    snapshot = store.snapshot()
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        change(store, part)
        for pid, state in pool.map(keys_of, [snapshot] * 4):
            assert pid != os.getpid() and state == first


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_snapshot_works_in_a_forked_child_and_can_be_taken_there(store, part, first):
    snapshot = store.snapshot()
    change(store, part)
    expected = shown(store)
    pid = os.fork()
    if pid == 0:
        try:
            fine = shown(snapshot) == first and shown(store.snapshot()) == expected
            os._exit(0 if fine else 1)
        finally:
            os._exit(2)
    assert os.waitpid(pid, 0)[1] == 0


def test_threads_read_one_snapshot_while_others_write(store, part):
    for number in range(100):
        part.put(str(number), b"0")
    snapshot = store.snapshot()
    expected, stop, failures = shown(snapshot), threading.Event(), []

    def write():
        for number in range(2000):
            part.put(str(number % 150), str(number).encode())
            if number % 500 == 0:
                store.checkpoint()
        stop.set()

    def read():
        while not stop.is_set():
            if shown(snapshot) != expected:
                failures.append("changed")

    threads = [threading.Thread(target=each) for each in (write, read, read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures and shown(snapshot) == expected and len(part) == 150


def test_a_checkpoint_saves_the_index_for_the_next_opening(store, part, path):
    for number in range(100):
        part.put(str(number), b"v")
    with arraylog.open(path) as reader:
        assert reader.recovery.checkpoint == 0 and reader.recovery.records >= 100
    assert store.checkpoint() is True
    assert store.checkpoint() is False
    part.put("last", b"v")
    with arraylog.open(path) as reader:
        found = reader.recovery
        assert (found.checkpoint, found.commits, found.records, found.passed_over) == (100, 1, 1, [])
        assert len(reader.partition("argo", "2024-01")) == 101
    with arraylog.open(path, scan=True) as reader:
        assert reader.recovery.checkpoint == 0 and reader.recovery.commits == 101
        assert len(reader.partition("argo", "2024-01")) == 101


def test_a_reader_takes_no_checkpoint(store, first, path):
    with arraylog.open(path) as reader, pytest.raises(arraylog.ReadOnlyError):
        reader.checkpoint()
    assert store.checkpoint()


def test_a_snapshot_says_what_it_is(store, part, first):
    snapshot = store.snapshot()
    assert "Snapshot" in repr(snapshot) and "seqno=2" in repr(snapshot)
    assert snapshot == snapshot and snapshot != store.snapshot() and len({snapshot, store}) == 2
    assert "not opened yet" in repr(pickle.loads(pickle.dumps(snapshot)))
    snapshot.close()
    assert "closed" in repr(snapshot)
