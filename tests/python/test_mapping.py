"""A partition as a dict: what `MutableMapping` promises, and where it keeps its own order."""

from collections.abc import Mapping, MutableMapping

import numpy as np
import pytest

import arraylog


@pytest.fixture
def filled(part):
    """`part` with the values a, b, c under the keys a, b, c."""
    for key in "abc":
        part.put(key, key.encode())
    return part


def contents(part):
    return {key: bytes(entry.value) for key, entry in part.items()}


def test_a_partition_is_a_mutable_mapping(part):
    assert isinstance(part, MutableMapping)
    match part:
        case {**rest}:
            assert rest == {}
        case _:
            pytest.fail("not matched as a mapping")


def test_keys_values_items_and_len_agree(filled):
    assert list(filled.keys()) == list(filled) == ["a", "b", "c"]
    assert [bytes(entry.value) for entry in filled.values()] == [b"a", b"b", b"c"]
    assert [(key, entry.key) for key, entry in filled.items()] == [(key, key) for key in "abc"]
    assert len(filled) == len(filled.keys()) == len(filled.items()) == 3
    assert "a" in filled.keys()


def test_a_partition_is_true_when_it_has_entries(part):
    assert not part
    part.put("k", b"")
    assert part
    part.remove("k")
    assert not part


def test_contains_and_get_follow_the_dict(filled):
    assert "a" in filled and "z" not in filled
    assert filled.get("a").key == "a"
    assert filled.get("z") is None
    assert filled.get("z", 5) == 5


def test_subscript_gives_an_entry_for_values_and_arrays(filled):
    filled.write("w", {"t": 1.0})
    assert isinstance(filled["a"], arraylog.Entry) and filled["a"].kind == "value"
    assert isinstance(filled["w"], arraylog.Entry) and filled["w"].kind == "arrays"


def test_delete_removes_and_a_missing_key_is_a_key_error(filled):
    del filled["b"]
    assert list(filled) == ["a", "c"]
    with pytest.raises(KeyError, match="b"):
        del filled["b"]


def test_remove_says_whether_the_key_was_there(filled):
    assert filled.remove("b") is True
    assert filled.remove("b") is False
    assert list(filled) == ["a", "c"]


def test_pop_gives_the_entry_and_removes_it(filled):
    entry = filled.pop("b")
    assert bytes(entry.value) == b"b" and list(filled) == ["a", "c"]
    assert filled.pop("b", None) is None
    with pytest.raises(KeyError):
        filled.pop("b")


def test_popitem_empties_the_partition(filled):
    seen = {}
    for _ in range(3):
        key, entry = filled.popitem()
        seen[key] = bytes(entry.value)
    assert seen == {"a": b"a", "b": b"b", "c": b"c"}
    with pytest.raises(KeyError):
        filled.popitem()


def test_setdefault_keeps_what_is_there(filled):
    assert bytes(filled.setdefault("a", b"other").value) == b"a"
    filled.setdefault("d", b"new")
    assert contents(filled) == {"a": b"a", "b": b"b", "c": b"c", "d": b"new"}


def test_update_stores_many_entries(filled):
    filled.update({"a": b"A", "t": {"x": np.arange(2)}})
    filled.update([("d", b"D")], e=b"E")
    assert bytes(filled.value("a")) == b"A"
    assert filled.array("t", "x").tolist() == [0, 1]
    assert bytes(filled.value("d")) == b"D" and bytes(filled.value("e")) == b"E"


def test_update_is_one_commit(filled):
    with pytest.raises(TypeError):
        filled.update({"d": b"D", "e": "text is no value"})
    assert list(filled) == ["a", "b", "c"]


def test_update_takes_another_partition(filled, store):
    other = store.partition("argo", "copy")
    other.update(filled)
    assert contents(other) == contents(filled)


def test_clear_empties_the_partition_and_nothing_else(filled, store, path):
    other = store.partition("argo", "other")
    other.put("k", b"v")
    filled.clear()
    assert len(filled) == 0 and list(filled) == [] and "a" not in filled
    assert list(other) == ["k"]
    filled.put("d", b"d")
    store.close()
    with arraylog.open(path) as again:
        assert list(again["argo"]["2024-01"]) == ["d"]


