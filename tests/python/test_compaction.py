"""Usage, compaction and backup."""

import json
import multiprocessing
import pickle
import subprocess
import sys

import numpy as np
import pytest

import arraylog
from files import digest


@pytest.fixture
def half_dead(store, part):
    """`store` with 20 values of 100 KiB, each written twice; gives its partition."""
    for _ in range(2):
        for number in range(20):
            part.put(str(number), bytes([number]) * 102_400)
    return part


def contents(part):
    return {key: bytes(entry) for key, entry in part.items()}


def test_usage_adds_up_and_tells_what_compaction_would_free(store, half_dead):
    usage = store.usage()
    assert usage.live_bytes + usage.index_bytes + usage.dead_bytes + usage.header_bytes == usage.file_bytes
    assert 2_000_000 < usage.reclaimable_bytes < 2_200_000 and usage.held_bytes == 0
    assert usage.frame_bytes is None
    [each] = usage.partitions
    assert (each.collection, each.partition, each.entries) == ("argo", "2024-01", 20)
    assert each.dead_bytes is None and each.live_bytes > 2_000_000
    assert each.probes is None and each.segments == 0
    store.checkpoint()
    assert store.usage().partitions[0].probes >= 1
    detailed = store.usage(detailed=True)
    assert detailed.frame_bytes > 0 and detailed.partitions[0].dead_bytes > 2_000_000
    assert detailed.partitions[0].probes >= 1 and detailed.partitions[0].segments == 1
    assert json.loads(json.dumps(detailed.to_dict()))["partitions"][0]["entries"] == 20


def test_a_snapshot_and_a_reader_tell_their_usage(store, half_dead, path):
    before = store.snapshot()
    half_dead.clear()
    assert store.usage().partitions[0].entries == 0
    assert before.usage().partitions[0].entries == 20
    with arraylog.open(path) as reader:
        assert reader.usage() == store.usage()


def test_compaction_frees_what_is_dead_and_handles_go_on(store, half_dead, path):
    before, size = contents(half_dead), path.stat().st_size
    freed = store.compact()
    assert freed > 2_000_000 and path.stat().st_size <= size - freed + 4096
    assert contents(half_dead) == before and store.generation == 1
    half_dead.put("after", b"v")
    assert store.usage().reclaimable_bytes < 100_000
    store.close()
    with arraylog.open(path) as reader:
        assert contents(reader["argo"]["2024-01"]) == {**before, "after": b"v"}


def test_views_and_snapshots_from_before_stay_and_are_told_of(store, half_dead):
    view, entry, snapshot = half_dead.value("1"), half_dead["2"], store.snapshot()
    seqno, before = store.seqno, contents(half_dead)
    half_dead.put("3", b"new")
    store.compact()
    assert bytes(view) == bytes([1]) * 102_400 and bytes(entry) == bytes([2]) * 102_400
    assert contents(snapshot.partition("argo", "2024-01")) == before and snapshot.seqno == seqno
    assert store.usage().held_generations == 1 and store.usage().held_bytes > 4_000_000
    del view, entry, snapshot
    assert store.usage().held_generations == 0


def test_past_commits_go_but_for_those_that_were_to_be_kept(store, part):
    for number in range(10):
        part.put("k", str(number).encode())
    snapshot = store.at(7)
    store.compact(keep=snapshot)
    assert bytes(store.at(7).partition("argo", "2024-01").value("k")) == b"6"
    assert bytes(store.at(8).partition("argo", "2024-01").value("k")) == b"7"
    store.compact(keep=9)
    with pytest.raises(arraylog.SnapshotGoneError):
        store.at(8)
    assert bytes(store.at(9).partition("argo", "2024-01").value("k")) == b"8"
    store.compact()
    with pytest.raises(arraylog.SnapshotGoneError):
        store.at(9)
    assert bytes(store.at(10).partition("argo", "2024-01").value("k")) == b"9"


