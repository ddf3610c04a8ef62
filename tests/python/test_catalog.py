"""Collections and partitions as a whole: made, dropped, renamed, with attributes."""

import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest

import arraylog


def texts(mapping):
    """Keys to values, of a partition of plain values."""
    return {key: bytes(mapping.value(key)).decode() for key in mapping}


@pytest.fixture
def two(store):
    """A store with partitions argo/p and argo/q, an entry each."""
    store.partition("argo", "p").put("k", b"p")
    store.partition("argo", "q").put("k", b"q")
    return store


def test_a_dropped_partition_is_absent_at_once_and_its_views_stay(two, path):
    held = two.partition("argo", "p")
    view, entry, keys = held.value("k"), held["k"], iter(held)
    before = two.seqno
    assert two.drop("argo", "p") is True
    assert two.seqno == before + 1
    assert two.drop("argo", "p") is False
    assert len(held) == 0 and "k" not in held and list(held) == []
    with pytest.raises(KeyError):
        held["k"]
    assert bytes(view) == b"p" and bytes(entry.value) == b"p" and list(keys) == ["k"]
    assert list(two["argo"]) == ["q"] and "p" not in two["argo"]
    with pytest.raises(KeyError, match="did you mean 'q'|no partition \"p\""):
        two["argo"]["p"]
    two.close()
    with arraylog.open(path) as again:
        assert list(again["argo"]) == ["q"]


def test_a_write_through_a_handle_of_a_dropped_partition_makes_a_new_one(two, path):
    held = two.partition("argo", "p")
    two.drop("argo", "p")
    held.put("new", b"1")
    assert texts(held) == {"new": "1"}
    with two.batch() as batch:
        inner = batch.partition("argo", "p")
        inner.put("batch", b"2")
        assert inner.remove("new")
        two.drop("argo", "p")
    assert texts(held) == {"batch": "2"}
    two.close()
    with arraylog.open(path) as again:
        assert texts(again["argo"]["p"]) == {"batch": "2"}


def test_a_dropped_collection_takes_all_its_partitions(two, path):
    two.partition("other", "p").put("k", b"1")
    held = two["argo"]
    assert two.drop("argo") is True
    assert two.drop("argo") is False
    assert list(two) == ["other"] and "argo" not in two
    with pytest.raises(KeyError):
        list(held)
    two.partition("argo", "new").put("k", b"1")
    assert list(held) == ["new"]
    two.close()
    with arraylog.open(path) as again:
        assert list(again) == ["other", "argo"] and list(again["argo"]) == ["new"]


def test_partitions_and_collections_are_renamed_with_their_attributes(two, path):
    part = two.partition("argo", "p")
    part.attrs["lat"] = np.float32(1.5)
    two["argo"].attrs["title"] = "floats"
    two.rename_partition("argo", "p", "moved", "there")
    assert len(part) == 0 and dict(part.attrs) == {}
    two.rename_collection("argo", "renamed")
    two.rename_collection("renamed", "renamed")
    two.close()
    with arraylog.open(path) as again:
        assert list(again) == ["renamed", "moved"]
        assert dict(again["renamed"].attrs) == {"title": "floats"}
        moved = again["moved"]["there"]
        assert texts(moved) == {"k": "p"} and moved.attrs["lat"] == np.float32(1.5)


def test_names_that_are_taken_absent_or_impossible_are_refused(two):
    before = two.seqno
    with pytest.raises(arraylog.ConflictError, match="q") as error:
        two.rename_partition("argo", "p", "argo", "q")
    assert error.value.key == "q"
    with pytest.raises(arraylog.ConflictError):
        two.create_partition("argo", "p")
    with pytest.raises(KeyError, match="did you mean"):
        two.rename_collection("args", "new")
    with pytest.raises(KeyError):
        two.rename_partition("argo", "none", "argo", "new")
    for bad in ("", "a\0", "x" * 256):
        with pytest.raises(ValueError):
            two.drop(bad)
        with pytest.raises(ValueError):
            two.create_partition("argo", bad)
    with pytest.raises(TypeError):
        two.drop(None)
    assert two.seqno == before