def test_clear_is_one_commit(store, path):
    part = store.partition()
    part.update({str(number): b"" for number in range(500)})
    with arraylog.open(path) as reader:
        part.clear()
        assert len(reader.partition()) == 500
        assert reader.refresh()
        assert len(reader.partition()) == 0


def test_order_is_that_of_the_latest_whole_write(filled, reopened):
    filled.put("a", b"again")
    assert list(filled) == ["b", "c", "a"]
    filled.write("b", {"t": 1.0})
    assert list(filled) == ["c", "a", "b"]
    filled.rename("c", "d")
    assert list(filled) == ["a", "b", "d"]
    filled.remove("b")
    filled.put("b", b"back")
    assert list(filled) == ["a", "d", "b"]
    assert list(reopened()) == ["a", "d", "b"]


def test_iteration_is_fixed_when_it_starts(filled):
    keys = iter(filled)
    assert next(keys) == "a"
    filled.put("d", b"d")
    filled.remove("c")
    filled.put("b", b"moved")
    assert list(keys) == ["b", "c"]
    assert list(filled) == ["a", "d", "b"]


def test_writing_while_iterating_sees_no_own_writes(filled):
    for key in filled:
        filled.put(key + key, b"")
    assert list(filled) == ["a", "b", "c", "aa", "bb", "cc"]


def test_write_replaces_the_entry_whole(part):
    part.write("k", {"t": 1.0, "u": 2.0}, attrs={"lat": 1.5})
    part.write("k", {"v": 3.0})
    assert list(part["k"]) == ["v"] and dict(part["k"].attrs) == {}
    part.put("k", b"value")
    assert part["k"].kind == "value"
    part.write("k", {"t": 1.0})
    assert part["k"].kind == "arrays" and len(part) == 1


def test_equality_is_identity_of_the_partition(store, part, path):
    part.put("k", b"v")
    other = store.partition("argo", "other")
    other.put("k", b"v")
    assert part == store.partition("argo", "2024-01") == store["argo"]["2024-01"]
    assert part != other
    assert part != {"k": b"v"} and part != "argo"


def test_equality_reads_no_arrays(part):
    part.write("k", {"t": np.arange(5)})
    assert (part == part) is True
    assert (part != part) is False


def test_a_partition_is_unhashable(part):
    with pytest.raises(TypeError, match="unhashable"):
        hash(part)


def test_repr_of_a_partition_is_one_line_with_its_names(part):
    part.put("k", b"v")
    assert "argo" in repr(part) and "2024-01" in repr(part) and "\n" not in repr(part)


@pytest.mark.parametrize(
    "value, kind",
    [
        ({"t": [1.0]}, "arrays"),
        ({}, "arrays"),
        (b"v", "value"),
        (bytearray(b"v"), "value"),
        (memoryview(b"v"), "value"),
        (np.arange(3), "arrays"),
        (np.array([1, 2], "u1"), "arrays"),
    ],
    ids=[
        "mapping",
        "empty mapping",
        "bytes",
        "bytearray",
        "memoryview",
        "ndarray",
        "ndarray of bytes",
    ],
)
def test_assignment_stores_by_the_type_of_the_value(part, value, kind):
    part["k"] = value
    assert part["k"].kind == kind


def test_assigned_ndarray_is_the_bare_array(part):
    part["img-1"] = np.arange(6, dtype="u1").reshape(2, 3)
    assert list(part["img-1"]) == [""]
    assert part.array("img-1").tolist() == [[0, 1, 2], [3, 4, 5]]
    assert np.asarray(part["img-1"]).dtype == np.dtype("u1")


def test_assigned_masked_array_keeps_its_mask(part):
    part["m"] = np.ma.array([1, 2, 3], mask=[0, 1, 0])
    assert part.array("m").mask.tolist() == [False, True, False]


class _Labelled:
    """As much of a DataArray as is looked at."""

    dims = ("y", "x")
    attrs = {"units": "K"}
    name = "t"

    def to_numpy(self):
        return np.arange(6.0).reshape(2, 3)


def test_assigned_object_with_dims_and_to_numpy_is_a_bare_array_with_dims(part):
    part["k"] = _Labelled()
    assert part.array("k").tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert part["k"][""].dims == ("y", "x")


class _Exporter:
    """An array that speaks DLPack and nothing else."""

    def __init__(self):
        self.held = np.arange(4.0)

    def __dlpack__(self, **options):
        return self.held.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.held.__dlpack_device__()


