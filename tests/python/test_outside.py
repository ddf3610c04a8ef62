"""What is seen of a store from outside, what it is told, and who follows it."""

import logging
import pickle
import os
import threading

import pytest

import arraylog


def of_arraylog(caplog, level):
    return [each.getMessage() for each in caplog.records if each.name == "arraylog" and each.levelno == level]


def test_a_reader_that_follows_sees_each_commit_at_its_next_lookup(path):
    with arraylog.open(path, "a") as store:
        part = store.partition("c", "p")
        part.put("a", b"1")
        with arraylog.open(path, follow=True) as follower, arraylog.open(path) as fixed:
            seen, stays = follower.partition("c", "p"), fixed.partition("c", "p")
            for number in range(50):
                part.put("a", b"%d" % number)
                assert bytes(seen.value("a")) == b"%d" % number
            part.put("b", b"")
            assert "b" in seen and len(seen) == 2 and list(seen) == ["a", "b"]
            store.partition("d", "p").put("k", b"")
            assert list(follower) == ["c", "d"] and "p" in follower["d"]
            assert not follower.refresh()
            assert list(stays) == ["a"] and bytes(stays.value("a")) == b"1" and list(fixed) == ["c"]


def test_handles_of_a_follower_pickle_with_what_they_show(path):
    with arraylog.open(path, "a") as writer:
        writer.partition().put("k", b"1")
        with arraylog.open(path, follow=True) as follower:
            part = follower.partition()
            assert bytes(part["k"]) == b"1"
            writer.partition().put("k", b"2")
            entry = part["k"]
            assert bytes(entry) == b"2"
            assert bytes(pickle.loads(pickle.dumps(entry))) == b"2"
            assert bytes(pickle.loads(pickle.dumps(part))["k"]) == b"2"


def test_an_iteration_of_a_follower_stays_as_it_began(path):
    with arraylog.open(path, "a") as store:
        part = store.partition()
        part.put("a", b"")
        with arraylog.open(path, follow=True) as follower:
            keys = iter(follower.partition())
            part.put("b", b"")
            assert list(keys) == ["a"]


@pytest.mark.parametrize("io", ["mmap", "read"])
def test_a_follower_goes_on_when_another_process_compacts(path, child, io):
    with arraylog.open(path, "a") as store:
        store.partition().update({str(number): b"old" for number in range(100)})
    source = """
import sys, arraylog
with arraylog.open(sys.argv[1], "r+") as store:
    part = store.partition()
    store.compact()
    part.put("1", b"new")
    store.compact()
    part.put("more", b"")
"""
    with arraylog.open(path, follow=True, io=io) as follower, arraylog.open(path, io=io) as fixed:
        part, old = follower.partition(), fixed.partition()
        held = part["1"]
        done = child(source, path)
        assert done.returncode == 0, done.stderr
        assert bytes(part.value("1")) == b"new" and len(part) == 101 and "more" in part
        assert follower.generation == 2 and bytes(held) == b"old"
        assert bytes(pickle.loads(pickle.dumps(part["1"]))) == b"new"
        assert bytes(old.value("1")) == b"old" and fixed.generation == 0
        assert fixed.refresh() and bytes(old.value("1")) == b"new"


@pytest.mark.parametrize("mode", ["r+", "a", "w", "x"])
def test_a_writer_has_nobody_to_follow(path, mode):
    with pytest.raises(ValueError, match="follow"):
        arraylog.open(path, mode, follow=True)
    assert not path.exists()


def test_counters_say_what_was_done(path):
    with arraylog.open(path, "a") as store:
        assert set(store.counters().values()) == {0}
        store.partition().put("a", b"1")
        with store.batch(durability="synced") as batch:
            batch.partition().put("b", b"2")
        found = store.counters()
        assert (found["commits"], found["syncs"]) == (2, 1)
        assert found["bytes_written"] > 0 and found["checkpoints"] == 0
    with arraylog.open(path) as store:
        assert store.counters()["commits"] == 0


def test_threads_that_commit_durably_share_syncs(path):
    with arraylog.open(path, "a", durability="synced") as store:
        part = store.partition()
        part.put("first", b"")

        def work(name):
            for number in range(10):
                part.put(f"{name} {number}", b"")

        threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        found = store.counters()
        assert len(part) == 81 and found["commits"] == 81 and found["syncs"] <= 81


@pytest.mark.parametrize("io", ["mmap", "read"])
def test_advice_and_prefetching_change_no_answer(path, io):
    with arraylog.open(path, "a") as store:
        store.partition().put("a", bytes(100_000))
    with arraylog.open(path, io=io) as store:
        part = store.partition()
        for advice in ("normal", "random", "sequential", "willneed"):
            store.advise(advice)
            part.prefetch()
            part.prefetch(["a", "absent", b"a"])
            assert bytes(part.value("a")) == bytes(100_000)
        with pytest.raises(ValueError, match="advice='soon'"):
            store.advise("soon")
        with pytest.raises(TypeError):
            part.prefetch([3])
    with pytest.raises(arraylog.ClosedError):
        store.advise("random")


def test_events_arrive_in_logging_with_their_levels(path, caplog):
    with caplog.at_level(logging.DEBUG, "arraylog"):
        with arraylog.open(path, "a") as store:
            part = store.partition()
            part.update({str(number): bytes(1000) for number in range(100)})
        assert any("checkpoint" in each for each in of_arraylog(caplog, logging.INFO))
        caplog.clear()
        arraylog.open(path).close()
        assert any("replayed" in each for each in of_arraylog(caplog, logging.DEBUG))
        assert not of_arraylog(caplog, logging.WARNING)


def test_a_handler_that_writes_to_a_store_is_no_trouble(path, tmp_path, caplog):
    with arraylog.open(tmp_path / "log.alog", "a") as own:
        part = own.partition()

        class Handler(logging.Handler):
            def emit(self, record):
                part.put(record.getMessage(), b"")

        logger, handler = logging.getLogger("arraylog"), Handler()
        logger.addHandler(handler)
        try:
            with caplog.at_level(logging.DEBUG, "arraylog"):
                with arraylog.open(path, "a") as store:
                    store.partition().put("a", bytes(100_000))
        finally:
            logger.removeHandler(handler)
        assert any("replayed" in key for key in part)


def test_a_handler_that_raises_spoils_no_call(path, monkeypatch):
    reported = []
    monkeypatch.setattr("sys.unraisablehook", reported.append)
    logger = logging.getLogger("arraylog")

    class Handler(logging.Handler):
        def emit(self, record):
            raise RuntimeError("no room")

    handler = Handler()
    logger.addHandler(handler)
    old = logger.level
    logger.setLevel(logging.DEBUG)
    try:
        with arraylog.open(path, "a") as store:
            store.partition().put("a", b"1")
    finally:
        logger.setLevel(old)
        logger.removeHandler(handler)
    assert reported
    with arraylog.open(path) as store:
        assert bytes(store.partition().value("a")) == b"1"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_nothing_is_said_without_a_logger(path, capfd):
    with arraylog.open(path, "a") as store:
        store.partition().put("a", bytes(100_000))
    arraylog.open(path).close()
    assert capfd.readouterr() == ("", "")
