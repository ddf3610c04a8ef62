"""Changes of parts of entries in batches."""

import threading

import numpy as np
import pytest

import arraylog

GRID = np.arange(70.0).reshape(10, 7)


@pytest.fixture
def cut(part):
    """The grid in chunks, beside the same in one piece and a masked one, between two values."""
    part.put("before", b"")
    masked = np.ma.masked_greater(GRID, 60)
    part.write(
        "k",
        {
            "t": arraylog.array(GRID, chunks=(4, 3), codec="zstd:1"),
            "m": arraylog.array(masked, chunks=(4, 3)),
            "p": GRID,
            "s": ["a", "bc"],
        },
        attrs={"lat": 1.5, "id": "f"},
    )
    part.put("after", b"")
    return part


def inner(batch):
    return batch.partition("argo", "2024-01")


def test_all_changes_of_a_batch_are_seen_together_and_after_reopening(store, cut, states):
    seqno = store.seqno
    with store.batch() as batch:
        p = inner(batch)
        for name in ("t", "m", "p"):
            p.write_region("k", name, np.s_[3:5, ::2], -1.0)
            p.append("k", name, GRID[:2], axis=0)
            p.write_region("k", name, np.s_[-1], np.arange(7.0))
        p.append("k", "s", ["d"])
        p.resize("k", "p", (11, 7))
        p.assign("k", {"new": ("x", [1, 2])}, attrs={"more": [1]}, drop_attrs=["lat"], rename={"s": "text"})
        assert np.array_equal(cut.array("k", "t"), GRID), "not before the block ends"
        assert store.seqno == seqno
    assert batch.seqno == store.seqno == seqno + 1
    grown = np.vstack([GRID, GRID[:2]])
    grown[3:5, ::2] = -1
    grown[-1] = np.arange(7)
    for now in states():
        entry = now["k"]
        assert list(now) == ["before", "k", "after"]
        assert list(entry) == ["t", "m", "p", "text", "new"]
        assert np.array_equal(entry["t"].numpy(), grown) and entry["t"].codec == "zstd:1"
        assert np.array_equal(entry["p"].numpy(), grown[:11])
        mask = entry["m"].mask
        assert np.array_equal(entry["m"].data[~mask], grown[~mask])
        expected = np.vstack([GRID > 60, np.zeros((2, 7), bool)])
        assert np.array_equal(mask, expected), "what was appended is there"
        assert entry["text"][:].tolist() == ["a", "bc", "d"]
        assert dict(entry.attrs) == {"id": "f", "more": [1]}


def test_a_batch_sees_what_it_wrote_renamed_and_removed(store, cut):
    with store.batch() as batch:
        p = inner(batch)
        p.write("new", {"t": arraylog.array(np.zeros(3), chunks=(2,))})
        p.append("new", "t", [1.0, 2.0])
        p.rename("new", "newer")
        p.write_region("newer", "t", 0, 9)
        p.assign("newer", {"u": 1})
        p.rename("k", "l")
        p.write_region("l", "t", np.s_[0, 0], 5)
        p.remove("before")
        p.put("value", b"")
        for key in ("new", "k", "before", "none"):
            with pytest.raises(KeyError):
                p.append(key, "t", [1.0])
            with pytest.raises(KeyError):
                p.assign(key, attrs={"a": 1})
        with pytest.raises(arraylog.KindError):
            p.resize("value", "t", 1)
        with pytest.raises(KeyError, match="v"):
            p.resize("newer", "v", 1)
    assert list(cut) == ["after", "newer", "l", "value"]
    assert cut.array("newer", "t").tolist() == [9, 0, 0, 1, 2] and cut["newer"]["u"].item() == 1
    assert cut.array("l", "t")[0, :2].tolist() == [5, 1]