def test_a_reader_keeps_what_it_sees_until_it_refreshes(two, path):
    with arraylog.open(path) as reader:
        part, other = reader["argo"]["p"], reader["argo"]["q"]
        two.drop("argo", "p")
        two.rename_partition("argo", "q", "argo", "r")
        assert texts(part) == {"k": "p"} and texts(other) == {"k": "q"}
        assert reader.refresh()
        assert len(part) == 0 and len(other) == 0
        assert texts(reader["argo"]["r"]) == {"k": "q"}
        for refused in (
            lambda: reader.drop("argo"),
            lambda: reader.create_partition("a", "b"),
            lambda: reader.rename_collection("argo", "b"),
            lambda: reader.attrs.update(a=1),
            lambda: reader["argo"].attrs.update(a=1),
            lambda: reader["argo"]["r"].attrs.__setitem__("a", 1),
        ):
            with pytest.raises(arraylog.ReadOnlyError):
                refused()


def test_a_reader_in_another_process_sees_a_drop_when_it_refreshes(two, path):
    code = """
import sys, arraylog
with arraylog.open(sys.argv[1]) as store:
    part = store["argo"]["p"]
    print(len(part), flush=True)
    sys.stdin.readline()
    store.refresh()
    print(len(part), list(store["argo"]), dict(store.attrs), flush=True)
"""
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout.readline() == "1\n"
    two.drop("argo", "p")
    two.attrs["n"] = 1
    answer, _ = child.communicate("\n", timeout=60)
    assert answer == "0 ['q'] {'n': 1}\n"


def test_a_created_partition_has_attributes_and_aligned_values(store, path):
    part = store.create_partition("c", "p", align=4096, codec="none", attrs={"a": [1, None]})
    assert part.collection == "c" and part.name == "p" and len(part) == 0
    part.write("x", {"t": np.arange(100.0), "u": np.arange(100.0)})
    part.put("v", b"v" * 300)
    again = store.create_partition("c", "p", exist_ok=True, attrs={"ignored": 1})
    assert dict(again.attrs) == {"a": [1, None]} and len(again) == 2
    store.close()
    with arraylog.open(path) as reader:
        part = reader["c"]["p"]
        for name in ("t", "u"):
            array = part.array("x", name)
            assert array.ctypes.data % 4096 == 0 and array[99] == 99
        assert np.frombuffer(part.value("v"), "u1").ctypes.data % 4096 == 0


@pytest.mark.parametrize("align", [0, 3, 4, 100, 2**31, 2**64, -8])
def test_alignments_that_cannot_be_are_refused_with_the_number(store, align):
    with pytest.raises(arraylog.InvalidError, match=str(align)):
        store.create_partition("c", "p", align=align)
    assert list(store) == []


def test_another_alignment_than_that_of_the_partition_is_refused(store):
    store.create_partition("c", "p", align=64)
    store.create_partition("c", "p", align=64, exist_ok=True)
    with pytest.raises(arraylog.ConflictError, match="128"):
        store.create_partition("c", "p", align=128, exist_ok=True)


VALUES = {
    "none": None,
    "bool": True,
    "int": -3,
    "big": 2**64 - 1,
    "float": 0.1,
    "complex": 1 + 2j,
    "str": "Ω",
    "bytes": b"\0\xff",
    "list": [1, "a", [None]],
    "dict": {"": 1, "nested": {"x": 1.5}},
    "f4": np.float32(0.1),
    "i8": np.int64(3),
    "time": np.datetime64("2024-01-05", "s"),
    "array": np.arange(3, dtype="i2"),
}


def owners(store):
    """What has live attributes, by name."""
    store.partition("c", "p").put("k", b"")
    return {"store": store, "collection": store["c"], "partition": store["c"]["p"]}


