"""Names of collections, partitions, arrays and dims; the views that list them."""

from collections.abc import Mapping

import numpy as np
import pytest

import arraylog

ODD = ["a/b", "/", "..", "海洋", " ", "a\nb", "Ωmega", "x" * 255, "é" * 127, "default"]
BAD = {
    "empty": "",
    "nul": "a\x00b",
    "too long": "x" * 256,
    "too long in bytes": "é" * 128,
    "surrogate": "\udcff",
}


@pytest.mark.parametrize("name", ODD)
def test_names_of_1_to_255_bytes_round_trip(store, path, name):
    store.partition(name, name).write("k", {name: ("x", [1.0])})
    store.close()
    with arraylog.open(path) as again:
        assert list(again) == [name]
        assert list(again[name]) == [name]
        assert again[name].name == name
        part = again[name][name]
        assert (part.collection, part.name) == (name, name)
        assert list(part["k"]) == [name]
        assert part.array("k", name).tolist() == [1.0]


@pytest.mark.parametrize("name", BAD.values(), ids=BAD.keys())
def test_bad_collection_and_partition_names_are_value_errors(store, name):
    def write(collection, partition):
        store.partition(collection, partition).put("k", b"")

    for collection, partition in ((name, "good"), ("good", name)):
        with pytest.raises(ValueError):
            write(collection, partition)
        with pytest.raises(ValueError):
            with store.batch() as batch:
                batch.partition(collection, partition).put("k", b"")
    assert list(store) == []
    write("good", "good")
    assert list(store) == ["good"]


@pytest.mark.parametrize(
    "name",
    [each for key, each in BAD.items() if key != "empty"],
    ids=[key for key in BAD if key != "empty"],
)
def test_bad_array_names_are_value_errors(part, name):
    with pytest.raises(ValueError):
        part.write("k", {name: 1.0})
    assert len(part) == 0
    part.write("k", {"good": 1.0})
    assert list(part["k"]) == ["good"]


def test_a_name_too_long_is_refused_with_both_numbers(store):
    with pytest.raises(ValueError) as caught:
        store.partition("x" * 300, "p").put("k", b"")
    assert "300" in str(caught.value) and "255" in str(caught.value)


@pytest.mark.parametrize("name", [None, 3, b"bytes", ("a", "b")], ids=repr)
def test_names_are_text(store, name):
    with pytest.raises(TypeError):
        store.partition(name, "p")
    with pytest.raises(TypeError):
        store.partition("c", name)
    with pytest.raises(TypeError):
        store.partition("c", "p").write("k", {name: 1.0})
    store.partition("c", "p").write("k", {"t": 1.0})


def test_the_empty_array_name_is_the_bare_array(part):
    part.write("k", {"": np.arange(3)})
    assert list(part["k"]) == [""]
    assert part.array("k").tolist() == [0, 1, 2]
    assert np.asarray(part["k"]).tolist() == [0, 1, 2]


def test_partition_and_collection_default_to_default(store):
    part = store.partition()
    part.put("k", b"v")
    assert (part.collection, part.name) == ("default", "default")
    assert list(store) == ["default"]
    assert bytes(store["default"]["default"].value("k")) == b"v"


def test_partition_takes_its_names_as_keywords(store):
    store.partition(collection="c", partition="p").put("k", b"v")
    assert bytes(store.partition("c", "p").value("k")) == b"v"


def test_views_are_mappings_in_the_order_first_written(store, reopened):
    for collection, partition in (("b", "2"), ("a", "1"), ("b", "1"), ("a", "1")):
        store.partition(collection, partition).put("k", b"")
    reopened("a", "1")
    with arraylog.open(store.path) as again:
        assert isinstance(again, Mapping) and isinstance(again["b"], Mapping)
        assert list(again) == ["b", "a"] and len(again) == 2
        assert list(again["b"]) == ["2", "1"] and len(again["b"]) == 2
        assert "a" in again and "c" not in again
        assert "2" in again["b"] and "3" not in again["b"]
        assert again.get("c") is None
        assert [name for name, _ in again.items()] == ["b", "a"]
        assert [each.name for each in again["b"].values()] == ["2", "1"]


def test_partition_of_a_writable_store_is_made_by_its_first_write(store):
    part = store.partition("argo", "2024-01")
    assert list(store) == [] and len(part) == 0 and "k" not in part and list(part) == []
    with pytest.raises(KeyError):
        part["k"]
    assert list(store) == []
    part.put("k", b"v")
    assert list(store) == ["argo"] and list(store["argo"]) == ["2024-01"]
    assert list(part) == ["k"]


def test_subscripts_make_nothing_and_name_the_nearest(store, part):
    part.put("k", b"v")
    with pytest.raises(KeyError, match="argos") as caught:
        store["argos"]
    assert "'argo'" in str(caught.value) or '"argo"' in str(caught.value)
    with pytest.raises(KeyError, match="2024-02") as caught:
        store["argo"]["2024-02"]
    assert "2024-01" in str(caught.value)
    assert list(store) == ["argo"] and list(store["argo"]) == ["2024-01"]
    assert store["argo"]["2024-01"] == part


def test_partition_of_a_read_only_store_must_exist(part, path, store):
    part.put("k", b"v")
    store.close()
    with arraylog.open(path) as reader:
        with pytest.raises(KeyError, match="2024-02"):
            reader.partition("argo", "2024-02")
        with pytest.raises(KeyError, match="argos"):
            reader.partition("argos", "2024-01")
        assert list(reader.partition("argo", "2024-01")) == ["k"]


def test_create_false_makes_partition_strict_in_a_writable_store(store, part):
    part.put("k", b"v")
    with pytest.raises(KeyError):
        store.partition("argo", "2024-02", create=False)
    assert list(store.partition("argo", "2024-01", create=False)) == ["k"]
    assert list(store["argo"]) == ["2024-01"]


def test_partitions_do_not_share_keys(store):
    store.partition("c", "1").put("k", b"one")
    store.partition("c", "2").put("k", b"two")
    store.partition("d", "1").put("k", b"three")
    assert bytes(store["c"]["1"].value("k")) == b"one"
    assert bytes(store["c"]["2"].value("k")) == b"two"
    store["c"]["1"].remove("k")
    assert "k" in store["c"]["2"] and "k" in store["d"]["1"]


def test_views_cannot_be_assigned_to(store, part):
    part.put("k", b"v")
    with pytest.raises(TypeError):
        store["argo"] = {}
    with pytest.raises(TypeError):
        store["argo"]["2024-01"] = {}
    assert bytes(part.value("k")) == b"v"


def test_an_unknown_array_names_the_nearest(part):
    part.write("k", {"temperature": 1.0, "salinity": 2.0})
    with pytest.raises(KeyError, match="temprature") as caught:
        part["k"]["temprature"]
    assert "temperature" in str(caught.value)
    with pytest.raises(KeyError, match="temprature"):
        part.array("k", "temprature")
    assert part.array("k", "temperature") == 1.0
