"""Readers beside a writer: fixed until they refresh."""

import subprocess
import sys
import time

import numpy as np
import pytest

import arraylog


@pytest.fixture
def reader(store, part, path):
    """A read-only store beside `store`, opened when `part` had one entry."""
    part.put("first", b"1")
    with arraylog.open(path) as reader:
        yield reader


def test_a_reader_is_fixed_until_it_refreshes(part, reader):
    own = reader.partition("argo", "2024-01")
    part.put("second", b"2")
    part.put("first", b"changed")
    assert list(own) == ["first"] and len(own) == 1 and bytes(own.value("first")) == b"1"
    assert reader.refresh() is True
    assert list(own) == ["second", "first"] and bytes(own.value("first")) == b"changed"
    assert reader.refresh() is False


def test_a_reader_sees_new_partitions_after_refresh(store, reader):
    store.partition("new", "p").put("k", b"v")
    assert list(reader) == ["argo"]
    with pytest.raises(KeyError):
        reader["new"]
    assert reader.refresh()
    assert list(reader) == ["argo", "new"] and bytes(reader["new"]["p"].value("k")) == b"v"


def test_a_reader_sees_removals_after_refresh(part, reader):
    own = reader.partition("argo", "2024-01")
    part.remove("first")
    assert "first" in own
    reader.refresh()
    assert "first" not in own and len(own) == 0


def test_a_writer_sees_its_own_commits_at_once(store, part):
    part.put("k", b"1")
    assert bytes(part.value("k")) == b"1"
    assert store.refresh() is False


def test_refresh_follows_growth_beyond_the_mapping(part, reader):
    block = np.arange(1 << 17, dtype="f8")
    own = reader.partition("argo", "2024-01")
    for number in range(30):
        part.write(str(number), {"t": block + number})
        reader.refresh()
        assert own.array(str(number), "t")[5] == 5 + number


def test_values_of_a_reader_outlive_its_refresh(part, reader):
    view = reader.partition("argo", "2024-01").value("first")
    part.put("first", b"2")
    reader.refresh()
    assert bytes(view) == b"1"


def test_a_reader_polls_a_producer_in_another_process(path):
    arraylog.open(path, "a").close()
    producer = subprocess.Popen(
        [
            sys.executable,
            "-c",
            """
import sys, time, arraylog
with arraylog.open(sys.argv[1], "a") as store:
    for number in range(50):
        with store.batch() as batch:
            for each in range(4):
                batch.partition().put(f"{number}-{each}", b"v" * 1000)
        time.sleep(0.002)
    store.partition().put("end", b"")
""",
            str(path),
        ]
    )
    seen = []
    with arraylog.open(path) as reader:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if reader.refresh():
                part = reader.partition()
                seen.append(len(part))
                if "end" in part:
                    break
            time.sleep(0.001)
    assert producer.wait(30) == 0
    assert seen[-1] == 201
    assert all(count % 4 == 0 for count in seen[:-1]) and seen == sorted(seen)
    assert len(seen) > 2