def test_pickles_from_before_a_compaction_are_gone_and_new_ones_work(store, half_dead, path):
    with arraylog.open(path) as reader:
        own = reader.partition("argo", "2024-01")
        handles = [reader, own, own["1"], store.snapshot()]
        old = [pickle.dumps(handle) for handle in handles]
        store.compact()
        for data in old:
            with pytest.raises(arraylog.SnapshotGoneError):
                again = pickle.loads(data)
                again.value if isinstance(again, arraylog.Entry) else len(again)
        assert reader.refresh() is True and reader.generation == 1
        for handle in (reader, own, own["1"], store.snapshot()):
            again = pickle.loads(pickle.dumps(handle))
            assert bytes(again) if isinstance(again, arraylog.Entry) else len(again) > 0


def test_entries_from_before_a_compaction_are_other_versions(store, half_dead):
    before = half_dead["1"]
    store.compact()
    assert before != half_dead["1"] and arraylog.equal(before, half_dead["1"])
    with pytest.raises(arraylog.ConflictError):
        half_dead.put("1", b"", if_version=before.version)
    half_dead.put("1", b"", if_version=half_dead["1"].version)


def test_progress_is_told_of_bytes_and_ends_with_all(store, half_dead, tmp_path):
    for work in (store.compact, lambda **options: store.backup(tmp_path / "b.alog", **options)):
        told = []
        work(progress=lambda done, total: told.append((done, total)))
        assert told == sorted(told) and all(done <= total for done, total in told)
        assert told[-1][0] > 1_000_000


@pytest.mark.parametrize("name", ["compact", "backup"])
def test_what_progress_raises_stops_the_work_and_leaves_the_store(store, half_dead, name, tmp_path):
    store.sync()
    before, there = digest(store.path), sorted(tmp_path.iterdir())

    def stop(done, total):
        raise ZeroDivisionError("stop")

    work = {"compact": store.compact, "backup": lambda **options: store.backup(tmp_path / "b", **options)}
    with pytest.raises(ZeroDivisionError, match="stop"):
        work[name](progress=stop)
    assert digest(store.path) == before and sorted(tmp_path.iterdir()) == there
    half_dead.put("after", b"v")
    work[name](progress=lambda done, total: None)
    assert len(half_dead) == 21


def test_progress_true_draws_a_bar(store, half_dead, tmp_path, capfd):
    pytest.importorskip("tqdm")
    store.compact(progress=True)
    store.backup(tmp_path / "b.alog", progress=True)
    assert "B" in capfd.readouterr().err


@pytest.mark.parametrize("throttle", [0, -1, 2**64])
def test_a_throttle_is_a_number_of_bytes(store, half_dead, throttle):
    with pytest.raises(arraylog.InvalidError, match="throttle"):
        store.compact(throttle=throttle)
    store.compact(throttle=1 << 40)


def test_small_arrays_are_encoded_at_the_level_that_compaction_is_asked_for(store, path):
    store.create_partition("c", "series", codec="zstd:3")
    series = np.random.default_rng(5).normal(0, 0.15, (2000, 256)).cumsum(axis=1).round(1).astype("f4")
    with store.batch() as batch:
        for number, values in enumerate(series):
            batch.partition("c", "series").write(f"{number}", {"t": values})
    store.compact()
    usual = path.stat().st_size
    store.compact(dictionaries=False, level=19)
    assert b"zstd:19" not in path.read_bytes()
    store.compact(level=19)
    assert path.stat().st_size < usual
    assert path.read_bytes().count(b"zstd:19") == 2000
    for number, values in enumerate(series):
        assert np.array_equal(store.partition("c", "series").array(f"{number}", "t"), values)


@pytest.mark.parametrize("level", [0, 23, -1, 1 << 40])
def test_a_level_that_zstd_does_not_have_is_refused(store, half_dead, level):
    with pytest.raises(arraylog.InvalidError, match="is 1 to 22"):
        store.compact(level=level)
    with pytest.raises(TypeError):
        store.compact(level="19")