@pytest.mark.parametrize("name", ["store", "collection", "partition"])
def test_attributes_come_back_with_their_types_and_are_copies(store, path, name):
    attrs = owners(store)[name].attrs
    before = store.seqno
    attrs.update(VALUES)
    assert store.seqno == before + 1
    attrs["list"].append("lost")
    store.close()
    with arraylog.open(path) as reader:
        owner = {"store": reader, "collection": reader["c"], "partition": reader["c"]["p"]}[name]
        assert list(owner.attrs) == list(VALUES) and owner.attrs == VALUES
        for key, value in VALUES.items():
            found = owner.attrs[key]
            assert type(found) is type(value)
            assert getattr(found, "dtype", None) == getattr(value, "dtype", None)
        assert pickle.loads(pickle.dumps(owner.attrs)).keys() == VALUES.keys()


@pytest.mark.parametrize("name", ["store", "collection", "partition"])
def test_attributes_are_a_live_mapping_of_one_commit_a_change(store, name):
    attrs = owners(store)[name].attrs
    assert len(attrs) == 0 and dict(attrs) == {} and attrs == {} and not attrs
    before = store.seqno
    attrs["a"] = 1
    attrs["b"] = (1, 2)
    assert store.seqno == before + 2
    assert owners_attrs(store, name) == {"a": 1, "b": [1, 2]}
    before = store.seqno
    del attrs["a"]
    assert attrs.pop("a", "default") == "default"
    assert attrs.setdefault("b", 3) == [1, 2] and attrs.setdefault("c", 3) == 3
    assert attrs.pop("c") == 3 and attrs.popitem() == ("b", [1, 2])
    assert store.seqno == before + 4
    attrs.update(x=1, y=2)
    attrs.update({"y": 3}, z=4)
    assert attrs == {"x": 1, "y": 3, "z": 4} and "x" in attrs and "w" not in attrs
    assert repr(attrs) == "LiveAttrs({'x': 1, 'y': 3, 'z': 4})"
    attrs.clear()
    assert attrs == {}
    for missing in (lambda: attrs["a"], lambda: attrs.pop("a"), lambda: attrs.__delitem__("a")):
        with pytest.raises(KeyError, match="a"):
            missing()
    with pytest.raises(KeyError):
        attrs.popitem()


def owners_attrs(store, name):
    return dict(owners(store)[name].attrs) if name != "store" else dict(store.attrs)


def test_attributes_that_cannot_be_stored_change_nothing(store):
    attrs = owners(store)["partition"].attrs
    attrs["a"] = 1
    before = store.seqno
    for bad, error in (
        ({"b": 1, "c": object()}, TypeError),
        ({1: "x"}, TypeError),
        ({"": 1}, ValueError),
        ({"b": 2**64}, ValueError),
    ):
        with pytest.raises(error):
            attrs.update(bad)
    with pytest.raises(TypeError):
        attrs[1] = 2
    with pytest.raises(TypeError):
        attrs[1]
    assert store.seqno == before and attrs == {"a": 1}


def test_attributes_make_the_partition_that_they_are_of(store):
    part = store.partition("new", "p")
    assert part.attrs == {} and list(store) == []
    part.attrs["a"] = 1
    assert list(store["new"]) == ["p"] and len(part) == 0 and not part.attrs.pop("b", None)


def test_attributes_from_many_threads_are_all_kept(store):
    def fill(thread):
        for number in range(25):
            store.attrs[f"{thread}/{number}"] = number

    threads = [threading.Thread(target=fill, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.attrs) == 100


def test_many_partitions_are_listed_and_looked_up(store):
    with store.batch() as batch:
        for number in range(3000):
            batch.partition("many", f"p{number}").put("k", b"%d" % number)
    names = list(store["many"])
    assert names == [f"p{number}" for number in range(3000)] and len(store["many"]) == 3000
    assert all(bytes(part.value("k")).decode() == name[1:] for name, part in store["many"].items())
    assert not any(f"q{number}" in store["many"] for number in range(3000))