def test_arrays_that_share_a_dim_grow_together(store, part, reopened):
    part.write("k", {"time": ("time", [0, 1]), "t": arraylog.array(GRID[:2], ("time", "x"), chunks=(1, 7))})
    with pytest.raises(arraylog.ShapeError):
        part.append("k", "time", [2])
    for number in range(2, 10):
        with store.batch() as batch:
            inner(batch).append("k", "time", [number])
            inner(batch).append("k", "t", GRID[number : number + 1])
    with pytest.raises(arraylog.ShapeError, match="(?s)time.*k.*10.*11|time.*k.*11.*10"):
        with store.batch() as batch:
            inner(batch).put("other", b"")
            inner(batch).append("k", "time", [10])
    now = reopened()
    assert list(now) == ["k"], "all or nothing"
    assert now.array("k", "time").tolist() == list(range(10)) and np.array_equal(now.array("k", "t"), GRID)


def test_a_refused_change_leaves_the_batch(store, cut):
    with store.batch() as batch:
        p = inner(batch)
        p.write_region("k", "t", 0, 1.0)
        for error, call in (
            (IndexError, lambda: p.write_region("k", "t", 10, 1.0)),
            (arraylog.ShapeError, lambda: p.write_region("k", "t", 0, [1.0, 2.0])),
            (arraylog.DTypeError, lambda: p.write_region("k", "t", 0, np.float32(1))),
            (arraylog.ShapeError, lambda: p.append("k", "t", GRID[:, :2])),
            (arraylog.ShapeError, lambda: p.append("k", "t", GRID, axis=2)),
            (arraylog.ShapeError, lambda: p.resize("k", "t", (1,))),
            (TypeError, lambda: p.assign("k", drop="t")),
            (KeyError, lambda: p.assign("k", drop=["u"])),
        ):
            with pytest.raises(error):
                call()
        p.put("l", b"")
    assert np.array_equal(cut.array("k", "t"), np.vstack([np.ones(7), GRID[1:]]))
    assert cut["k"].attrs["id"] == "f" and "l" in cut


def test_an_abandoned_batch_leaves_nothing(store, cut):
    version = cut["k"].version
    with pytest.raises(ZeroDivisionError):
        with store.batch() as batch:
            inner(batch).append("k", "t", GRID)
            inner(batch).assign("k", drop=["p"])
            1 / 0
    assert cut["k"].version == version and np.array_equal(cut.array("k", "t"), GRID)
    with pytest.raises(arraylog.ClosedError):
        inner(batch).append("k", "t", GRID)


def test_a_change_by_others_is_a_conflict(store, cut):
    with pytest.raises(arraylog.ConflictError):
        with store.batch() as batch:
            inner(batch).put("l", b"")
            inner(batch).write_region("k", "t", 0, 1.0)
            cut.write_region("k", "t", 1, 2.0)
    with store.batch() as batch:
        inner(batch).write_region("k", "t", 0, 1.0)
        inner(batch).write_region("k", "t", 0, 3.0)
    assert "l" not in cut
    assert cut.array("k", "t")[:2].tolist() == [[3.0] * 7, [2.0] * 7]


def test_counters_that_threads_raise_by_batches_lose_no_step(store, part):
    part.write("k", {"n": arraylog.array(np.zeros(4, int), chunks=(1,)), "log": np.zeros(0, int)})

    def work(number):
        done = 0
        while done < 10:
            try:
                with store.batch() as batch:
                    inner(batch).assign("k", attrs={"by": number})
                    seen = part["k"]  # If it is a later version than that, the commit is refused.
                    inner(batch).append("k", "log", [number])
                    inner(batch).write_region("k", "n", number, int(seen["n"][number]) + 1)
            except arraylog.ConflictError:
                continue
            done += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert part.array("k", "n").tolist() == [10] * 4
    assert sorted(part.array("k", "log").tolist()) == sorted(list(range(4)) * 10)


def test_a_batch_has_no_edit_and_no_reads_of_its_own(store, cut):
    with store.batch() as batch:
        for name in ("edit", "array", "get"):
            assert not hasattr(inner(batch), name)
