"""`assign`: some arrays and attributes of an entry change, the rest stays as it is."""

import numpy as np
import pytest

import arraylog


@pytest.fixture
def entry(part):
    """A partition with an entry `k` between two others."""
    part.put("before", b"")
    part.write("k", {"a": ("x", np.arange(5.0)), "b": ("x", np.arange(5)), "": np.eye(2)}, attrs={"lat": 1.5, "id": "f"})
    part.put("after", b"")
    return part


def test_arrays_and_attributes_are_replaced_and_added(entry, states):
    old = entry["k"]
    entry.assign("k", {"b": [1.5], "new": arraylog.array(np.arange(6), chunks=(4,))}, attrs={"lat": 2.5, "more": [1, None]})
    for now in states():
        found = now["k"]
        assert list(found) == ["a", "b", "", "new"]
        assert found["a"][:].tolist() == [0, 1, 2, 3, 4] and found["a"].dims == ("x",)
        assert found["b"][:].tolist() == [1.5] and found["new"].chunks == (4,)
        assert dict(found.attrs) == {"lat": 2.5, "id": "f", "more": [1, None]}
        assert list(now) == ["before", "k", "after"], "it keeps its place"
    assert old["b"][:].tolist() == list(range(5)) and old.attrs["lat"] == 1.5


def test_a_change_is_a_new_version(entry):
    before = entry["k"]
    entry.assign("k", {"c": 1})
    after = entry["k"]
    assert after.version != before.version and after != before
    with pytest.raises(arraylog.ConflictError):
        entry.write("k", {}, if_version=before.version)
    assert [each.version for each in entry.history("k", limit=1)] == [after.version]


def test_drop_and_rename(entry, reopened):
    entry.assign("k", {"b": np.zeros(1)}, drop=["b"], rename={"a": "first", "": "eye"}, drop_attrs=("id",))
    found = reopened()["k"]
    assert sorted(found) == ["b", "eye", "first"]
    assert found["first"].name == "first" and found["first"][:].tolist() == [0, 1, 2, 3, 4]
    assert found["b"].shape == (1,) and dict(found.attrs) == {"lat": 1.5}


def test_names_can_be_swapped(entry):
    entry.assign("k", rename={"a": "b", "b": "a"})
    assert entry["k"]["a"].dtype == np.int64 and entry["k"]["b"].dtype == np.float64


def test_many_changes_add_up(entry, reopened):
    for number in range(40):
        entry.assign("k", {f"n{number % 5}": number}, attrs={"last": number})
    found = reopened()["k"]
    assert [found[f"n{number}"].item() for number in range(5)] == [35, 36, 37, 38, 39]
    assert found.attrs["last"] == 39 and found["a"].shape == (5,)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        (lambda part: part.assign("none", {"a": 1}), KeyError, "none"),
        (lambda part: part.assign("before", {"a": 1}), arraylog.KindError, "before"),
        (lambda part: part.assign("k", drop=["c"]), KeyError, "array"),
        (lambda part: part.assign("k", rename={"c": "d"}), KeyError, 'no array "c"'),
        (lambda part: part.assign("k", drop_attrs=["lon"]), KeyError, "attribute"),
        (lambda part: part.assign("k", rename={"a": "b"}), ValueError, "two arrays"),
        (lambda part: part.assign("k", drop=["a"], rename={"a": "z"}), ValueError, "already"),
        (lambda part: part.assign("k", {"a": ("x", np.arange(4.0))}), arraylog.ShapeError, "x"),
        (lambda part: part.assign("k", drop="a"), TypeError, r"\['a'\]"),
        (lambda part: part.assign("k", drop_attrs="lat"), TypeError, r"\['lat'\]"),
        (lambda part: part.assign("k", drop=[1]), TypeError, "str, not int"),
        (lambda part: part.assign("k", rename={"a": 1}), TypeError, "`rename`.*str, not int"),
        (lambda part: part.assign("k", rename=[("a", "z")]), TypeError, "mapping"),
        (lambda part: part.assign("k", {"a": None}), TypeError, "None"),
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(entry, change, error, text):
    before = entry["k"]
    with pytest.raises(error, match=text):
        change(entry)
    assert entry["k"] == before


def test_a_reader_refuses(entry, reopened):
    reader = reopened()
    with pytest.raises(arraylog.ReadOnlyError):
        reader.assign("k", {"a": 1})


def test_a_name_that_is_not_there_comes_with_the_nearest(entry):
    with pytest.raises(arraylog.NotFoundError, match="lat") as caught:
        entry.assign("k", drop_attrs=["lot"])
    assert caught.value.name == "lot"
