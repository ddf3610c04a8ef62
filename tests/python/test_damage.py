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


def test_an_attribute_that_is_damaged_is_left_behind_and_the_rest_of_its_entry_comes(tmp_path):
    path = tmp_path / "a.alog"
    note = "a long note " * 20_000
    with arraylog.open(path, "x") as store:
        arrays = {"deep": np.full(40_000, 7.5), "flat": np.full(30_000, 2.5)}
        store.partition().write("float", arrays, attrs={"lat": 1.5, "note": note, "short": "text"})
    content = bytearray(path.read_bytes())
    content[content.index(b"a long note a long note ") + 100_000] ^= 1
    path.write_bytes(content)
    with arraylog.open_degraded(path) as store:
        done = store.salvage(tmp_path / "b.alog")
    assert (done.entries, done.partial) == (1, 1)
    (left,) = done.damage
    assert (left.key, left.arrays) == ("float", [])
    assert left.detail.endswith("left behind: attribute note")
    with arraylog.open(tmp_path / "b.alog") as copy:
        entry = copy.partition()["float"]
        assert entry.attrs == {"lat": 1.5, "short": "text"}
        assert np.array_equal(entry["deep"], arrays["deep"]) and np.array_equal(entry["flat"], arrays["flat"])


@pytest.mark.parametrize("at", [600, 4200, 9000, 12288, 12288 + 41, 15000])
def test_header_pages_that_break_their_promise_are_damage(tmp_path, at):
    path = tmp_path / "a.alog"
    with arraylog.open(path, "x") as store:
        store.partition().put("key", b"value")
    content = bytearray(path.read_bytes())
    content[at] ^= 0x10
    path.write_bytes(content)
    with arraylog.open(path) as store:
        found = store.verify()
        assert not found.sound
        (hit,) = found.damage
        assert hit.part == "header" and hit.at <= at < hit.end and not hit.is_loss
        assert store.partition().value("key") == b"value"
