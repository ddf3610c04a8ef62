"""Attributes of entries and arrays: exact types, nesting, copies."""

import math
from collections.abc import Mapping, MutableMapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import arraylog

PYTHON = [
    None,
    True,
    False,
    0,
    1,
    -1,
    2**63 - 1,
    -(2**63),
    2**63,
    2**64 - 1,
    0.0,
    -0.0,
    1.5,
    math.inf,
    -math.inf,
    5e-324,
    1 + 2j,
    "",
    "text",
    "é海",
    "x" * 5000,
    b"",
    b"\x00\xff",
    b"y" * 5000,
]
NUMPY = [
    np.bool_(True),
    np.int8(-3),
    np.int16(-3),
    np.int32(-3),
    np.int64(-3),
    np.uint8(3),
    np.uint16(3),
    np.uint32(3),
    np.uint64(2**64 - 1),
    np.float16(1.5),
    np.float32(0.1),
    np.float64(0.1),
    np.complex64(1 + 2j),
    np.complex128(1 + 2j),
    np.datetime64("2024-01-05", "s"),
    np.datetime64("NaT", "D"),
    np.timedelta64(5, "ms"),
    np.datetime64("2024", "Y"),
]
LISTS = [
    [],
    [1, 2],
    ["a", "b"],
    [1, "a", None, 2.5],
    [[1], [2, [3]]],
    [True, 1, 1.0],
    {},
    {"a": 1},
    {"a": {"b": [1, {"c": None}]}},
]
ARRAYS = [
    np.arange(3).astype(code)
    for code in ("i1", "i4", "i8", "u8", "f2", "f4", "f8", "c8", "c16", "M8[s]", "m8[ms]")
] + [
    np.array([True, False]),
    np.array([], "f4"),
    np.array(["a", "bc"], "U2"),
    np.array([b"a", b"bc"], "S2"),
]


def name(value):
    """A short id for a parameter."""
    if isinstance(value, np.ndarray):
        return f"{len(value)} of {value.dtype}"
    return f"{type(value).__name__} {value!r}"[:40]


def exact(found, expected):
    """Whether two attributes agree in type, at every depth, and in value; NaN and NaT agree with themselves."""
    if type(found) is not type(expected):
        return False
    if isinstance(expected, np.ndarray):
        return found.dtype == expected.dtype and np.array_equal(found, expected)
    if isinstance(expected, dict):
        return list(found) == list(expected) and all(
            exact(found[key], expected[key]) for key in expected
        )
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(exact, found, expected))
    if isinstance(expected, np.generic):
        return found.dtype == expected.dtype and found.tobytes() == expected.tobytes()
    if isinstance(expected, float):
        return repr(found) == repr(expected)
    return found == expected


@pytest.fixture(params=["entry", "array", "array()"])
def holder(request, part, reopened):
    """Stores attributes in one of the places that have some; gives them as read from the file."""

    def keep(attrs):
        if request.param == "entry":
            part.write("k", {"t": 1.0}, attrs=attrs)
        elif request.param == "array":
            part.write("k", {"t": ("x", [1.0], attrs)})
        else:
            part.write("k", {"t": arraylog.array([1.0], "x", attrs=attrs)})
        entry = reopened()["k"]
        return entry.attrs if request.param == "entry" else entry["t"].attrs

    return keep


@pytest.mark.parametrize("value", [*PYTHON, *NUMPY, *LISTS, *ARRAYS], ids=name)
def test_type_and_value_are_exact(part, value):
    part.write("k", {"t": ("x", [1.0], {"a": value})}, attrs={"a": value})
    for found in (part["k"].attrs["a"], part["k"]["t"].attrs["a"]):
        assert exact(found, value), (type(found), found)


def test_all_attributes_at_once_survive_the_file(holder):
    expected = {
        f"a{number}": value for number, value in enumerate([*PYTHON, *NUMPY, *LISTS, *ARRAYS])
    }
    found = holder(expected)
    assert list(found) == list(expected)
    for key in expected:
        assert exact(found[key], expected[key]), key


def test_nan_attributes_stay_nan(holder):
    found = holder(
        {"f": math.nan, "g": np.float32("nan"), "l": [math.nan, 1.0], "a": np.array([np.nan, 1.0])}
    )
    assert math.isnan(found["f"]) and type(found["f"]) is float
    assert np.isnan(found["g"]) and type(found["g"]) is np.float32
    assert math.isnan(found["l"][0]) and found["l"][1] == 1.0
    assert np.isnan(found["a"]).tolist() == [True, False]


def test_a_tuple_comes_back_as_a_list(holder):
    found = holder({"t": (1, "a"), "n": [(1, 2), (3,)], "m": {"t": ()}})
    assert exact(dict(found), {"t": [1, "a"], "n": [[1, 2], [3]], "m": {"t": []}})


def test_names_keep_their_order_and_may_be_any_text(holder):
    names = ["z", "a", "é海", "with space", "a/b", "_FillValue", "$dtype"]
    assert list(holder(dict.fromkeys(names, 1))) == names


