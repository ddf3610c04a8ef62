"""Handles in other processes: pickled, forked, in pools."""

import concurrent.futures
import copy
import logging
import multiprocessing
import os
import pickle

import numpy as np
import pytest

import arraylog
from files import digest

METHODS = [
    each
    for each in ("fork", "forkserver", "spawn")
    if each in multiprocessing.get_all_start_methods()
]
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@pytest.fixture
def reader(path):
    """A store opened for reading, with arrays under `k`, a value under `v`."""
    with arraylog.open(path, "a") as store:
        part = store.partition("argo", "2024-01")
        part.write(
            "k",
            {"t": ("x", np.arange(100.0)), "m": np.ma.array([1, 2], mask=[0, 1])},
            attrs={"lat": 1.5},
        )
        part.put("v", b"value")
    with arraylog.open(path) as reader:
        yield reader


@pytest.fixture
def part(reader):
    return reader.partition("argo", "2024-01")


def pickled(handle):
    return pickle.loads(pickle.dumps(handle))


def test_a_reading_store_pickles(reader):
    again = pickled(reader)
    assert again.mode == "r" and list(again) == ["argo"]
    assert bytes(again["argo"]["2024-01"].value("v")) == b"value"
    again.close()
    assert list(reader) == ["argo"]


def test_collection_partition_entry_and_array_pickle(reader, part):
    assert list(pickled(reader["argo"])) == ["2024-01"]
    assert list(pickled(part)) == ["k", "v"]
    entry = pickled(part["k"])
    assert arraylog.equal(entry, part["k"]) and entry.version == part["k"].version
    assert bytes(pickled(part["v"]).value) == b"value"
    assert pickled(part["k"]["t"]).numpy().tolist() == list(range(100))
    assert pickled(part["k"]["m"]).numpy().tolist() == [1, None]


def test_pickled_handles_are_equal_to_their_originals(part):
    assert pickled(part) == part
    assert pickled(part["k"]) == part["k"] and hash(pickled(part["k"])) == hash(part["k"])


def test_an_array_pickles_as_a_reference_and_an_ndarray_as_data(path):
    with arraylog.open(path, "a") as store:
        store.partition().write("k", {"t": np.zeros(100_000)})
    with arraylog.open(path) as reader:
        part = reader.partition()
        assert len(pickle.dumps(part["k"]["t"])) < 2000
        assert len(pickle.dumps(part["k"])) < 2000 and len(pickle.dumps(part)) < 2000
        data = pickle.dumps(part.array("k", "t"))
        assert len(data) > 800_000
    os.unlink(path)
    assert pickle.loads(data).sum() == 0


def test_a_pickle_holds_an_absolute_path(reader, part, monkeypatch, tmp_path):
    monkeypatch.chdir(reader.path if os.path.isdir(reader.path) else os.path.dirname(reader.path))
    with arraylog.open(os.path.basename(reader.path)) as relative:
        data = pickle.dumps(relative.partition("argo", "2024-01"))
    monkeypatch.chdir("/")
    assert list(pickle.loads(data)) == ["k", "v"]


def test_handles_deep_copy(part):
    assert list(copy.deepcopy(part)) == ["k", "v"]


@pytest.mark.parametrize(
    "handle",
    [
        lambda store: store,
        lambda store: store.partition("argo", "2024-01"),
        lambda store: store["argo"],
        lambda store: store.batch(),
    ],
    ids=["store", "partition", "collection", "batch"],
)
def test_a_writable_handle_refuses_to_pickle_and_says_what_to_do(reader, path, handle):
    with arraylog.open(path, "r+") as store:
        with pytest.raises((TypeError, pickle.PicklingError)) as caught:
            pickle.dumps(handle(store))
        assert "open(" in str(caught.value) or isinstance(handle(store), arraylog.Batch)


def test_a_pickle_of_a_memory_store_is_refused():
    with arraylog.open(":memory:", "a") as store:
        with pytest.raises((TypeError, pickle.PicklingError)):
            pickle.dumps(store)


def test_a_pickle_of_a_store_that_is_gone_is_file_not_found(part, path):
    data = pickle.dumps(part)
    os.unlink(path)
    with pytest.raises(FileNotFoundError):
        list(pickle.loads(data))