def test_a_reader_does_not_compact(store, half_dead, path):
    with arraylog.open(path) as reader, pytest.raises(arraylog.ReadOnlyError):
        reader.compact()
    assert not hasattr(store.snapshot(), "compact")
    store.compact()


def test_a_backup_is_a_store_of_its_own_as_of_one_commit(store, half_dead, tmp_path):
    before = contents(half_dead)
    store.attrs["title"] = "t"
    done = store.backup(tmp_path / "copy.alog")
    half_dead.put("after", b"v")
    assert (done.seqno, done.entries) == (store.seqno - 1, 20)
    assert done.file_bytes == (tmp_path / "copy.alog").stat().st_size < 2_200_000
    with arraylog.open(tmp_path / "copy.alog", "r+") as copy:
        assert contents(copy["argo"]["2024-01"]) == before and copy.attrs["title"] == "t"
        assert copy.seqno == done.seqno
        copy.partition("argo", "2024-01").put("own", b"")
    assert "own" not in half_dead


def test_a_snapshot_is_backed_up_as_it_was(store, part, tmp_path):
    part.put("k", b"1")
    snapshot = store.snapshot()
    part.put("k", b"2")
    assert snapshot.backup(bytes(tmp_path / "copy.alog")).seqno == 1
    with arraylog.open(tmp_path / "copy.alog") as copy:
        assert bytes(copy["argo"]["2024-01"].value("k")) == b"1"


def test_a_backup_replaces_only_a_store_and_only_if_asked(store, half_dead, tmp_path):
    target = tmp_path / "copy.alog"
    store.backup(target)
    half_dead.put("after", b"v")
    with pytest.raises(FileExistsError):
        store.backup(target)
    store.backup(target, replace=True)
    with arraylog.open(target) as copy:
        assert len(copy["argo"]["2024-01"]) == 21
    (tmp_path / "text").write_bytes(b"text")
    with pytest.raises(arraylog.NotAStoreError):
        store.backup(tmp_path / "text", replace=True)
    assert (tmp_path / "text").read_bytes() == b"text"
    with pytest.raises(arraylog.InvalidError):
        store.backup(store.path, replace=True)
    with arraylog.open(target, "a"), pytest.raises(arraylog.LockedError):
        store.backup(target, replace=True)


def test_a_store_in_memory_is_backed_up_to_a_file(tmp_path):
    with arraylog.open(":memory:", "a") as store:
        store.partition().write("k", {"t": np.arange(3.0)})
        store.backup(tmp_path / "copy.alog")
    with arraylog.open(tmp_path / "copy.alog") as copy:
        assert copy.partition().array("k", "t").tolist() == [0, 1, 2]


def reading(path, started, go_on):
    with arraylog.open(path) as reader:
        part = reader.partition("argo", "2024-01")
        before = contents(part)
        started.set()
        assert go_on.wait(30)
        changed = reader.refresh()
        assert changed and reader.generation == 1 and contents(part) == before


def test_a_reader_in_another_process_goes_on_with_the_next_generation(store, half_dead, path):
    context = multiprocessing.get_context("spawn")
    started, go_on = context.Event(), context.Event()
    child = context.Process(target=reading, args=(path, started, go_on))
    child.start()
    assert started.wait(30)
    store.compact()
    go_on.set()
    child.join(30)
    assert child.exitcode == 0


def test_an_interrupt_stops_a_throttled_compaction_and_the_store_is_as_it_was(store, half_dead, path):
    store.close()
    before = digest(path)
    source = """
import signal, sys, threading, time, arraylog
store = arraylog.open(sys.argv[1], "r+")
threading.Timer(0.3, signal.raise_signal, [signal.SIGINT]).start()
started = time.monotonic()
try:
    store.compact(throttle=100_000)
except KeyboardInterrupt:
    print(len(store["argo"]["2024-01"]), time.monotonic() - started < 10)
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", source, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "20 True\n", done.stderr
    with arraylog.open(path) as reader:
        assert reader.generation == 0 and len(reader["argo"]["2024-01"]) == 20
    assert len(before) > 0