def test_names_inside_a_mapping_may_be_empty_and_those_of_attributes_not(part, holder):
    assert dict(holder({"m": {"": {"": 1}, "l": [{"": 2}]}})) == {"m": {"": {"": 1}, "l": [{"": 2}]}}
    with pytest.raises(ValueError, match='attribute "" .*a name is not empty'):
        part.write("k", {}, attrs={"": 1})


def test_the_path_in_a_message_is_bounded(part):
    value = object()
    for _ in range(30):
        value = {"n" * 50_000: [value]}
    with pytest.raises(TypeError, match=r"attrs\.a\.n+…n+\[0\]: an attribute cannot be a object") as caught:
        part.write("k", {}, attrs={"a": value})
    assert len(str(caught.value)) < 300
    with pytest.raises(TypeError, match=r"attrs\.a\.b\[1\]: "):
        part.write("k", {}, attrs={"a": {"b": [0, object()]}})


def test_attrs_are_a_read_only_mapping(holder):
    attrs = holder({"a": 1})
    assert isinstance(attrs, Mapping) and not isinstance(attrs, MutableMapping)
    assert len(attrs) == 1 and "a" in attrs and attrs.get("b") is None and dict(attrs) == {"a": 1}
    with pytest.raises(TypeError):
        attrs["a"] = 2
    with pytest.raises(TypeError):
        del attrs["a"]
    with pytest.raises(KeyError, match="b"):
        attrs["b"]
    assert attrs["a"] == 1


def test_values_returned_are_copies(holder):
    attrs = holder({"l": [1], "d": {"x": [2]}, "a": np.arange(2)})
    attrs["l"].append(2)
    attrs["d"]["x"].append(3)
    attrs["d"]["y"] = 4
    assert attrs["l"] == [1] and attrs["d"] == {"x": [2]}
    assert attrs["a"].tolist() == [0, 1]


def test_the_source_of_attrs_may_change_after_write(part):
    source = {"l": [1]}
    part.write("k", {}, attrs=source)
    source["l"].append(2)
    source["m"] = 3
    assert dict(part["k"].attrs) == {"l": [1]}


def test_without_attrs_there_are_none(part):
    part.write("k", {"t": 1.0})
    assert dict(part["k"].attrs) == {} and dict(part["k"]["t"].attrs) == {}


def test_an_entry_may_be_attributes_alone(part, reopened):
    part.write("k", {}, attrs={"lat": 1.5})
    entry = reopened()["k"]
    assert list(entry) == [] and entry.kind == "arrays" and dict(entry.attrs) == {"lat": 1.5}


def test_attributes_may_differ_between_entries_of_one_shape(part, reopened):
    for number in range(50):
        part.write(
            str(number),
            {"t": ("x", [1.0], {"n": number})},
            attrs={"n": number, str(number % 7): "x"},
        )
    again = reopened()
    for number in range(50):
        assert dict(again[str(number)].attrs) == {"n": number, str(number % 7): "x"}
        assert again[str(number)]["t"].attrs["n"] == number


@pytest.mark.parametrize(
    "attrs", [{1: "a"}, {"a": {1: "b"}}, {"a": [{None: 1}]}, {b"a": 1}], ids=repr
)
def test_names_that_are_no_text_are_type_errors(part, attrs):
    with pytest.raises(TypeError):
        part.write("k", {}, attrs=attrs)
    assert "k" not in part


@pytest.mark.parametrize(
    "value",
    [object(), {1, 2}, ..., np.longdouble(1), np.array([object()]), range(3)],
    ids=lambda value: type(value).__name__,
)
def test_other_values_are_type_errors_that_name_the_attribute(part, value):
    with pytest.raises(TypeError, match="platform"):
        part.write("k", {"t": 1.0}, attrs={"platform": value})
    with pytest.raises(TypeError, match="platform"):
        part.write("k", {"t": ((), 1.0, {"platform": value})})
    assert "k" not in part


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, 10**30], ids=str)
def test_integers_beyond_64_bits_are_value_errors(part, value):
    with pytest.raises(ValueError, match="big"):
        part.write("k", {}, attrs={"big": value})
    assert "k" not in part


def test_an_attribute_array_of_two_axes_is_refused_by_name(part):
    with pytest.raises((TypeError, ValueError), match="grid"):
        part.write("k", {}, attrs={"grid": np.zeros((2, 2))})
    part.write("k", {}, attrs={"grid": np.zeros(4)})


def test_attrs_that_are_no_mapping_are_type_errors(part):
    for attrs in ([("a", 1)], "a", 3):
        with pytest.raises(TypeError):
            part.write("k", {}, attrs=attrs)
    part.write("k", {}, attrs=None)
    assert dict(part["k"].attrs) == {}


LEAF = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.binary(max_size=20)
)
TREE = st.recursive(
    LEAF,
    lambda child: (
        st.lists(child, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5),
            child,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=100)
@given(TREE)
def test_any_tree_of_plain_values_is_exact(tree):
    with arraylog.open(":memory:", "a") as store:
        store.partition().write("k", {}, attrs={"a": tree})
        assert exact(store.partition()["k"].attrs["a"], tree)