def test_a_pickle_never_shows_another_store_of_the_same_name(part, path):
    data = pickle.dumps(part)
    entry = pickle.dumps(part["k"])
    with arraylog.open(path, "w") as store:
        store.partition("argo", "2024-01").put("other", b"")
    for pickled in (data, entry):
        with pytest.raises(arraylog.SnapshotGoneError):
            list(pickle.loads(pickled))


@pytest.fixture
def outdated(part, path):
    """Pickles of a partition, an entry and an array of a store that was written to since."""
    pickles = [pickle.dumps(part), pickle.dumps(part["k"]), pickle.dumps(part["k"]["t"])]
    with arraylog.open(path, "r+") as store:
        store.partition("argo", "2024-01").write("k", {"t": np.full(100, -1.0)})
        store.partition("argo", "2024-01").put("new", b"")
    return pickles


def test_a_pickled_partition_shows_the_state_that_it_was_pickled_in(outdated, caplog):
    with caplog.at_level(logging.WARNING, "arraylog"):
        part = pickle.loads(outdated[0])
        assert list(part) == ["k", "v"] and len(part) == 2
        assert part.array("k", "t")[5] == 5.0 and "new" not in part
    assert not caplog.records


def test_a_pickled_entry_and_array_are_the_version_that_was_pickled(outdated):
    entry, array = map(pickle.loads, outdated[1:])
    assert entry["t"][5] == array[5] == 5.0


def test_a_pickled_store_refreshes_and_the_next_one_is_at_its_commit_again(reader, path):
    data = pickle.dumps(reader)
    with arraylog.open(path, "r+") as store:
        store.partition("new", "p").put("k", b"")
        newest = store.seqno
    again = pickle.loads(data)
    assert list(again) == ["argo"] and again.seqno == reader.seqno
    assert again.refresh() is True
    assert list(again) == ["argo", "new"] and again.seqno == newest
    third = pickle.loads(data)
    assert list(third) == ["argo"] and third.seqno == reader.seqno
    assert pickled(again).seqno == newest


def test_an_entry_of_a_history_pickles(path):
    with arraylog.open(path, "a") as store:
        for number in range(5):
            store.partition().put("k", str(number).encode())
        store.partition().remove("k")
    with arraylog.open(path) as reader:
        versions = reader.partition().history("k")
        assert versions[0].removed and len(versions) == 6
        values = [bytes(pickled(version.entry)) for version in versions[1:]]
    assert values == [b"4", b"3", b"2", b"1", b"0"]


def test_a_pickle_of_a_commit_that_the_file_lost_is_a_snapshot_that_is_gone(path, tmp_path):
    with arraylog.open(path, "a") as store:
        store.partition().put("k", b"1")
        store.sync()
        earlier = path.read_bytes()
        store.partition().put("l", b"2")
    with arraylog.open(path) as reader:
        data, entry = pickle.dumps(reader.partition()), pickle.dumps(reader.partition()["l"])
    path.write_bytes(earlier)
    for lost in (data, entry):
        with pytest.raises(arraylog.SnapshotGoneError, match="commit 2"):
            again = pickle.loads(lost)
            len(again) if isinstance(again, arraylog.Partition) else again.value
    with arraylog.open(path) as reader:
        assert list(pickled(reader.partition())) == ["k"]


def look(handle):
    """Everything that a worker reads through a handle."""
    if isinstance(handle, arraylog.Store):
        handle = handle["argo"]["2024-01"]
    if isinstance(handle, arraylog.Partition):
        return os.getpid(), handle.array("k", "t").sum(), bytes(handle.value("v"))
    if isinstance(handle, arraylog.Entry):
        return os.getpid(), handle["t"].numpy().sum(), b"value"
    return os.getpid(), handle.numpy().sum(), b"value"


@pytest.mark.parametrize("method", METHODS)
def test_pools_read_through_handles(reader, part, method):
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        for pid, total, value in pool.map(look, [reader, part, part["k"], part["k"]["t"]] * 2):
            assert pid != os.getpid() and total == 4950.0 and value == b"value"


def forked(work):
    """Runs `work` in a forked child; gives what it returned or the exception that it raised."""
    receiver, sender = multiprocessing.get_context("fork").Pipe(duplex=False)
    pid = os.fork()
    if pid == 0:
        try:
            sender.send(work())
        except BaseException as error:
            sender.send(error)
        finally:
            os._exit(0)
    answer = receiver.recv() if receiver.poll(30) else TimeoutError("the child did not answer")
    os.waitpid(pid, 0)
    return answer


