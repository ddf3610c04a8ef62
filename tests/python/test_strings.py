"""Strings and bytes: variable and fixed width."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import arraylog

TEXT = np.dtypes.StringDType()
WORDS = [
    "",
    "a",
    "seven77",
    "eight888",
    "with\x00nul",
    "trailing\x00",
    "é",
    "海洋",
    "\U0001f40b",
    "x" * 300,
    "y" * 70_000,
]
BLOBS = [
    b"",
    b"a",
    b"seven77",
    b"eight888",
    b"\x00",
    b"trail\x00",
    b"\xff\xfe",
    b"x" * 300,
    b"y" * 70_000,
]


def text(items, shape=None):
    """An array of variable strings."""
    out = np.array(items, TEXT)
    return out if shape is None else out.reshape(shape)


def blobs(items):
    """An object array of bytes."""
    out = np.empty(len(items), object)
    out[:] = items
    return out


def test_variable_strings_come_back_as_stringdtype(part, states):
    part.write("k", {"t": text(WORDS)})
    for now in states():
        for found in (now.array("k", "t"), np.asarray(now["k"]["t"]), now["k"]["t"][()]):
            assert found.dtype == TEXT and isinstance(found.dtype, np.dtypes.StringDType)
            assert found.tolist() == WORDS
            assert not found.flags.writeable
        assert now["k"]["t"].shape == (len(WORDS),)


@pytest.mark.parametrize(
    "source",
    [
        lambda: WORDS,
        lambda: np.array(WORDS, object),
        lambda: text(WORDS),
    ],
    ids=["list", "object array", "StringDType"],
)
def test_every_source_of_text_is_stored_as_variable_strings(part, source):
    part.write("k", {"t": source()})
    assert part["k"]["t"].dtype == TEXT
    assert part.array("k", "t").tolist() == WORDS


def test_strings_of_any_shape_round_trip(part, reopened):
    shapes = [(2, 3), (0,), (0, 2), (1, 1, 6), (6, 1)]
    arrays = {
        str(shape): text(["a", "", "ccc", "é", "eeeeeeeeeee", "f"][: int(np.prod(shape))], shape)
        for shape in shapes
    }
    part.write("k", arrays)
    entry = reopened()["k"]
    for name, expected in arrays.items():
        assert entry[name].shape == expected.shape and entry[name].dtype == TEXT
        assert entry[name].numpy().tolist() == expected.tolist()


@pytest.mark.parametrize("word", WORDS, ids=lambda word: f"{len(word)} {word[:9]!a}")
def test_one_string_is_a_0d_array(part, word):
    part.write("k", {"t": word})
    array = part["k"]["t"]
    assert array.shape == () and array.ndim == 0 and array.dtype == TEXT
    assert array[()] == word and array.item() == word and type(array.item()) is str
    assert isinstance(part.array("k", "t"), np.ndarray) and part.array("k", "t").shape == ()
    assert part.array("k", "t").item() == word


def test_strings_in_any_memory_layout_are_accepted(part):
    value = text(["a", "bb", "ccc", "dddd", "", "ffffff"], (2, 3))
    part.write("k", {"t": value.T, "r": value[::-1, ::-2], "f": np.asfortranarray(value)})
    assert part.array("k", "t").tolist() == value.T.tolist()
    assert part.array("k", "r").tolist() == value[::-1, ::-2].tolist()
    assert part.array("k", "f").tolist() == value.tolist()


def test_none_and_nan_among_strings_are_masked(part, reopened):
    part.write(
        "k",
        {
            "list": ["a", None, "c"],
            "object": np.array(["a", None, "c"], object),
            "nan": np.array(["a", np.nan, "c"], object),
            "float": np.array(["a", float("nan"), "c"], object),
        },
    )
    entry = reopened()["k"]
    for name in entry:
        assert entry[name].masked and entry[name].dtype == TEXT
        assert entry[name].mask.tolist() == [False, True, False]
        assert entry[name].filled("?").tolist() == ["a", "?", "c"]
        assert entry[name].numpy().mask.tolist() == [False, True, False]


def test_missing_elements_of_a_stringdtype_are_masked(part):
    missing = np.dtypes.StringDType(na_object=None)
    part.write("k", {"t": np.array(["a", None, "c"], missing)})
    assert part["k"]["t"].mask.tolist() == [False, True, False]
    assert part["k"]["t"].filled("").tolist() == ["a", "", "c"]


def test_text_that_is_no_unicode_is_refused_by_place(part):
    for value in ("\ud800", ["good", "\udcff"]):
        with pytest.raises((ValueError, TypeError)):
            part.write("k", {"t": value})
    part.write("k", {"t": ["good", "fine"]})


def test_variable_bytes_come_back_as_objects_of_bytes(part, states):
    part.write("k", {"o": blobs(BLOBS), "l": BLOBS, "m": [b"a", None, b"c"]})
    for now in states():
        for name in "ol":
            found = now.array("k", name)
            assert found.dtype == object and found.tolist() == BLOBS
            assert all(type(each) is bytes for each in found) and not found.flags.writeable
        assert now["k"]["m"].mask.tolist() == [False, True, False]
        assert now["k"]["m"].filled(b"?").tolist() == [b"a", b"?", b"c"]


@pytest.mark.parametrize("blob", BLOBS, ids=lambda blob: f"{len(blob)} {blob[:9]!a}")
def test_one_bytes_object_is_a_0d_array(part, blob):
    part.write("k", {"t": blob})
    assert part["k"]["t"].shape == ()
    assert part["k"]["t"].item() == blob and part["k"]["t"][()] == blob


def test_fixed_width_text_and_bytes_keep_their_width(part, reopened):
    part.write(
        "k",
        {"u": np.array(["ab", "é"], "U7"), "s": np.array([b"ab", b""], "S5"), "v": np.array("abc")},
    )
    entry = reopened()["k"]
    assert entry["u"].dtype == np.dtype("<U7") and entry["u"].numpy().tolist() == ["ab", "é"]
    assert entry["s"].dtype == np.dtype("S5") and entry["s"].numpy().tolist() == [b"ab", b""]
    assert entry["v"].dtype == np.dtype("<U3") and entry["v"][()] == "abc"


def test_numpy_scalars_of_text_keep_their_width(part):
    part.write("k", {"u": np.str_("abc"), "s": np.bytes_(b"abc")})
    assert part["k"]["u"].item() == "abc" and part["k"]["s"].item() == b"abc"


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=40), min_size=1, max_size=30
    )
)
def test_any_text_round_trips(words):
    with arraylog.open(":memory:", "a") as store:
        store.partition().write("k", {"t": words})
        assert store.partition().array("k", "t").tolist() == words


@settings(deadline=None, max_examples=60)
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=30))
def test_any_bytes_round_trip(items):
    with arraylog.open(":memory:", "a") as store:
        store.partition().write("k", {"t": items})
        assert store.partition().array("k", "t").tolist() == items


def test_a_string_array_has_no_buffer(part):
    part.write("k", {"t": ["a", "b"]})
    with pytest.raises((BufferError, TypeError)):
        memoryview(part["k"]["t"])
    assert np.asarray(part["k"]["t"]).tolist() == ["a", "b"]


def test_strings_are_indexed_as_numpy_does(part):
    value = text(["a", "bb", "ccc", "dddd"], (2, 2))
    part.write("k", {"t": value})
    array = part["k"]["t"]
    assert array[0, 1] == "bb" and array[1].tolist() == ["ccc", "dddd"]
    assert array[:, ::-1].tolist() == value[:, ::-1].tolist()
    assert (array == "bb").tolist() == [[False, True], [False, False]]


@pytest.mark.parametrize("dtype", ["string", "bytes"])
def test_object_arrays_that_say_nothing_are_what_was_stated(part, dtype):
    none = np.array([[None, None]], object)
    empty = np.zeros((2, 0), object)
    stated = {"n": arraylog.array(none, dtype=dtype), "e": arraylog.array(empty, dtype=dtype)}
    part.write("k", stated)
    part.write("again", {"n": part["k"]["n"], "e": part["k"]["e"]})
    for key in ("k", "again"):
        assert part[key]["n"].masked and part[key]["n"].mask.tolist() == [[True, True]]
        assert part[key]["e"]._dtype_name == dtype and part[key]["e"].shape == (2, 0)
    part.append("k", "e", empty)
    part.write_region("k", "e", np.s_[:, 0:0], empty[:1])
    assert part["k"]["e"].shape == (4, 0)
    with pytest.raises(arraylog.InvalidError, match="state its dtype"):
        arraylog.array(empty)


def test_numpys_scalars_of_text_are_written_to_parts(part):
    """Their dtype is as long as they are, and not as that of the array."""
    part.write("k", {"s": np.array([b"abc", b"d"]), "u": np.array(["abc", "d"]), "t": text(["abc", "d"])})
    for name, scalar, long in (("s", np.bytes_(b"x"), np.bytes_(b"long")), ("u", np.str_("x"), np.str_("long"))):
        part.edit("k", name)[0] = scalar
        part.edit("k", name)[1] = part.array("k", name)[0]
        assert part.array("k", name).tolist() == [scalar.item()] * 2
        with pytest.raises(arraylog.InvalidError, match="cannot hold"):
            part.edit("k", name)[0] = long
    part.edit("k", "t")[1] = np.str_("x")
    assert part.array("k", "t").tolist() == ["abc", "x"]
    with pytest.raises(arraylog.DTypeError):
        part.edit("k", "t")[1] = np.bytes_(b"x")
