"""Entries: a mapping of arrays, one version of one key."""

from collections.abc import Mapping, MutableMapping

import numpy as np
import pytest

import arraylog


@pytest.fixture
def entry(part):
    """An entry with three arrays and attributes."""
    part.write(
        "float-42",
        {
            "temperature": ("depth", np.arange(5.0), {"units": "K"}),
            "salinity": ("depth", np.ma.array(np.arange(5.0), mask=[1, 0, 0, 0, 0])),
            "platform": "6902746",
        },
        attrs={"lat": 1.5},
    )
    return part["float-42"]


def test_an_entry_is_a_mapping_of_its_arrays_in_order(entry):
    names = ["temperature", "salinity", "platform"]
    assert isinstance(entry, Mapping) and not isinstance(entry, MutableMapping)
    assert list(entry) == list(entry.keys()) == names and len(entry) == 3
    assert [array.name for array in entry.values()] == names
    assert [(name, array.name) for name, array in entry.items()] == [(name, name) for name in names]
    assert all(isinstance(array, arraylog.Array) for array in entry.values())
    assert "salinity" in entry and "oxygen" not in entry
    assert entry.get("oxygen") is None and entry.get("platform").item() == "6902746"


def test_an_entry_is_matched_as_a_mapping(entry):
    match entry:
        case {"platform": platform}:
            assert platform.item() == "6902746"
        case _:
            pytest.fail("not matched")


def test_key_version_kind_and_attrs(entry, part):
    assert entry.key == "float-42" and entry.kind == "arrays"
    assert type(entry.version) is int
    assert dict(entry.attrs) == {"lat": 1.5}
    part.put("v", b"value")
    assert part["v"].kind == "value"


def test_versions_grow_with_every_write_and_stay_in_the_file(part, reopened):
    versions = []
    for number in range(5):
        part.write("k", {"t": float(number)})
        versions.append(part["k"].version)
    assert versions == sorted(set(versions))
    assert reopened()["k"].version == versions[-1]


def test_an_entry_cannot_be_changed(entry):
    with pytest.raises(TypeError):
        entry["temperature"] = np.zeros(5)
    with pytest.raises(TypeError):
        del entry["temperature"]
    with pytest.raises(AttributeError):
        entry.key = "other"
    assert len(entry) == 3


def test_entries_are_equal_by_store_partition_key_and_version(store, part, entry, path):
    assert entry == part["float-42"] and hash(entry) == hash(part["float-42"])
    assert len({entry, part["float-42"]}) == 1
    other = store.partition("argo", "other")
    other["float-42"] = entry
    assert other["float-42"] != entry
    part["copy"] = entry
    assert part["copy"] != entry
    part["float-42"] = entry
    assert part["float-42"] != entry
    assert entry != "float-42" and entry != {}


def test_equality_of_entries_reads_no_arrays(entry, part):
    assert (entry == part["float-42"]) is True
    assert (entry != part["float-42"]) is False


def test_an_entry_is_true_when_it_has_arrays(entry, part):
    part.write("empty", {})
    assert entry and not part["empty"]


def test_to_dict_gives_all_arrays_at_once(entry):
    found = entry.to_dict()
    assert type(found) is dict and list(found) == ["temperature", "salinity", "platform"]
    assert found["temperature"].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert found["salinity"].mask.tolist() == [True, False, False, False, False]
    assert found["platform"].shape == () and found["platform"].item() == "6902746"
    assert not found["temperature"].flags.writeable


@pytest.mark.parametrize(
    "names", [["platform", "temperature"], ("platform", "temperature")], ids=["list", "tuple"]
)
def test_to_dict_takes_names_in_the_order_asked(entry, names):
    assert list(entry.to_dict(names)) == list(names)
    assert entry.to_dict([]) == {}


def test_to_dict_of_an_unknown_name_is_a_key_error(entry):
    with pytest.raises(KeyError, match="salt"):
        entry.to_dict(["temperature", "salt"])


def test_to_dict_of_one_str_is_no_list_of_letters(entry):
    with pytest.raises((TypeError, KeyError)):
        entry.to_dict("temperature")


def test_to_dict_copies_when_asked(entry):
    found = entry.to_dict(copy=True)
    found["temperature"][0] = 9.0
    found["salinity"][0] = 9.0
    assert entry["temperature"][0] == 0.0 and entry["salinity"].mask[0]


def test_a_bare_array_is_seen_through_the_entry(part):
    part.write("k", {"": ("x", np.arange(3.0))})
    assert np.asarray(part["k"]).tolist() == [0.0, 1.0, 2.0]
    assert part["k"][""].dims == ("x",)


def test_asarray_of_named_arrays_is_refused_by_name(entry):
    with pytest.raises((TypeError, ValueError)) as caught:
        np.asarray(entry)
    assert "temperature" in str(caught.value)


def test_repr_is_one_line_with_key_and_arrays(entry, part):
    text = repr(entry)
    assert "float-42" in text and "temperature" in text and "\n" not in text
    part.put("v", b"value")
    assert "v" in repr(part["v"]) and "\n" not in repr(part["v"])


def test_repr_stays_short_whatever_is_inside(part):
    part.write("k", {f"array_{number}": np.zeros(10_000) for number in range(600)})
    entry = part["k"]
    assert len(repr(entry)) < 10_000
    assert len(entry._repr_html_()) < 1_000_000


def test_html_is_escaped(part):
    bad = "<script>alert('&')</script>"
    part.write(bad, {bad: (bad[:20], ["<b>"], {bad: bad})}, attrs={bad: bad, "n": np.array([1, 2])})
    for html in (part[bad]._repr_html_(), part[bad][bad]._repr_html_()):
        assert "<script>" not in html and "<b>" not in html
        assert "&lt;script&gt;" in html


def test_html_of_values_and_of_every_array_is_text(part, entry):
    part.put("v", b"<i>" * 100)
    for html in (
        part["v"]._repr_html_(),
        entry._repr_html_(),
        *(array._repr_html_() for array in entry.values()),
    ):
        assert isinstance(html, str) and html.lstrip().startswith("<")
        assert "<i>" not in html


def test_entries_go_on_after_close(store, entry):
    store.close()
    assert entry["temperature"].numpy().tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert dict(entry.attrs) == {"lat": 1.5} and "float-42" in repr(entry)
    assert entry.to_dict()["platform"].item() == "6902746"


def test_the_repr_of_an_entry_shows_the_start_of_a_long_key(part):
    part.write("k" * 60_000, {"t": 1})
    assert repr(part["k" * 60_000]) == f"<arraylog.Entry '{'k' * 79}…' arrays {{t: int64}} attrs=0>"
    part.write(b"\xff" * 60_000, {"t": 1})
    assert len(repr(part[b"\xff" * 60_000])) < 1000


@pytest.mark.parametrize("name", [0, None, b"t", slice(None)], ids=repr)
def test_a_name_that_is_no_str_is_a_type_error_that_names_the_entry(part, name):
    part.write("float-42", {"t": 1})
    with pytest.raises(TypeError, match=f"entry 'float-42'.* a str, not {type(name).__name__}"):
        part["float-42"][name]
    assert part["float-42"]["t"].item() == 1