@needs_fork
def test_reads_work_in_a_forked_child(reader, part):
    entry, view = part["k"], part.array("k", "t")
    assert forked(
        lambda: (
            part.array("k", "t").sum(),
            entry["t"].numpy().sum(),
            view.sum(),
            bytes(part.value("v")),
        )
    ) == (4950.0, 4950.0, 4950.0, b"value")


@needs_fork
def test_reads_of_a_writable_store_work_in_a_forked_child(path):
    with arraylog.open(path, "a") as store:
        part = store.partition()
        part.put("k", b"v")
        assert forked(lambda: (list(part), bytes(part.value("k")))) == (["k"], b"v")


@needs_fork
@pytest.mark.parametrize(
    "write",
    [
        lambda store: store.partition().put("new", b""),
        lambda store: store.partition().write("new", {"t": 1.0}),
        lambda store: store.partition().remove("k"),
        lambda store: store.partition().clear(),
        lambda store: store.partition().extend([("new", b"")]),
        lambda store: store.partition().rename("k", "new"),
        lambda store: store.sync(),
        lambda store: store.checkpoint(),
        lambda store: store.compact(),
    ],
    ids=["put", "write", "remove", "clear", "extend", "rename", "sync", "checkpoint", "compact"],
)
def test_writes_in_a_forked_child_raise_and_name_both_processes(path, write):
    with arraylog.open(path, "a") as store:
        store.partition().put("k", b"v")
        before = digest(path)

        def work():
            try:
                write(store)
            except arraylog.ForkedError as error:
                return os.getpid(), str(error)
            return None

        child, message = forked(work)
        assert str(child) in message and str(os.getpid()) in message
        assert digest(path) == before
        write(store)


@needs_fork
def test_a_batch_of_the_parent_commits_only_there(path):
    with arraylog.open(path, "a") as store:
        with store.batch() as batch:
            batch.partition().put("k", b"v")

            def work():
                with pytest.raises(arraylog.ForkedError):
                    batch.__exit__(None, None, None)
                return "refused"

            before = digest(path)
            assert forked(work) == "refused"
            assert digest(path) == before
        assert list(store.partition()) == ["k"]


@needs_fork
def test_nothing_is_flushed_when_a_forked_child_ends(child, path):
    done = child(
        """
import gc, hashlib, os, sys, warnings
import arraylog
warnings.simplefilter("ignore", ResourceWarning)
def digest():
    return hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest()
for ending in ("exit", "collect", "close"):
    store = arraylog.open(sys.argv[1], "a")
    part = store.partition()
    part.put(ending, b"v" * 1000)
    batch = store.batch()
    batch.__enter__()
    batch.partition().put(ending + " batch", b"v")
    before = digest()
    pid = os.fork()
    if pid == 0:
        if ending == "close":
            try:
                store.close()
            except arraylog.ForkedError:
                pass
        elif ending == "collect":
            del batch, part, store
            gc.collect()
        sys.exit(0)
    assert os.waitpid(pid, 0)[1] == 0, ending
    assert digest() == before, ending
    part.put(ending + " after", b"v")
    batch.__exit__(None, None, None)
    store.close()
""",
        path,
    )
    assert done.returncode == 0, done.stderr
    with arraylog.open(path) as store:
        assert len(store.partition()) == 9


@needs_fork
def test_the_lock_stays_with_the_parent(path):
    def another(folder=path):
        try:
            arraylog.open(folder, "a").close()
        except arraylog.LockedError:
            return "locked"
        return "open"

    with arraylog.open(path, "a") as store:
        store.partition().put("k", b"v")
        assert forked(another) == "locked"
        assert forked(lambda: [store.path]) == [store.path]
        with pytest.raises(arraylog.LockedError):
            arraylog.open(path, "a")
    assert forked(another) == "open"
    arraylog.open(path, "a").close()


@needs_fork
def test_a_child_may_open_the_store_anew_when_the_parent_closed_it(path):
    arraylog.open(path, "a").close()

    def work():
        with arraylog.open(path, "a") as store:
            store.partition().put("k", b"child")

    assert forked(work) is None
    with arraylog.open(path) as store:
        assert bytes(store.partition().value("k")) == b"child"