def test_assigned_dlpack_exporter_is_a_bare_array(part):
    part["k"] = _Exporter()
    assert part.array("k").tolist() == [0.0, 1.0, 2.0, 3.0]


def test_assigned_torch_tensor_is_a_bare_array(part):
    torch = pytest.importorskip("torch")
    part["k"] = torch.arange(4)
    assert part.array("k").tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "value", [[1.0, 2.0], "text", 3, 1.5, None, object()], ids=lambda value: type(value).__name__
)
def test_assigned_lists_text_and_numbers_are_type_errors(part, value):
    with pytest.raises(TypeError):
        part["k"] = value
    assert "k" not in part


def test_assigned_buffer_of_numbers_is_a_type_error(part):
    with pytest.raises(TypeError):
        part["k"] = memoryview(np.zeros(3))
    assert "k" not in part


def test_assigned_entry_is_a_copy_of_it(store, part):
    part.write(
        "k",
        {"t": ("x", np.arange(3)), "m": np.ma.array([1.0, 2.0], mask=[1, 0])},
        attrs={"lat": 1.5},
    )
    part.put("v", b"value")
    other = store.partition("argo", "copy")
    other["k2"] = part["k"]
    other["v2"] = part["v"]
    assert arraylog.equal(other["k2"], part["k"])
    assert bytes(other.value("v2")) == b"value"


def test_assigned_entry_of_another_store_is_a_copy_of_it(part, tmp_path):
    part.write(
        "k", {"t": ("x", np.arange(300.0)), "s": ["a", "bc"]}, attrs={"lat": 1.5, "n": np.int8(1)}
    )
    with arraylog.open(tmp_path / "other.alog", "a") as other:
        other.partition()["k"] = part["k"]
        assert arraylog.equal(other.partition()["k"], part["k"])


def test_rename_moves_an_entry(part):
    part.write("a", {"t": ("x", np.arange(3))}, attrs={"lat": 1.5})
    part.rename("a", "b")
    assert list(part) == ["b"]
    assert part["b"].key == "b" and part["b"].attrs["lat"] == 1.5
    assert part.array("b", "t").tolist() == [0, 1, 2]


def test_rename_of_a_missing_key_is_a_key_error(part):
    part.put("b", b"v")
    with pytest.raises(KeyError, match="absent"):
        part.rename("absent", "c")
    assert list(part) == ["b"]


def test_rename_onto_an_entry_needs_overwrite(filled):
    with pytest.raises(arraylog.ConflictError) as caught:
        filled.rename("a", "b")
    assert caught.value.key == "b"
    assert contents(filled) == {"a": b"a", "b": b"b", "c": b"c"}
    filled.rename("a", "b", overwrite=True)
    assert contents(filled) == {"c": b"c", "b": b"a"}


def test_extend_stores_pairs_and_says_how_many(part):
    assert part.extend((f"k{number}", {"t": float(number)}) for number in range(2500)) == 2500
    assert len(part) == 2500 and part.array("k2499", "t") == 2499.0
    assert part.extend([]) == 0


def test_extend_takes_every_kind_of_entry(part):
    part.extend([("v", b"value"), ("a", np.arange(3)), ("m", {"t": 1.0})])
    assert [part[key].kind for key in part] == ["value", "arrays", "arrays"]


def test_extend_that_fails_says_what_is_committed(part):
    items = [(f"k{number}", b"v") for number in range(2500)]
    items[2300] = ("bad", "text")
    with pytest.raises(TypeError) as caught:
        part.extend(items, batch=1000)
    assert caught.value.committed == 2000
    assert len(part) == 2000 and "k1999" in part and "k2000" not in part


def test_extend_whose_source_fails_says_what_is_committed(part):
    def source():
        for number in range(250):
            yield f"k{number}", b"v"
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError, match="the source broke") as caught:
        part.extend(source(), batch=100)
    assert caught.value.committed == 200
    assert len(part) == 200


def test_extend_reports_progress(part):
    calls = []
    part.extend(
        [(str(number), b"") for number in range(3000)],
        batch=100,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert calls and calls[-1][0] == 3000
    assert calls == sorted(calls)


def test_views_of_a_partition_are_mappings_too(filled):
    assert isinstance(filled["a"], Mapping)
