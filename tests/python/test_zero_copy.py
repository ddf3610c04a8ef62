"""Reads without a copy: where the bytes lie, and that they outlive everything."""

import gc
import os

import numpy as np
import pytest

import arraylog
from files import MAPS, address, mapped_file, same_file
from samples import FIXED, NUMBERS, TIMES, sample

needs_maps = pytest.mark.skipif(not MAPS.exists(), reason="this system has no /proc/self/maps")
LARGE = np.arange(1000.0)


def views(part):
    """Every way to one array without a copy."""
    return {
        "array": part.array("k", "t"),
        "asarray": np.asarray(part["k"]["t"]),
        "numpy": part["k"]["t"].numpy(),
        "data": part["k"]["t"].data,
        "slice": part["k"]["t"][10:20],
        "to_dict": part["k"].to_dict()["t"],
        "index": part["k"]["t"][()],
        "asarray without a copy": np.asarray(part["k"]["t"], copy=False),
        "frombuffer": np.frombuffer(part["k"]["t"]),
        "memoryview": np.asarray(memoryview(part["k"]["t"])),
    }


@needs_maps
def test_every_view_lies_in_the_mapping_of_this_file_just_written(part, path):
    part.write("k", {"t": LARGE})
    for way, view in views(part).items():
        assert same_file(mapped_file(address(view)), path), way
        assert not view.flags.owndata and not view.flags.writeable, way


@needs_maps
def test_every_view_lies_in_the_mapping_of_this_file_reopened(part, reopened, path):
    part.write("k", {"t": LARGE})
    for way, view in views(reopened()).items():
        assert same_file(mapped_file(address(view)), path), way
        assert not view.flags.owndata and not view.flags.writeable, way


@needs_maps
@pytest.mark.parametrize("dtype", [*NUMBERS, *TIMES, *FIXED])
@pytest.mark.parametrize("shape", [(), (2,), (500,), (300, 500)], ids=str)
def test_every_fixed_width_dtype_is_read_without_a_copy(part, path, dtype, shape):
    part.write("k", {"t": sample(dtype, shape)})
    for view in (part.array("k", "t"), np.asarray(part["k"]["t"]), part["k"]["t"].data):
        assert same_file(mapped_file(address(view)), path)
        assert not view.flags.owndata and not view.flags.writeable


