"""Damaged files: verified, opened as far as they hold, salvaged."""

import numpy as np
import pytest

import arraylog
from files import digest


@pytest.fixture
def damaged(tmp_path):
    """A closed store in which one small value and a block of one large array is damaged."""
    path = tmp_path / "a.alog"
    with arraylog.open(path, "x") as store:
        part = store.partition("argo", "2024")
        for number in range(20):
            part.put(f"key {number}", f"value {number} ".encode() * 9)
        part.write("float", {"deep": np.full(40_000, 7.5), "flat": np.full(30_000, 2.5)}, attrs={"lat": 1.5})
    content = path.read_bytes()
    small = content.index(b"value 7 value 7")
    large = content.index(np.full(8, 2.5).tobytes()) + 90_000
    content = bytearray(content)
    content[small] ^= 1
    content[large] ^= 1
    path.write_bytes(content)
    return path, small, large


def test_damage_is_named_with_its_place_partition_key_and_array(damaged):
    path, small, large = damaged
    before = digest(path)
    with arraylog.open_degraded(path) as store:
        told = []
        found = store.verify(progress=lambda done, total: told.append((done, total)))
    assert not found.sound
    assert [each.key for each in found.damage] == ["key 7", "float"]
    first, second = found.damage
    assert first.at <= small < first.end and second.at <= large < second.end
    assert (first.collection, first.partition, first.arrays) == ("argo", "2024", [])
    assert second.arrays == ["flat"] and second.part == "entry" and second.is_loss
    assert digest(path) == before


def test_what_holds_is_served_and_what_does_not_is_an_error(damaged):
    path, *_ = damaged
    with arraylog.open_degraded(path) as store:
        part = store.partition("argo", "2024")
        assert len(part) == 21
        assert bytes(part.value("key 6")) == b"value 6 " * 9
        with pytest.raises(arraylog.CorruptionError):
            part.value("key 7")
        assert part.array("float", "deep")[39_999] == 7.5
        with pytest.raises(arraylog.CorruptionError):
            part.array("float", "flat")
        assert "key 20" not in part
        with pytest.raises(arraylog.ReadOnlyError):
            part.put("key 7", b"again")
        assert [each.key for each in store.recovery.damage] == ["key 7"]


def test_salvage_copies_what_holds_and_tells_what_it_left(damaged, tmp_path):
    path, *_ = damaged
    before = digest(path)
    with arraylog.open_degraded(path) as store:
        done = store.salvage(tmp_path / "b.alog")
        with pytest.raises(FileExistsError):
            store.salvage(tmp_path / "b.alog")
        store.salvage(tmp_path / "b.alog", replace=True)
    assert (done.entries, done.partial) == (20, 1)
    assert [(each.key, each.arrays) for each in done.damage] == [("key 7", []), ("float", ["flat"])]
    with arraylog.open(tmp_path / "b.alog") as copy:
        part = copy.partition("argo", "2024")
        assert sorted(part) == sorted(["float", *(f"key {n}" for n in range(20) if n != 7)])
        assert part["float"].attrs == {"lat": 1.5}
        assert list(part["float"]) == ["deep"]
        assert copy.verify().sound
    assert digest(path) == before


def test_a_store_that_is_sound_says_so_while_it_is_written(tmp_path):
    with arraylog.open(tmp_path / "a.alog", "x") as store:
        store.partition().put("key", b"value")
        found = store.verify(threads=2)
        assert found.sound and found.records >= 1
        with pytest.raises(ValueError, match="at least 1"):
            store.verify(threads=0)


def test_what_progress_raises_stops_verification(tmp_path):
    def stop(done, total):
        raise KeyError("enough")

    with arraylog.open(tmp_path / "a.alog", "x") as store:
        store.partition().put("key", b"value")
        with pytest.raises(KeyError, match="enough"):
            store.verify(progress=stop)