@needs_maps
@pytest.mark.parametrize("size", [1, 8, 300, 70_000, 3_000_000])
def test_a_value_lies_in_the_mapping_of_this_file(part, states, path, size):
    part.put("k", (bytes(range(1, 101)) * (size // 100 + 1))[:size])
    for now in states():
        for view in (now.value("k"), now["k"].value, memoryview(now["k"])):
            assert same_file(mapped_file(address(view)), path)


@needs_maps
def test_a_copy_lies_elsewhere(part, path):
    part.write("k", {"t": LARGE})
    for copy in (
        part.array("k", "t", copy=True),
        np.array(part["k"]["t"]),
        part["k"]["t"].numpy(copy=True),
    ):
        assert not same_file(mapped_file(address(copy)), path)
        assert copy.flags.owndata and copy.flags.writeable


@needs_maps
def test_a_store_opened_for_reading_by_copies_maps_no_data(path):
    with arraylog.open(path, "a", io="read") as store:
        store.partition().write("k", {"t": LARGE})
    with arraylog.open(path, io="read") as store:
        view = store.partition().array("k", "t")
        assert np.array_equal(view, LARGE) and not view.flags.writeable
        assert not same_file(mapped_file(address(view)), path)


@pytest.mark.parametrize(
    "nbytes, alignment", [(256, 64), (70_000, 64), (1 << 20, 4096), (5 << 20, 4096)]
)
def test_large_arrays_start_on_their_alignment(part, states, nbytes, alignment):
    part.write("k", {"n": 1, "t": np.zeros(nbytes, "u1"), "m": 2, "u": np.ones(nbytes, "u1")})
    for now in states():
        for name in "tu":
            assert address(now.array("k", name)) % alignment == 0


def test_views_are_read_only_in_every_way(part):
    part.write("k", {"t": LARGE})
    for view in views(part).values():
        with pytest.raises(ValueError, match="read-only"):
            view[0] = 1
        with pytest.raises(ValueError):
            view.flags.writeable = True


class _Held:
    """Views of one entry and one value, and what they must go on showing."""

    def __init__(self, part):
        part.write(
            "k",
            {"t": LARGE, "m": np.ma.array(LARGE, mask=LARGE < 5), "s": ["a", "bc"]},
            attrs={"lat": 1.5},
        )
        part.put("v", b"value" * 1000)
        self.entry, self.array = part["k"], part["k"]["t"]
        self.masked, self.strings = part["k"]["m"], part["k"]["s"]
        self.view, self.slice, self.value = (
            part.array("k", "t"),
            part["k"]["t"][5:500:3],
            part.value("v"),
        )
        self.memory = memoryview(part["k"]["t"])

    def check(self):
        gc.collect()
        assert np.array_equal(self.view, LARGE) and np.array_equal(self.slice, LARGE[5:500:3])
        assert (
            np.array_equal(np.asarray(self.memory), LARGE) and bytes(self.value) == b"value" * 1000
        )
        assert np.array_equal(np.asarray(self.array), LARGE) and self.array[7] == 7.0
        assert np.array_equal(self.entry["t"].numpy(), LARGE) and self.entry.attrs["lat"] == 1.5
        assert self.masked.numpy().mask.sum() == 5
        assert self.strings.numpy().tolist() == ["a", "bc"]


def test_views_survive_an_overwrite(part):
    held = _Held(part)
    part.write("k", {"t": -LARGE})
    part.put("v", b"other" * 1000)
    held.check()
    assert np.array_equal(part.array("k", "t"), -LARGE)


def test_views_survive_remove_and_clear(part):
    held = _Held(part)
    part.remove("k")
    part.clear()
    held.check()
    assert len(part) == 0


def test_views_survive_close(store, part):
    held = _Held(part)
    store.close()
    held.check()


def test_views_survive_the_handles(path):
    def make():
        with arraylog.open(path, "a") as store:
            return _Held(store.partition())

    make().check()


def test_views_survive_reopening_and_more_writing(path):
    with arraylog.open(path, "a") as store:
        held = _Held(store.partition())
    with arraylog.open(path, "a") as store:
        store.partition().write("k", {"t": -LARGE})
        held.check()


def test_views_survive_a_new_store_in_the_place_of_the_file(path):
    with arraylog.open(path, "a") as store:
        held = _Held(store.partition())
    with arraylog.open(path, "w") as store:
        store.partition().put("k", b"new")
        held.check()


def test_views_survive_the_growth_of_the_file(part):
    held = _Held(part)
    chunk = np.ones(1 << 20)
    for number in range(20):
        part.write(f"more{number}", {"t": chunk})
        if number % 5 == 0:
            held.check()
    held.check()


def test_views_survive_removal_of_the_file(path):
    with arraylog.open(path, "a") as store:
        held = _Held(store.partition())
    os.unlink(path)
    held.check()


def test_with_may_return_an_entry(path):
    def read():
        with arraylog.open(path) as store:
            return store.partition()["k"]

    with arraylog.open(path, "a") as store:
        store.partition().write("k", {"t": LARGE})
    assert np.array_equal(read()["t"].numpy(), LARGE)


def test_an_entry_shows_its_version_whatever_follows(part):
    part.write("k", {"t": [1.0, 2.0]})
    first = part["k"]
    part.write("k", {"u": [3.0]})
    second = part["k"]
    part.put("k", b"value")
    assert list(first) == ["t"] and first["t"].numpy().tolist() == [1.0, 2.0]
    assert list(second) == ["u"] and second["u"].numpy().tolist() == [3.0]
    assert first.version < second.version < part["k"].version
